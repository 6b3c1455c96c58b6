"""The same state folder again: after a clean stop, and after the supervisor was killed."""

from __future__ import annotations

import os
import signal

import pytest

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


@pytest.mark.parametrize(
    ("signum", "code"),
    [
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="killed"),
        pytest.param(signal.SIGTERM, 0, id="stopped", marks=pytest.mark.long),
    ],
)
def test_the_next_start_is_quick_keeps_everything_and_plays_nothing_again(
    demo: Product, side: Upstream, times: dict[str, float], signum: signal.Signals, code: int
) -> None:
    kept = ("partner_key", "service_key", "users", "codename")
    facts, rows, before = demo.facts, demo.row_counts(), demo.processes()
    assert demo.stop(signum) == code, demo.said()
    assert signum == signal.SIGKILL or demo.processes() == []
    what = f"ready after {signum.name} to the supervisor"
    times[what] = demo.start()
    assert times[what] <= start_within_s()
    assert [each for each in before if each.is_running()] == []
    assert wait_until(lambda: demo.facts["demo"] != "running", timeout_s=SETTLED_WITHIN_S)
    assert demo.facts["demo"] == "done", demo.said()
    kept_rows = demo.row_counts()
    # Upstreams are asked again who they are, and a change of the answer is told.
    assert kept_rows.pop("audit_entry") >= rows.pop("audit_entry")
    assert kept_rows == rows
    assert [demo.facts[name] for name in kept] == [facts[name] for name in kept]
    with demo.sdk() as client:
        assert client.chat.completions.create(**chat()).model == CODENAME
