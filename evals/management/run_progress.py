"""How far a run is and what came out, as lines of a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import OutputWrapper
from django.db import InterfaceError, OperationalError, connection

from evals.models import Run
from evals.selectors.progress import Progress, progress
from evals.selectors.runs import StatedBeside
from evals.states import RunState
from infra.errors import InvalidMove
from releases.statistics.wording import points

POLL_S = 0.5
# Where nobody watches a live line, a log gets one this often.
PLAIN_LINE_EVERY_S = 10.0
# A database that restarts is back by then.
LONGEST_AWAY_S = 120.0
CLEAR = "\r\x1b[2K"


def wait(run: Run, say: Callable[[str], None], stdout: OutputWrapper, *, as_json: bool) -> None:
    """A live line until the run is over; InvalidMove when it did not complete."""
    live = not as_json and sys.stdout.isatty()
    shown_at, now = 0.0, _progress(run)
    while not now.is_over:
        if live:
            stdout.write(f"{CLEAR}{progress_line(now)}", ending="")
            stdout.flush()
        elif time.monotonic() - shown_at >= PLAIN_LINE_EVERY_S:
            say(progress_line(now))
            shown_at = time.monotonic()
        time.sleep(POLL_S)
        now = _progress(run)
    if live:
        stdout.write(CLEAR, ending="")
    say(progress_line(now))
    if now.state is not RunState.COMPLETED:
        why = f": {now.problem}" if now.problem else ""
        raise InvalidMove("run_not_completed", f"The run is {now.state.value}{why}")


def _progress(run: Run) -> Progress:
    """As the database says once it answers; what it raised when it stays away."""
    end = time.monotonic() + LONGEST_AWAY_S
    while True:
        try:
            return progress(run)
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(POLL_S)


def progress_line(now: Progress) -> str:
    """`running 120/480, 8.3/s, 43 s to go, 3 failed, 0 errored`."""
    parts = [f"{now.state.value} {now.done}/{now.total}"]
    if not now.is_over:
        parts += [now.rate, now.to_go or "time to go unknown"]
    parts += [f"{now.failed} failed", f"{now.errored} errored"]
    if now.refused:
        parts.append(f"{now.refused} refused")
    if now.skipped:
        parts.append(f"{now.skipped} skipped: {now.ended_because}")
    return ", ".join(parts)


def stop_line(node: dict[str, Any]) -> str:
    """`-12.3 pts (99% anytime -20.1..-2.2), 104 cases: regression`."""
    if node["lo"] is None:
        return "too few cases to judge"
    delta, lo, hi = (points(node[name]) for name in ("delta", "lo", "hi"))
    return f"{delta} pts (99% anytime {lo}..{hi}), {node['n']} cases: {node['verdict']}"


def stated_line(metric: StatedBeside) -> str:
    """`stated match/accuracy 0.75, ours 0.75: agrees`."""
    stated = "nothing" if metric.stated is None else f"{metric.stated:.6g}"
    if metric.agrees is None:
        return f"stated {metric.name} {stated}: not computed here"
    ours = "nothing" if metric.ours is None else f"{metric.ours:.6g}"
    told = "agrees" if metric.agrees else "DIFFERS"
    return f"stated {metric.name} {stated}, ours {ours}: {told}"


def mean_line(mean: dict[str, Any]) -> str:
    if mean["mean"] is None:
        return "no scored case"
    reach = "" if mean["lo"] is None else f" ({100 * mean['lo']:.1f}..{100 * mean['hi']:.1f})"
    missing = f", {mean['n_missing']} missing" if mean["n_missing"] else ""
    return f"{100 * mean['mean']:.1f}%{reach}, {mean['n_cases']} cases{missing}"


def whole(run: Run) -> str:
    return f"{run.version.suite.name}, whole suite"
