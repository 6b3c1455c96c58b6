"""What people decided on the same evidence is not asked of them again."""

from __future__ import annotations

from datetime import datetime, timedelta

from infra import audit
from infra.actors import Actor
from infra.errors import Reason
from infra.roles import role_named
from releases.evidence import gather_all
from releases.gates.contract import Gate
from releases.gates.keys import answer_key, decision_key
from releases.gates.registry import kinds
from releases.gates.terms import gates_of
from releases.models import Answer, Approval, Promotion
from releases.promotions import NOT_EVALUATED, GateReason, decide
from releases.selectors.facts import (
    facts_of,
    groups_of_persons,
    newest_evaluations,
    reason_of_row,
    subject_of,
)
from releases.states import PromotionState, Vote

# Numbers of live traffic and of time grow by themselves: after a day they are new evidence.
LIVE_AGE = timedelta(days=1)
_GROWING = frozenset(
    {"soak", "exposure", "error_rate", "feedback_rate", "latency", "cost", "open_findings"}
)


def key_of_answer(asked: Gate, promotion: Promotion, judged: tuple[GateReason, ...]) -> str:
    """What the person who answers looks at; empty before the first evaluation."""
    if NOT_EVALUATED in judged:
        return ""
    return answer_key(asked, gates_of(promotion.policy), judged)


def carry_answers(actor: Actor, row: Promotion) -> int:
    """Give the locked promotion the answers that an earlier one got on the same evidence.

    Of persons who still have the gate's role; how many were carried.
    """
    asked = {gate.id: gate for gate in gates_of(row.policy) if _is_asked(gate)}
    answered = row.answers.values_list("gate_id", flat=True) if asked else ()
    missing = set(asked) - set(answered)
    earlier = _earlier_answers(row, missing) if missing else []
    newest = newest_evaluations([row.pk]).get(row.pk) if earlier else None
    if newest is None:
        return 0
    judged = tuple(reason_of_row(outcome) for outcome in newest.outcomes.all())
    groups = groups_of_persons(answer.person_id for answer in earlier)
    n_carried = 0
    for answer in earlier:
        gate = asked[answer.gate_id]
        role = role_named(str(gate.options.get("role", "release-managers"))).value
        same = answer.evidence_key == key_of_answer(gate, row, judged)
        if answer.gate_id in missing and same and role in groups.get(answer.person_id, ()):
            _carry(actor, row, answer)
            missing.discard(answer.gate_id)
            n_carried += 1
    return n_carried


def _is_asked(gate: Gate) -> bool:
    rule = kinds().get(gate.kind)
    return rule is not None and rule.human


def _earlier_answers(row: Promotion, gate_ids: set[str]) -> list[Answer]:
    """The newest first."""
    rows = Answer.objects.filter(
        promotion__checkpoint=row.checkpoint_id,
        promotion__stage=row.stage_id,
        gate_id__in=gate_ids,
    ).exclude(promotion=row.pk)
    return list(rows.exclude(evidence_key="").select_related("person").order_by("-answered_at"))


def _carry(actor: Actor, row: Promotion, answer: Answer) -> None:
    Answer.objects.create(
        promotion=row,
        gate_id=answer.gate_id,
        person_id=answer.person_id,
        yes=answer.yes,
        comment=answer.comment,
        evidence_key=answer.evidence_key,
        answered_at=answer.answered_at,
    )
    audit.record(
        actor=actor,
        action="promotion.answer_carried",
        subject=row,
        reason=answer.comment,
        after={
            "gate_id": answer.gate_id,
            "yes": answer.yes,
            "person": answer.person.name,
            "answered_at": answer.answered_at,
            "promotion": str(answer.promotion_id),
        },
    )


def decided_already(asked: Promotion, now: datetime) -> Reason | None:
    """Why a promotion that is about to be requested was decided before, on the same evidence."""
    rejections = Approval.objects.filter(
        promotion__checkpoint=asked.checkpoint_id,
        promotion__stage=asked.stage_id,
        promotion__state=PromotionState.REJECTED.value,
        vote=Vote.REJECT.value,
        voided_at__isnull=True,
    ).select_related("person", "promotion")
    votes = {vote.promotion_id: vote for vote in rejections.order_by("voted_at")}
    if not votes:
        return None
    gates = gates_of(asked.policy)
    found = gather_all(gates, subject_of(asked), now)
    key = decision_key(gates, decide(facts_of(asked, now, found), now).gates)
    grows = any(gate.kind in _GROWING and not gate.shadow for gate in gates)
    for promotion_id, evaluation in newest_evaluations(votes).items():
        vote = votes[promotion_id]
        until = vote.voted_at + LIVE_AGE if grows else None
        judged = [reason_of_row(outcome) for outcome in evaluation.outcomes.all()]
        if key == decision_key(gates_of(vote.promotion.policy), judged):
            if until is None or now < until:
                return _refusal(vote, until)
    return None


def _refusal(vote: Approval, until: datetime | None) -> Reason:
    wait = f" or ask again from {until:%Y-%m-%d %H:%M} UTC, on newer traffic" if until else ""
    return Reason(
        code="decided_already",
        sentence=(
            f"Decided already on this evidence by {vote.person} on {vote.voted_at:%Y-%m-%d}: "
            f"“{vote.comment}”; bring new evidence{wait}."
        ),
        owner=str(vote.person),
        clears_at=until.isoformat() if until else None,
    )
