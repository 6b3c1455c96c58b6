"""Whatever the kind and the numbers: a used-up suite never admits."""

from __future__ import annotations

from typing import Any

import pytest

from releases.gates.registry import BUILT_IN
from releases.states import Outcome
from tests.releases.gates.shapes import (
    REGRESSION,
    UNSETTLED,
    delta_node,
    deltas,
    judged,
    mean_node,
    means,
)

PAIR: dict[str, Any] = {"suite": "sql", "baseline": {"checkpoint": "one"}}
BETTER = delta_node(0.1, 0.05, 0.15, "better")
# Kind, options, and the numbers that pass, that fail and that can't tell on a fresh suite.
NUMBERS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "eval_floor": (
        {"suite": "sql", "at_least": 0.6},
        means(),
        means(root=mean_node(0.5, 0.4, 0.59)),
        means(root=mean_node(0.6, 0.5, 0.7)),
    ),
    "eval_no_regression": (
        {**PAIR, "margin": 0.05},
        deltas(),
        deltas(root=delta_node(**REGRESSION)),
        deltas(root=delta_node(**UNSETTLED)),
    ),
    "eval_improvement": (
        PAIR,
        deltas(root=BETTER),
        deltas(root=delta_node(**REGRESSION)),
        deltas(root=delta_node(**UNSETTLED)),
    ),
}
EVALS = [rule.kind for rule in BUILT_IN if "suite" in rule.schema.get("properties", {})]


def test_the_table_covers_every_kind_that_names_a_suite() -> None:
    assert {*NUMBERS, "eval_fresh"} == set(EVALS)


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize(
    ("state", "outcomes"),
    [
        ("fresh", ("pass", "fail", "inconclusive")),
        ("ageing", ("pass", "fail", "inconclusive")),
        ("saturated", ("inconclusive", "fail", "inconclusive")),
        ("expired", ("inconclusive", "inconclusive", "inconclusive")),
        ("unheard-of", ("error", "error", "error")),
        (None, ("error", "error", "error")),
    ],
)
def test_a_suite_caps_what_its_numbers_may_say(
    kind: str, state: Any, outcomes: tuple[str, str, str]
) -> None:
    options, *numbers = NUMBERS[kind]
    found = [judged(kind, options, {**seen, "suite_state": state}).outcome for seen in numbers]
    assert tuple(outcome.value for outcome in found) == outcomes


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize(
    ("state", "words"),
    [("saturated", "use its successor."), ("expired", "renew it or waive this gate.")],
)
def test_the_sentence_keeps_the_numbers_and_says_what_to_do(
    kind: str, state: str, words: str
) -> None:
    options, passing, *_ = NUMBERS[kind]
    verdict = judged(kind, options, {**passing, "suite_state": state})
    assert verdict.sentence.endswith(words) and "95% CI" in verdict.sentence


@pytest.mark.parametrize("state", ["saturated", "expired"])
def test_freshness_itself_never_passes_a_used_up_suite(state: str) -> None:
    observed = {"suite": "sql", "version": 3, "suite_state": state}
    assert judged("eval_fresh", {"suite": "sql"}, observed).outcome is not Outcome.PASS
