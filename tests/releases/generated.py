"""Promotions in every state that a seed leads to, as rows of a real database.

Gates of every kind with evidence that passes, is spoilt or is missing; stale and unjudged ones;
votes, waivers, holds, rejections, freezes, a stopped line, ramps, sets, hotfixes, missed
follow-ups, expired requests. The same seed gives the same states.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from releases.digests import sha256_of
from releases.evidence import recordable
from releases.gates.contract import Evidence, Gate, Subject
from releases.gates.facts import GateFact
from releases.gates.reading import BadEvidence
from releases.gates.registry import BUILT_IN, kinds
from releases.gates.terms import gates_of
from releases.models import (
    Approval,
    Checkpoint,
    Evaluation,
    GateOutcome,
    Promotion,
    PromotionSet,
    Stage,
)
from releases.promotions import Decision, GateReason, decide
from releases.selectors.facts import facts_of_all
from releases.selectors.promotions import promotions
from releases.services.promotions.evaluate import outcome_row
from releases.states import OPEN_PROMOTIONS, Outcome, PromotionState, Vote
from tests.builders import NOW
from tests.releases.gates.test_admission import CASES, FAULTS, paths, spoilt
from tests.releases.generated_world import REASONS, World, control, populate

OPEN = sorted(OPEN_PROMOTIONS)
CLOSED = sorted(set(PromotionState) - OPEN_PROMOTIONS)


class Source:
    """Gives each gate the evidence that was generated for it."""

    kinds = frozenset(rule.kind for rule in BUILT_IN)
    known: ClassVar[dict[tuple[str, str], Evidence]] = {}

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        return self.known[str(subject.promotion_id), gate.id]


def world(seed: int, n: int) -> World:
    """At least `n` promotions at NOW; call it with the clock frozen there."""
    made = World(rng=random.Random(seed))
    populate(made)
    _promotions(made, n)
    control(made)
    made.promotions = list(promotions().order_by("pk"))
    _judged(made)
    Source.known = {
        (str(key), fact.gate.id): fact.evidence
        for key, facts in made.evidence.items()
        for fact in facts
    }
    return made


def _gate(made: World, number: int) -> tuple[dict[str, Any], Evidence]:
    """A gate as a policy writes it, and what its source knows."""
    case = made.rng.choice(CASES)
    gate = {"id": f"g-{number}", "kind": case.kind, **case.options}
    if made.maybe(15):
        gate["shadow"] = True
    if made.maybe(4):
        gate["kind"] = "unheard-of"
    return gate, _evidence(made, case.observed)


def _evidence(made: World, observed: Any) -> Evidence:
    inputs = {f"suite:sql@{made.rng.randrange(3)}": sha256_of(made.rng.randrange(3))}
    choice = made.rng.randrange(100)
    if choice < 8:
        return Evidence()
    if choice < 14:
        return Evidence(problem="UpstreamError: the store does not answer", inputs=inputs)
    if choice < 20:
        return Evidence(missing="the run is still going: 12 of 60 cases.", inputs=inputs)
    if choice < 50:
        places = list(paths(observed))
        changes = [(made.rng.choice(places), made.rng.choice(FAULTS)) for _ in range(2)]
        observed = spoilt(observed, changes)
    try:
        return recordable(Evidence(observed=observed, inputs=inputs))
    except BadEvidence as error:
        return Evidence(problem=f"BadEvidence: {error}")


def _policy(made: World) -> tuple[dict[str, Any], list[Evidence]]:
    drawn = [_gate(made, number) for number in range(made.rng.choice((0, 1, 1, 2, 3, 5, 8)))]
    policy: dict[str, Any] = {"name": "s", "gates": [gate for gate, _ in drawn]}
    if made.maybe(75):
        groups = made.rng.choice(
            ([], ["release-managers"], ["release-managers", "behaviour-reviewers"])
        )
        policy["approvals"] = {"required": made.rng.randrange(3), "groups": groups}
    return policy, [evidence for _, evidence in drawn]


def _promotions(made: World, n: int) -> None:
    pairs = [(c, s) for c in made.checkpoints for s in made.stages]
    made.rng.shuffle(pairs)
    rows = [_promotion(made, checkpoint, stage) for checkpoint, stage in pairs[:n]]
    _sets(made, rows)
    Promotion.objects.bulk_create(rows)


def _promotion(made: World, checkpoint: Checkpoint, stage: Stage) -> Promotion:
    policy, evidence = _policy(made)
    state = made.rng.choice(OPEN) if made.maybe(85) else made.rng.choice(CLOSED)
    is_open = state in OPEN_PROMOTIONS
    requester = made.rng.choice([*made.persons, None])
    row = Promotion(
        checkpoint=checkpoint,
        stage=stage,
        state=state.value,
        reason=made.rng.choice(REASONS),
        requested_by=requester,
        requester_name=requester.name if requester else "ci",
        requested_at=NOW - timedelta(days=made.rng.randrange(8)),
        expires_at=NOW + timedelta(hours=made.rng.randrange(-24, 160)),
        policy=policy,
        policy_digest=sha256_of(policy),
        hotfix=made.maybe(15),
        decided_at=None if is_open else NOW - timedelta(hours=1),
        decision_reason="" if is_open else "It was decided.",
    )
    made.evidence[row.pk] = tuple(
        GateFact(gate=gate, evidence=found)
        for gate, found in zip(gates_of(policy), evidence, strict=True)
    )
    return row


def _sets(made: World, rows: Sequence[Promotion]) -> None:
    """Neighbours of one stage and of different sizes are promoted as one."""
    for stage in made.stages:
        there = [row for row in rows if row.stage == stage and made.maybe(20)]
        one_each = {row.checkpoint.size: row for row in there}
        if len(one_each) > 1:
            together = PromotionSet.objects.create(stage=stage, requested_at=NOW)
            for row in one_each.values():
                row.together = together


def _judged(made: World) -> None:
    """What each promotion's newest evaluation says, and the votes that were given on it."""
    facts = facts_of_all(made.promotions, NOW, made.evidence)
    votes: list[Approval] = []
    evaluations, outcomes = [], []
    for row in made.promotions:
        decision = decide(facts[row.pk], NOW)
        votes += _votes(made, row, decision)
        if row.state in OPEN_PROMOTIONS and made.maybe(4):
            made.unsettled.add(row.pk)
            continue
        evaluation = Evaluation(
            promotion=row,
            number=1,
            evaluated_at=NOW - timedelta(minutes=1),
            admits=decision.admits,
            machine_clear=decision.machine_clear,
            evidence_hash=decision.evidence_hash,
        )
        evaluations.append(evaluation)
        outcomes += _outcomes(made, row, evaluation, decision)
    Evaluation.objects.bulk_create(evaluations)
    GateOutcome.objects.bulk_create(outcomes)
    Approval.objects.bulk_create(votes)


