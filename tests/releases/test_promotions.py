from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.gates.contract import Evidence, Gate
from releases.gates.facts import ApprovalRule, BlockFact, Facts, GateFact, VoteFact, WaiverFact
from releases.promotions import Decision, conclude, decide
from releases.states import Block, Outcome, PromotionState, Vote
from tests.releases.gates.shapes import NOW, mean_node, means

MANAGERS = frozenset({"release-managers"})
FLOOR = Gate(id="eval_floor-1", kind="eval_floor", options={"suite": "sql", "at_least": 0.6})
SIGN = Gate(id="sign_off-1", kind="sign_off", options={"role": "r", "question": "Off?"})
ARTIFACT = Gate(id="artifact-1", kind="artifact", options={})
GOOD = Evidence(observed=means(), inputs={"suite:sql": "a"})
BAD = Evidence(observed=means(root=mean_node(0.5, 0.4, 0.59)), inputs={"suite:sql": "a"})
YES = Evidence(
    observed={
        "answers": [{"person": "Ann", "yes": True, "comment": "ok", "answered_at": NOW.isoformat()}]
    }
)
SILENCE = Evidence(observed={"answers": []})


def facts(*gates: tuple[Gate, Evidence], required: int = 1, **fields: Any) -> Facts:
    values: dict[str, Any] = {
        "checkpoint_digest": "c",
        "stage": "chat/alpha",
        "policy_digest": "p",
        "gates": tuple(GateFact(gate=gate, evidence=evidence) for gate, evidence in gates),
        "approvals": ApprovalRule(required=required, groups=tuple(MANAGERS) if required else ()),
    }
    return Facts(**{**values, **fields})


def voted(on: Facts, person: str = "p1", choice: Vote = Vote.APPROVE, **fields: Any) -> Facts:
    """The facts with a vote on exactly this evidence."""
    vote = {
        "person_id": person,
        "person": person.title(),
        "vote": choice,
        "groups": MANAGERS,
        "evidence_hash": decide(on, NOW).evidence_hash,
        **fields,
    }
    return replace(on, votes=(*on.votes, VoteFact(**vote)))


def waiver(gate_id: str, days: int = 1) -> WaiverFact:
    return WaiverFact(
        gate_id=gate_id,
        reason="because",
        asked_by="Ann",
        confirmed_by="Ben",
        expires_at=NOW + timedelta(days=days),
    )


HOLD = BlockFact(block=Block.HOLDS, sentence="two is held by Ann: “odd”.", owner="Ann")
CLEAR = facts((FLOOR, GOOD))
SHADOW = replace(FLOOR, id="shadow", shadow=True)


@pytest.mark.parametrize(
    ("name", "given_facts", "state", "unmet"),
    [
        ("no gates", facts(), "evaluating", ["ungated", "approvals_missing"]),
        ("shadow alone", facts((SHADOW, GOOD)), "evaluating", ["ungated", "approvals_missing"]),
        ("failing", facts((FLOOR, BAD)), "evaluating", ["below_floor", "approvals_missing"]),
        ("clear, nobody asked yet", CLEAR, "waiting", ["approvals_missing"]),
        ("clear and approved", voted(CLEAR), "approved", []),
        ("no approval needed", facts((FLOOR, GOOD), required=0), "approved", []),
        ("approved on other evidence", voted(CLEAR, evidence_hash="x"), "waiting", None),
        ("approved without the group", voted(CLEAR, groups=frozenset()), "waiting", None),
        ("approved by the requester", voted(replace(CLEAR, excluded={"p1": ""})), "waiting", None),
        ("one of two", voted(facts((FLOOR, GOOD), required=2)), "waiting", None),
        ("one person twice", voted(voted(facts((FLOOR, GOOD), required=2))), "waiting", None),
        ("two of two", voted(voted(facts((FLOOR, GOOD), required=2)), "p2"), "approved", []),
        ("approved but failing", voted(facts((FLOOR, BAD))), "evaluating", None),
        ("rejected", voted(voted(CLEAR), "p2", Vote.REJECT), "rejected", ["rejected"]),
        (
            "rejected by the owner",
            voted(voted(replace(CLEAR, excluded={"p2": ""})), "p2", Vote.REJECT),
            "approved",
            [],
        ),
        ("held", replace(voted(CLEAR), blocks=(HOLD,)), "waiting", ["held"]),
        ("expired", replace(voted(CLEAR), expires_at=NOW), "expired", []),
        ("unanswered", facts((SIGN, SILENCE), (FLOOR, GOOD)), "waiting", None),
        ("answered", voted(facts((SIGN, YES), (FLOOR, GOOD))), "approved", []),
        ("waived", voted(facts((FLOOR, BAD), waivers=(waiver(FLOOR.id),))), "approved", []),
        ("waiver ended", facts((FLOOR, BAD), waivers=(waiver(FLOOR.id, 0),)), "evaluating", None),
        ("other gate waived", facts((FLOOR, BAD), waivers=(waiver("x"),)), "evaluating", None),
        (
            "artifact is never waived",
            facts((ARTIFACT, Evidence(observed={})), waivers=(waiver(ARTIFACT.id),)),
            "evaluating",
            None,
        ),
        ("ungated waived", voted(facts(waivers=(waiver("ungated"),))), "approved", []),
    ],
)
def test_where_facts_leave_a_promotion(
    name: str, given_facts: Facts, state: str, unmet: list[str] | None
) -> None:
    decision = decide(given_facts, NOW)
    assert decision.state == state, [r.sentence for r in decision.reasons]
    if unmet is not None:
        assert [reason.code for reason in decision.unmet] == unmet
    if state == "approved":
        assert decision.admits


