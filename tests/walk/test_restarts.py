"""The same state folder again: after a clean stop, and after the supervisor was killed."""

from __future__ import annotations

import os
import signal

from infra.embedded.processes import wait_until
from tests.alpha.gateway.upstream import Upstream
from tests.walk.product import Product
from tests.walk.side import CODENAME, chat

IDLE_START_WITHIN_S = 10.0
SETTLED_WITHIN_S = 60.0


def start_within_s() -> float:
    """Ten seconds on an idle machine; a busy one does that much work in a longer time.

    Busy with what else runs, or with the other test process alone, of which the load of the last
    minute knows little yet.
    """
    n_cores, n_tests = os.cpu_count() or 1, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return IDLE_START_WITHIN_S * max(1 + (n_tests - 1) / n_cores, os.getloadavg()[0] / n_cores)


def test_the_second_start_is_quick_keeps_everything_and_plays_nothing_again(
    demo: Product, side: Upstream, times: dict[str, float]
) -> None:
    kept = ("partner_key", "service_key", "users", "codename")
    facts, rows = demo.facts, demo.row_counts()
    assert demo.stop() == 0, demo.said()
    assert demo.processes() == []
    times["ready for the second time"] = demo.start()
    assert times["ready for the second time"] <= start_within_s()
    assert wait_until(lambda: demo.facts["demo"] != "running", timeout_s=SETTLED_WITHIN_S)
    assert demo.facts["demo"] == "done", demo.said()
    kept_rows = demo.row_counts()
    # Upstreams are asked again who they are, and a change of the answer is told.
    assert kept_rows.pop("audit_entry") >= rows.pop("audit_entry")
    assert kept_rows == rows
    assert [demo.facts[name] for name in kept] == [facts[name] for name in kept]
    with demo.sdk() as client:
        assert client.chat.completions.create(**chat()).model == CODENAME


def test_a_killed_supervisor_leaves_nothing_that_blocks_the_next_start(
    demo: Product, side: Upstream, times: dict[str, float]
) -> None:
    before = demo.processes()
    assert demo.stop(signal.SIGKILL) == -signal.SIGKILL
    times["ready after kill -9 of the supervisor"] = demo.start("--no-demo")
    assert times["ready after kill -9 of the supervisor"] <= start_within_s()
    assert [each for each in before if each.is_running()] == []
    with demo.sdk() as client:
        assert client.chat.completions.create(**chat()).model == CODENAME
