"""One promotion with as many gates as asked for, judged once, with votes, answers and waivers."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle, islice
from typing import Any

from infra import clock
from releases.gates.contract import Evidence
from releases.gates.facts import GateFact
from releases.gates.terms import gates_of
from releases.models import Answer, Approval, Evaluation, GateOutcome, Promotion, Waiver
from releases.promotions import decide
from releases.selectors.facts import facts_of
from releases.selectors.promotions import promotion_with_id
from releases.services.promotions.evaluate import outcome_row
from releases.states import PromotionState, Vote
from tests.builders import Cast
from tests.releases import rollout, story
from tests.releases.gates.test_admission import CASES


def promotion(cast: Cast, n_gates: int, name: str) -> Promotion:
    """Every third gate has no evidence yet; every fifth has a waiver, every fourth an answer."""
    cases = list(islice(cycle(CASES), n_gates))
    gates = [{"id": f"g-{n}", "kind": c.kind, **c.options} for n, c in enumerate(cases)]
    policy = story.policy(*gates)
    now = clock.now()
    row = Promotion.objects.create(
        checkpoint=rollout.named(f"{name}-checkpoint"),
        stage=story.stage(story.MANUAL, name=name),
        state=PromotionState.EVALUATING.value,
        reason="better at tables",
        requested_by_id=cast.engineer.person_id,
        requester_name="Engineer",
        requested_at=now,
        expires_at=now + timedelta(days=7),
        policy=policy,
        policy_digest="4" * 64,
    )
    facts = tuple(
        GateFact(gate=gate, evidence=_evidence(case.observed, number))
        for number, (gate, case) in enumerate(zip(gates_of(policy), cases, strict=True))
    )
    _waive(row, cast, n_gates)
    _judge(promotion_with_id(row.pk), facts)
    _say(row, cast, n_gates)
    return promotion_with_id(row.pk)


def _evidence(observed: Any, number: int) -> Evidence:
    inputs = {f"suite:sql@{number}": f"{number:064d}", "checkpoint:two": "5" * 64}
    return Evidence(observed=observed if number % 3 else None, inputs=inputs)


def _waive(row: Promotion, cast: Cast, n_gates: int) -> None:
    now = clock.now()
    Waiver.objects.bulk_create(
        Waiver(
            checkpoint=row.checkpoint,
            stage=row.stage,
            gate_id=f"g-{number}",
            reason="The suite is known to be wrong.",
            asked_by_id=cast.release_manager.person_id,
            asked_at=now,
            confirmed_by_id=cast.second_release_manager.person_id,
            confirmed_at=now,
            expires_at=now + timedelta(days=2),
        )
        for number in range(0, n_gates, 5)
    )


def _judge(row: Promotion, gates: tuple[GateFact, ...]) -> None:
    now = clock.now()
    decision = decide(facts_of(row, now, gates), now)
    evidence = {fact.gate.id: fact.evidence for fact in gates}
    evaluation = Evaluation.objects.create(
        promotion=row,
        number=1,
        evaluated_at=now,
        admits=decision.admits,
        machine_clear=decision.machine_clear,
        evidence_hash=decision.evidence_hash,
    )
    GateOutcome.objects.bulk_create(
        outcome_row(evaluation, position, gate, evidence[gate.gate_id])
        for position, gate in enumerate(decision.gates)
    )


def _say(row: Promotion, cast: Cast, n_gates: int) -> None:
    now = clock.now()
    Approval.objects.create(
        promotion=row,
        person_id=cast.release_manager.person_id,
        vote=Vote.APPROVE.value,
        groups=["release-managers"],
        evidence_hash="0" * 64,
        voted_at=now,
    )
    Answer.objects.bulk_create(
        Answer(
            promotion=row,
            gate_id=f"g-{number}",
            person_id=cast.behaviour_reviewer.person_id,
            yes=True,
            comment="It does.",
            answered_at=now,
        )
        for number in range(0, n_gates, 4)
    )