def test_reasons_come_in_order() -> None:
    decision = decide(
        facts((SIGN, SILENCE), (FLOOR, GOOD), (ARTIFACT, Evidence()), blocks=(HOLD,)), NOW
    )
    order = ["eval_floor-1", "artifact-1", "sign_off-1", "approvals", "holds"]
    assert [reason.gate_id for reason in decision.reasons] == order


@pytest.mark.parametrize("evidence", [GOOD, BAD, Evidence(), Evidence(problem="crashed")])
def test_a_shadow_gate_changes_nothing(evidence: Evidence) -> None:
    without, shadowed = CLEAR, facts((FLOOR, GOOD), (SHADOW, evidence))
    before, after = decide(without, NOW), decide(shadowed, NOW)
    same = ("admits", "machine_clear", "evidence_hash", "approvals_needed", "state")
    assert [getattr(before, key) for key in same] == [getattr(after, key) for key in same]
    assert after.gates[-1].gate_id == "shadow"


@pytest.mark.parametrize(
    "changed",
    [
        replace(CLEAR, checkpoint_digest="other"),
        replace(CLEAR, stage="other"),
        replace(CLEAR, policy_digest="other"),
        facts((FLOOR, replace(GOOD, inputs={"suite:sql": "b"}))),
        facts((FLOOR, BAD)),
    ],
)
def test_approvals_bind_to_everything_they_rest_on(changed: Facts) -> None:
    assert decide(CLEAR, NOW).evidence_hash != decide(changed, NOW).evidence_hash


def test_live_numbers_that_grow_void_nothing() -> None:
    grown = facts((FLOOR, replace(GOOD, observed=means(root=mean_node(0.71, 0.63, 0.79)))))
    assert decide(CLEAR, NOW).evidence_hash == decide(grown, NOW).evidence_hash


def test_a_stale_outcome_blocks_what_was_approved() -> None:
    approved = voted(CLEAR)
    decision = decide(approved, NOW)
    stale = tuple(replace(gate, outcome=Outcome.STALE) for gate in decision.gates)
    after = conclude(stale, approved, NOW)
    assert (after.admits, after.state) == (False, PromotionState.EVALUATING)


# Numbers, holes and rubbish in every place of the evidence.
RUBBISH = st.one_of(
    st.none(),
    st.just(math.nan),
    st.just(math.inf),
    st.just("pass"),
    st.booleans(),
    st.just({}),
    st.just([]),
)
BROKEN_NODE = st.dictionaries(
    st.sampled_from(["n", "n_clusters", "n_missing", "mean", "lo", "hi"]), RUBBISH, max_size=5
)
BROKEN = st.one_of(
    st.none(),
    st.just({}),
    st.builds(lambda node: means(root=node), BROKEN_NODE),
    st.builds(lambda key, value: {**means(), key: value}, st.sampled_from(["nodes"]), RUBBISH),
    st.builds(lambda state: means(state), st.sampled_from(["expired", "saturated", "", "odd"])),
    st.builds(
        lambda key, value: means(root={**mean_node(), key: value}),
        st.sampled_from(["n", "n_clusters", "n_missing", "mean", "lo", "hi"]),
        st.one_of(st.none(), st.just(math.nan), st.just(math.inf), st.just("x"), st.just({})),
    ),
)
KINDS = {
    "eval_floor": {"suite": "sql", "at_least": 0.6},
    "eval_no_regression": {"suite": "sql", "baseline": {"stage": "p"}, "margin": 0.05},
    "artifact": {},
    "soak": {"stage": "internal", "soak": "1d"},
    "sign_off": {"role": "r", "question": "Off?"},
    "manual": {"question": "Off?"},
    "unheard_of": {},
}


@st.composite
def broken_evidence(draw: st.DrawFn) -> Evidence:
    problem = draw(st.sampled_from(["", "crashed", "timed out"]))
    observed = draw(BROKEN) if not problem else draw(st.one_of(st.none(), st.just(means())))
    return Evidence(observed=observed, problem=problem)


@given(
    broken=st.lists(st.tuples(st.sampled_from(sorted(KINDS)), broken_evidence()), min_size=1),
    n_good=st.integers(0, 3),
    approvals=st.integers(0, 2),
    data=st.data(),
)
@settings(max_examples=300, deadline=None)
def test_no_broken_evidence_ever_admits(
    broken: list[tuple[str, Evidence]], n_good: int, approvals: int, data: st.DataObject
) -> None:
    good = [(replace(FLOOR, id=f"good-{i}"), GOOD) for i in range(n_good)]
    bad = [
        (Gate(id=f"bad-{i}", kind=kind, options=KINDS[kind]), evidence)
        for i, (kind, evidence) in enumerate(broken)
    ]
    whole = facts(*data.draw(st.permutations([*good, *bad])), required=approvals)
    for person in ("p1", "p2"):
        whole = voted(whole, person)
    decision: Decision = decide(whole, NOW)
    assert not decision.admits
    assert decision.state in (PromotionState.EVALUATING, PromotionState.WAITING)
    assert {f"bad-{i}" for i in range(len(bad))} <= {r.gate_id for r in decision.unmet}
