"""Where a ramp goes now, by table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from releases.ramps import RampFacts, Waits, guardrails_of, next_step, share_at, steps_of

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TIMED = [{"percent": 10, "for": "2h"}, {"percent": 50, "for": "6h"}, {"percent": 90, "for": "4h"}]
ASKS = {"percent": 50, "approval": True}
ASKS_LATER = {"percent": 50, "for": "6h", "approval": True}
WATCHED = {"percent": 50, "for": "6h", "monitored": True}


def go(steps: list[dict[str, Any]], hours: float, step: int = 0, **facts: Any) -> Any:
    """Where the ramp goes `hours` after its present step began."""
    read = steps_of(steps)
    ends = read[step].ends_at(START) if step < len(read) else None
    ramp = RampFacts(steps=read, holdback=0, step=step, ends_at=ends, **facts)
    found = next_step(ramp, START + timedelta(hours=hours))
    return found.to, found.waits, found.n_folded


TIME, APPROVAL, GUARDRAILS = Waits.TIME, Waits.APPROVAL, Waits.GUARDRAILS
TABLE: list[tuple[str, Any, Any]] = [
    ("a step that is not over stays", go(TIMED, 1.9), (None, (TIME,), 0)),
    ("at its deadline it goes on", go(TIMED, 2), (1, (), 0)),
    ("just before the next one is over too", go(TIMED, 7.9), (1, (), 0)),
    ("overdue steps fold into one", go(TIMED, 8), (2, (), 1)),
    ("all of them are overdue: to the end in one move", go(TIMED, 12), (3, (), 2)),
    ("a year later it is still one move", go(TIMED, 9000), (3, (), 2)),
    ("the last one goes to the end", go(TIMED, 4, step=2), (3, (), 0)),
    ("after the last there is nothing", go(TIMED, 99, step=3), (None, (Waits.END,), 0)),
    ("what was held up is not made up for", go(TIMED, 99, folds=False), (1, (), 0)),
    ("a step without a time passes at once", go([{"percent": 10}, *TIMED], 0), (1, (), 0)),
    (
        "steps without a time fold whenever",
        go([{"percent": 1}, {"percent": 2}, *TIMED], 0),
        (2, (), 1),
    ),
    ("an approval step is not skipped", go([TIMED[0], ASKS, TIMED[2]], 99), (1, (), 0)),
    (
        "an approval step is not skipped behind a folded one",
        go([*TIMED[:2], ASKS, {"percent": 60}], 99),
        (2, (), 1),
    ),
    ("a monitored step is not skipped", go([TIMED[0], WATCHED, TIMED[2]], 99), (1, (), 0)),
    ("approval without a time waits for ever", go([ASKS], 9000), (None, (APPROVAL,), 0)),
    ("approved, it goes on", go([ASKS], 0, is_approved=True), (1, (), 0)),
    (
        "approved early, its time comes first",
        go([ASKS_LATER], 5, is_approved=True),
        (None, (TIME,), 0),
    ),
    ("approval and time: both are told", go([ASKS_LATER], 5), (None, (TIME, APPROVAL), 0)),
    (
        "approved late, nothing after it folds",
        go([ASKS_LATER, TIMED[2]], 99, is_approved=True),
        (1, (), 0),
    ),
    ("monitored and not safe stays", go([WATCHED], 99), (None, (GUARDRAILS,), 0)),
    (
        "monitored and safe early, its time comes first",
        go([WATCHED], 5, is_safe=True),
        (None, (TIME,), 0),
    ),
    ("monitored and safe goes on", go([WATCHED, TIMED[2]], 99, is_safe=True), (1, (), 0)),
    ("safe is no approval", go([ASKS], 99, is_safe=True), (None, (APPROVAL,), 0)),
    (
        "an approval makes nothing safe",
        go([WATCHED], 99, is_approved=True),
        (None, (GUARDRAILS,), 0),
    ),
]


@pytest.mark.parametrize(("name", "found", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_a_ramp_goes_on_by_what_its_step_asks(name: str, found: Any, expected: Any) -> None:
    assert found == expected, name


def test_a_holdback_is_never_used_up() -> None:
    steps = steps_of([{"percent": 10}, {"percent": 95}])
    assert [share_at(steps, 20, step) for step in range(3)] == [10, 80, 80]
    assert [share_at(steps, 0, step) for step in range(3)] == [10, 95, 100]
    assert share_at((), 10, 0) == 90


def test_a_duration_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a duration"):
        steps_of([{"percent": 10, "for": "soon"}])


def test_guardrails_are_named_by_their_kind() -> None:
    policy = {
        "guardrails": [
            {"kind": "error_rate", "action": "halt", "ratio_at_most": 2.0},
            {"kind": "error_rate", "action": "rollback", "id": "worst", "ratio_at_most": 5.0},
            {"kind": "latency", "action": "halt"},
        ]
    }
    found = guardrails_of(policy)
    assert [row.id for row in found] == ["error_rate-1", "worst", "latency-1"]
    assert found[1].options == {"ratio_at_most": 5.0} and found[1].action == "rollback"
