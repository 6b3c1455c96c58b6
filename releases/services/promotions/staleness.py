"""Makes outcomes stale when what they rest on changes, in the transaction of that change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from django.db import transaction
from django.db.models import QuerySet

from infra import clock
from infra.actors import Actor
from releases.gates.contract import Evidence
from releases.models import Evaluation, Promotion, Stage
from releases.promotions import GateReason, conclude
from releases.selectors.facts import facts_of, newest_evaluations, reason_of_row
from releases.selectors.promotions import OPEN
from releases.services.promotions.evaluate import record
from releases.services.promotions.moves import locked
from releases.states import Outcome


def inputs_changed(*, actor: Actor, digests: Mapping[str, str], reason: str) -> list[Promotion]:
    """Outcomes that rest on another digest of these inputs go stale; the promotions it touched.

    `digests`: name of each input, as in `Evidence.inputs`, and what it is now. Call it inside the
    transaction of the change and before auditing the change: it locks promotions first.
    """
    with transaction.atomic():
        touched = []
        for row in _open_rows(Promotion.objects.all()):
            evaluation = newest_evaluations([row.pk]).get(row.pk)
            gate_ids = _resting_on(evaluation, digests) if evaluation else set()
            if evaluation and gate_ids:
                _make_stale(actor, row, evaluation, gate_ids, reason)
                touched.append(row)
        return touched


def policy_changed(*, actor: Actor, stages: Iterable[Stage]) -> list[Promotion]:
    """Open promotions into these stages take the new policy: all their outcomes go stale.

    Call it inside the transaction of `apply`, before auditing it.
    """
    policies = {stage.pk: stage for stage in stages}
    with transaction.atomic():
        touched = []
        for row in _open_rows(Promotion.objects.filter(stage__in=policies)):
            stage = policies[row.stage_id]
            if row.policy_digest == stage.policy_digest:
                continue
            row.policy, row.policy_digest = stage.policy, stage.policy_digest
            row.save(update_fields=["policy", "policy_digest"])
            evaluation = newest_evaluations([row.pk]).get(row.pk)
            if evaluation:
                gate_ids = {outcome.gate_id for outcome in evaluation.outcomes.all()}
                _make_stale(actor, row, evaluation, gate_ids, "the stage's policy changed")
            touched.append(row)
        return touched


def _open_rows(promotions: QuerySet[Promotion]) -> list[Promotion]:
    """Locked one after the other in one order."""
    found = promotions.filter(state__in=OPEN).order_by("pk").values_list("pk", flat=True)
    rows = [locked(promotion_id) for promotion_id in list(found)]
    return [row for row in rows if row.state in OPEN]


def _resting_on(evaluation: Evaluation, digests: Mapping[str, str]) -> set[str]:
    return {
        outcome.gate_id
        for outcome in evaluation.outcomes.all()
        for name, digest in outcome.inputs.items()
        if name in digests and digests[name] != digest
    }


def _make_stale(
    actor: Actor, row: Promotion, evaluation: Evaluation, gate_ids: set[str], why: str
) -> None:
    outcomes = list(evaluation.outcomes.all())
    gates = tuple(
        _stale(reason_of_row(outcome), why)
        if outcome.gate_id in gate_ids
        else reason_of_row(outcome)
        for outcome in outcomes
    )
    now = clock.now()
    evidence = {
        outcome.gate_id: Evidence(observed=outcome.evidence, url=outcome.evidence_url)
        for outcome in outcomes
    }
    decision = conclude(gates, facts_of(row, now), now)
    record(actor, row, decision, evidence, "promotion.stale", now, why)


def _stale(gate: GateReason, why: str) -> GateReason:
    sentence = f"Stale, because {why}; before: {gate.sentence}"
    return replace(gate, outcome=Outcome.STALE, code="stale", sentence=sentence, clears_at=None)
