"""What would clear a gate, said for every outcome that does not admit."""

from __future__ import annotations

from typing import Any

import pytest

from releases.clearing import what_clears
from releases.gates.registry import kinds
from releases.promotions import GateReason
from releases.states import ADMITTING, Outcome
from tests.builders import NOW


def reason(**fields: Any) -> GateReason:
    values = {"gate_id": "g", "kind": "eval_floor", "outcome": Outcome.FAIL, "code": "c"}
    return GateReason(**{**values, "sentence": "It is so.", **fields})


@pytest.mark.parametrize("kind", sorted(kinds()))
@pytest.mark.parametrize("outcome", sorted(set(Outcome) - ADMITTING))
def test_every_kind_says_something_for_every_outcome(kind: str, outcome: Outcome) -> None:
    said = what_clears(reason(kind=kind, outcome=outcome))
    assert said.endswith(".") and ".." not in said


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"outcome": Outcome.PASS}, ""),
        ({"outcome": Outcome.WAIVED}, ""),
        ({"outcome": Outcome.INCONCLUSIVE, "clears_at": NOW}, ""),
        ({"shadow": True}, "Counts for nothing here."),
        ({"kind": "sign_off", "human": True, "owner": "engineers"}, "A yes of engineers takes"),
        (
            {"kind": "manual", "human": True, "owner": "engineers", "outcome": "inconclusive"},
            "An answer of engineers",
        ),
        ({"kind": "manual", "human": True}, ""),
        ({"kind": "eval_no_regression"}, "or a waiver by two persons."),
    ],
)
def test_who_or_what_clears_it(fields: dict[str, Any], expected: str) -> None:
    if "outcome" in fields:
        fields = {**fields, "outcome": Outcome(fields["outcome"])}
    said = what_clears(reason(**fields))
    assert expected in said if expected else said == ""


def test_a_waiver_is_never_offered_for_an_artifact() -> None:
    for outcome in set(Outcome) - ADMITTING:
        assert "waiver" not in what_clears(reason(kind="artifact", outcome=outcome))