def _outcomes(
    made: World, row: Promotion, evaluation: Evaluation, decision: Decision
) -> list[GateOutcome]:
    evidence = {fact.gate.id: fact.evidence for fact in made.evidence[row.pk]}
    gates = [_perhaps_stale(made, row, gate) for gate in decision.gates]
    return [
        outcome_row(evaluation, position, gate, evidence.get(gate.gate_id, Evidence()))
        for position, gate in enumerate(gates)
    ]


def _perhaps_stale(made: World, row: Promotion, gate: GateReason) -> GateReason:
    if gate.inputs and made.maybe(8):
        made.unsettled.add(row.pk)
        sentence = f"Stale, because sql has version 8; before: {gate.sentence}"
        return replace(gate, outcome=Outcome.STALE, code="stale", sentence=sentence)
    return gate


def _votes(made: World, row: Promotion, decision: Decision) -> list[Approval]:
    voters = made.rng.sample(made.persons, made.rng.choice((0, 0, 1, 2, 3)))
    return [
        Approval(
            promotion=row,
            person=person,
            vote=(Vote.REJECT if made.maybe(10) else Vote.APPROVE).value,
            comment=made.rng.choice(REASONS),
            groups=made.rng.choice(
                (["release-managers"], ["behaviour-reviewers", "release-managers"])
            ),
            evidence_hash=decision.evidence_hash if made.maybe(75) else "0" * 64,
            voted_at=NOW - timedelta(minutes=number // 2),
            voided_at=NOW if made.maybe(15) else None,
        )
        # Two at one moment: their order must be told all the same.
        for number, person in enumerate(voters)
    ]


def n_kinds(made: World) -> int:
    """Kinds of gate that some promotion of it asks."""
    asked = {gate["kind"] for row in made.promotions for gate in row.policy["gates"]}
    return len(asked & set(kinds()))
