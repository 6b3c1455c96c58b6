"""Two gateway processes on one database: what changes is known to both within a second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx2 as httpx
import pytest

from alpha.gateway.config import GatewayConfig
from alpha.models import Grant, Key
from alpha.services import keys
from infra import clock
from tests.alpha.builders import ACTOR, Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import usage_of, wait_for
from tests.alpha.gateway.test_access_ends import Caller, demote, halt
from tests.alpha.gateway.test_metering import Killable
from tests.alpha.gateway.upstream import Upstream

log = logging.getLogger(__name__)
Processes = tuple[Killable, Killable]
# What is promised; machines that others use are given more in the quick suite.
NEXT_CALL_S, STREAMS_END_S, LENIENT = 1.0, 2.0, 5.0


@pytest.fixture
def processes(config: GatewayConfig, granted: Access, committed_db: str) -> Iterator[Processes]:
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: Killable(config, committed_db), range(2)))
    yield made[0], made[1]
    for process in made:
        process.kill()


def another_key(granted: Access) -> tuple[Key, str]:
    return keys.issue_key(actor=ACTOR, partner=granted.partner)


def call(process: Killable, key_text: str) -> int:
    headers = {"authorization": f"Bearer {key_text}"}
    return httpx.post(
        f"{process.url}/chat/completions", json=chat(), headers=headers, timeout=20
    ).status_code


def until_all_answer(processes: Processes, key_text: str, status: int, since: float) -> float:
    """Seconds from `since` to the first call, at the slower process, that meets `status`."""

    def first(process: Killable) -> float:
        while True:
            begun_at = time.monotonic()
            if call(process, key_text) == status:
                return max(0.0, begun_at - since)
            assert begun_at - since < 20, f"{process.url} never answers {status}"

    with ThreadPoolExecutor(2) as pool:
        return max(pool.map(first, processes))


def each_change(processes: Processes, granted: Access) -> dict[str, float]:
    """How late each kind of change reached the next call of both processes, in seconds."""
    found: dict[str, float] = {}

    def changes(what: str, key_text: str, status: int, act: Callable[[], Any]) -> None:
        act()
        found[what] = until_all_answer(processes, key_text, status, time.monotonic())

    revoked, revoked_text = another_key(granted)
    changes("a key is issued", revoked_text, 200, lambda: None)
    changes(
        "it is revoked",
        revoked_text,
        401,
        lambda: keys.revoke_key(actor=ACTOR, key=revoked, reason="published"),
    )
    own = granted.key_text
    accepted_at = Grant.objects.get().terms_accepted_at
    changes("terms are void", own, 403, lambda: Grant.objects.update(terms_accepted_at=None))
    changes(
        "terms are accepted", own, 200, lambda: Grant.objects.update(terms_accepted_at=accepted_at)
    )
    expiring, expiring_text = another_key(granted)
    until_all_answer(processes, expiring_text, 200, time.monotonic())
    at = clock.now() + timedelta(seconds=1)
    Key.objects.filter(pk=expiring.pk).update(expires_at=at)
    until = time.monotonic() + (at - clock.now()).total_seconds()
    found["a key expires"] = until_all_answer(processes, expiring_text, 401, until)
    return found


def streams_end(
    processes: Processes, granted: Access, upstream: Upstream, act: Callable[[Access], None]
) -> float:
    """Seconds from the change to the end of the last running stream."""
    upstream.behaviour.words, upstream.behaviour.chunk_delay_s = ["word "] * 600, 0.1
    callers = [Caller(process, granted, chat(stream=True)) for process in processes]
    for caller in callers:
        wait_for(lambda caller=caller: "word" in caller.text, "the stream has begun")
    act(granted)
    since = time.monotonic()
    for caller in callers:
        caller.finish()
        assert "\n\nevent: error\ndata: {" in caller.text and "[DONE]" not in caller.text
        assert usage_of(caller.request_id).state == "stopped"
    wait_for(lambda: upstream.n_streaming == 0, "the upstream is closed", 3)
    upstream.behaviour.words, upstream.behaviour.chunk_delay_s = ["word"], 0.0
    return max(caller.ended_at for caller in callers) - since


def test_changes_reach_both_processes(
    processes: Processes, granted: Access, upstream: Upstream
) -> None:
    found = each_change(processes, granted)
    assert max(found.values()) < LENIENT, found
    assert streams_end(processes, granted, upstream, halt) < LENIENT
    assert [call(process, granted.key_text) for process in processes] == [503, 503]


@pytest.mark.long
@pytest.mark.parametrize(("act", "status"), [(halt, 503), (demote, 404)])
def test_changes_reach_both_processes_as_fast_as_promised(
    processes: Processes,
    granted: Access,
    upstream: Upstream,
    act: Callable[[Access], None],
    status: int,
) -> None:
    found = each_change(processes, granted)
    log.warning("next call, s: %s", {what: round(late, 3) for what, late in found.items()})
    assert max(found.values()) < NEXT_CALL_S, found
    ended_s = streams_end(processes, granted, upstream, act)
    log.warning("the last stream ended after %.3f s", ended_s)
    assert ended_s < STREAMS_END_S
    assert until_all_answer(processes, granted.key_text, status, time.monotonic()) < NEXT_CALL_S
