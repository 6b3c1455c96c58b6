"""kill -9 in the middle of work: nothing finished is lost, nothing is done twice."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx2 as httpx
import openai
import psutil
import pytest

from infra.embedded.processes import wait_until
from tests.alpha.gateway.upstream import Behaviour, Upstream
from tests.walk.product import Product
from tests.walk.side import CHECKPOINT, N_CASES, SUITE, chat

REPEATS = 2
CONCURRENCY = 4
N_STREAMS = 6
BACK_WITHIN_S = 15.0
LANDED_S = 60.0


@pytest.fixture(autouse=True)
def usual_behaviour(side: Upstream) -> None:
    side.behaviour = Behaviour()


@pytest.mark.long
def test_a_killed_worker_costs_neither_a_result_nor_many_calls(
    demo: Product, side: Upstream, times: dict[str, float]
) -> None:
    side.behaviour = Behaviour(delay_s=0.2)
    side.seen.clear()
    asked = ("--repeats", str(REPEATS), "--concurrency", str(CONCURRENCY), "--by", "engineer")
    run = demo.told("run", "start", SUITE, CHECKPOINT, *asked)["id"]
    n_expected = N_CASES * REPEATS
    assert wait_until(lambda: len(side.seen) >= n_expected // 3, timeout_s=30)
    killed_at = time.monotonic()
    n_killed = _kill(demo.processes("celery", "worker"))
    assert n_killed >= 2 and demo.value(_RUN_STATE, run) == "running"
    over = ("completed", "failed", "cancelled")
    assert wait_until(lambda: demo.value(_RUN_STATE, run) in over, timeout_s=90), demo.said()
    times["run completed after kill -9 of the worker"] = time.monotonic() - killed_at
    assert demo.value(_RUN_STATE, run) == "completed"
    kept = demo.sql("SELECT case_id, repeat, state FROM eval_result WHERE run_id = %s", run)
    assert len(kept) == n_expected == len({(case, repeat) for case, repeat, _ in kept})
    assert {state for _, _, state in kept} == {"passed"}
    assert n_expected <= len(side.seen) <= n_expected + 2 * CONCURRENCY


_RUN_STATE = "SELECT state FROM eval_run WHERE id = %s"


def _kill(processes: list[psutil.Process]) -> int:
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=5)
    return len(processes)


@dataclass
class Seen:
    """What clients got: ids of answers that were complete, and of those that broke off."""

    finished: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    first_chunks: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


def test_a_killed_server_loses_no_finished_call_and_owns_up_to_the_others(
    demo: Product, side: Upstream, times: dict[str, float]
) -> None:
    side.behaviour = Behaviour(words=[" word"] * 40, chunk_delay_s=0.1)
    seen = Seen()
    with ThreadPoolExecutor(N_STREAMS) as pool:
        streams = [pool.submit(_stream, demo, seen) for _ in range(N_STREAMS)]
        for _ in streams:
            assert seen.first_chunks.acquire(timeout=20)
        _complete(demo, seen, 20)
        server = demo.processes("uvicorn", "infra.asgi:application")
        killed_at = time.monotonic()
        assert _kill(server) >= 1
        [stream.result(timeout=30) for stream in streams]
    side.behaviour = Behaviour()
    assert wait_until(lambda: _answers(demo, seen), timeout_s=BACK_WITHIN_S), demo.said()
    times["gateway back after kill -9 of the server"] = time.monotonic() - killed_at
    assert len(seen.finished) == 21 and len(seen.broken) == N_STREAMS
    landed = wait_until(lambda: len(_states(demo, seen)) == 21 + N_STREAMS, timeout_s=LANDED_S)
    assert landed, f"{demo.waits()}\n{demo.said()}\n{demo.logged('server')}"
    states = _states(demo, seen)
    assert {states[each] for each in seen.finished} == {"succeeded"}
    assert {states[each] for each in seen.broken} == {"aborted"}


def _stream(product: Product, seen: Seen) -> None:
    """Read one slow stream as far as it comes."""
    identifier, reason = "", None
    with product.sdk() as client:
        try:
            for chunk in client.chat.completions.create(**chat(stream=True)):
                if not identifier:
                    identifier = chunk.id
                    seen.first_chunks.release()
                if chunk.choices and chunk.choices[0].finish_reason:
                    reason = chunk.choices[0].finish_reason
        except (openai.APIError, httpx.HTTPError):
            reason = None
    (seen.finished if reason else seen.broken).append(identifier)


def _complete(product: Product, seen: Seen, n_calls: int) -> None:
    with product.sdk() as client:
        for _ in range(n_calls):
            seen.finished.append(client.chat.completions.create(**chat()).id)


def _answers(product: Product, seen: Seen) -> bool:
    try:
        _complete(product, seen, 1)
    except (openai.APIError, httpx.HTTPError):
        return False
    return True


def _states(product: Product, seen: Seen) -> dict[str, str]:
    """The state of each usage event, by the id that its client was given."""
    ids = [each.removeprefix("chatcmpl-") for each in (*seen.finished, *seen.broken)]
    rows = product.sql(
        "SELECT replace(request_id::text, '-', ''), state FROM usage_event "
        "WHERE request_id = ANY(%s::uuid[])",
        ids,
    )
    return {f"chatcmpl-{identifier}": state for identifier, state in rows}
