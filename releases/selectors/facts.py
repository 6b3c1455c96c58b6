"""Loads what a decision rests on, for many promotions in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from infra.models import User
from releases.gates.contract import Subject
from releases.gates.facts import Facts, GateFact, VoteFact, WaiverFact
from releases.gates.registry import kinds
from releases.gates.terms import approval_rule
from releases.models import Approval, Evaluation, GateOutcome, Promotion, Waiver
from releases.promotions import NOT_EVALUATED, Decision, GateReason, conclude
from releases.selectors.blocks import blocks_on, move_of
from releases.selectors.nearness import excluded_of_all
from releases.selectors.sets import members_of, waits_for
from releases.states import OPEN_PROMOTIONS, Block, Outcome, Vote

Pair = tuple[UUID, UUID]
_BLOCKS = list(Block)


def subject_of(promotion: Promotion) -> Subject:
    """What every source of evidence looks its own rows up by."""
    checkpoint, stage = promotion.checkpoint, promotion.stage
    return Subject(
        promotion_id=str(promotion.pk),
        checkpoint_id=str(checkpoint.pk),
        checkpoint_digest=checkpoint.checkpoint_digest,
        family=checkpoint.family.name,
        size=checkpoint.size,
        stage_id=str(stage.pk),
        stage=stage.name,
        pipeline_id=str(stage.pipeline_id),
    )


def facts_of(promotion: Promotion, now: datetime, gates: tuple[GateFact, ...] = ()) -> Facts:
    """The facts of one promotion as the rows are now."""
    return facts_of_all([promotion], now, {promotion.pk: gates})[promotion.pk]


def facts_of_all(
    promotions: Sequence[Promotion],
    now: datetime,
    gates: dict[UUID, tuple[GateFact, ...]] | None = None,
) -> dict[UUID, Facts]:
    """Facts by promotion; the promotions come with checkpoint, stage and owner loaded."""
    facts = _facts_without_sets(promotions, now, gates)
    members = members_of([p for p in promotions if p.state in OPEN_PROMOTIONS])
    rows = [member for found in members.values() for member in found]
    if not rows:
        return facts
    judged = _concluded(rows, _facts_without_sets(rows, now), now)
    alone = {key: standing.decision for key, standing in judged.items()}
    for promotion in promotions:
        waiting = tuple(waits_for(promotion, members, alone))
        blocks = sorted(facts[promotion.pk].blocks + waiting, key=lambda b: _BLOCKS.index(b.block))
        facts[promotion.pk] = replace(facts[promotion.pk], blocks=tuple(blocks))
    return facts


def _facts_without_sets(
    promotions: Sequence[Promotion],
    now: datetime,
    gates: dict[UUID, tuple[GateFact, ...]] | None = None,
) -> dict[UUID, Facts]:
    votes, waivers = _votes(promotions), _waivers(promotions)
    excluded = excluded_of_all(promotions)
    going = [promotion for promotion in promotions if promotion.state in OPEN_PROMOTIONS]
    found = blocks_on([move_of(promotion) for promotion in going], now)
    blocks = {promotion.pk: fact for promotion, fact in zip(going, found, strict=True)}
    return {
        promotion.pk: Facts(
            checkpoint_digest=promotion.checkpoint.checkpoint_digest,
            stage=str(promotion.stage),
            policy_digest=promotion.policy_digest,
            gates=(gates or {}).get(promotion.pk, ()),
            approvals=approval_rule(promotion.policy),
            excluded=excluded[promotion.pk],
            votes=tuple(votes[promotion.pk]),
            waivers=tuple(waivers[promotion.checkpoint_id, promotion.stage_id]),
            blocks=blocks.get(promotion.pk, ()),
            hotfix=promotion.reason if promotion.hotfix else "",
            expires_at=promotion.expires_at,
        )
        for promotion in promotions
    }


def excluded_persons(promotion: Promotion) -> dict[str, str]:
    """Persons whose vote never counts here, and why; superusers are no exception."""
    return excluded_of_all([promotion])[promotion.pk]


def groups_of_persons(person_ids: Iterable[UUID]) -> dict[UUID, frozenset[str]]:
    """The groups that a person's active logins give now; nothing for one who left."""
    held: dict[UUID, set[str]] = defaultdict(set)
    logins = User.objects.filter(
        person_id__in=set(person_ids), is_active=True, person__left_at__isnull=True
    )
    for person_id, group in logins.values_list("person_id", "groups__name"):
        if group is not None:
            held[person_id].add(group)
    return {person_id: frozenset(groups) for person_id, groups in held.items()}


def _votes(promotions: Sequence[Promotion]) -> dict[UUID, list[VoteFact]]:
    """Votes that stand; what was decided already keeps the groups that they were given with."""
    found: dict[UUID, list[VoteFact]] = defaultdict(list)
    going = {row.pk for row in promotions if row.state in OPEN_PROMOTIONS}
    approvals = list(
        Approval.objects.filter(promotion__in=[p.pk for p in promotions], voided_at__isnull=True)
        .select_related("person")
        .order_by("voted_at", "pk")
    )
    groups = groups_of_persons(
        approval.person_id for approval in approvals if approval.promotion_id in going
    )
    for approval in approvals:
        given = frozenset(approval.groups)
        held = groups.get(approval.person_id, frozenset())
        fact = VoteFact(
            person_id=str(approval.person_id),
            person=approval.person.name,
            vote=Vote(approval.vote),
            groups=given & held if approval.promotion_id in going else given,
            evidence_hash=approval.evidence_hash,
            comment=approval.comment,
        )
        found[approval.promotion_id].append(fact)
    return found


def _waivers(promotions: Sequence[Promotion]) -> dict[Pair, list[WaiverFact]]:
    found: dict[Pair, list[WaiverFact]] = defaultdict(list)
    rows = Waiver.objects.filter(
        checkpoint__in={p.checkpoint_id for p in promotions},
        stage__in={p.stage_id for p in promotions},
        confirmed_by__isnull=False,
    ).select_related("asked_by", "confirmed_by")
    for row in rows.order_by("-asked_at", "pk"):
        fact = WaiverFact(
            gate_id=row.gate_id,
            reason=row.reason,
            asked_by=row.asked_by.name,
            confirmed_by=row.confirmed_by.name,
            expires_at=row.expires_at,
        )
        found[row.checkpoint_id, row.stage_id].append(fact)
    return found


def newest_evaluations(promotion_ids: Iterable[UUID]) -> dict[UUID, Evaluation]:
    """The last evaluation of each promotion, its outcomes loaded in gate order."""
    rows = (
        Evaluation.objects.filter(promotion__in=list(promotion_ids))
        .order_by("promotion_id", "-number")
        .distinct("promotion_id")
        .prefetch_related("outcomes")
    )
    return {row.promotion_id: row for row in rows}


def reason_of_row(row: GateOutcome) -> GateReason:
    """A frozen outcome as the reason that it was."""
    rule = kinds().get(row.kind)
    return GateReason(
        gate_id=row.gate_id,
        kind=row.kind,
        outcome=Outcome(row.outcome),
        code=row.code,
        sentence=row.sentence,
        human=rule is not None and rule.human,
        shadow=row.shadow,
        observed=row.observed,
        required=row.required,
        owner=row.owner,
        clears_at=row.clears_at,
        inputs=row.inputs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A promotion's newest evaluation, the facts of now, and what both say."""

    evaluation: Evaluation | None
    facts: Facts
    decision: Decision


def standings(promotions: Sequence[Promotion], now: datetime) -> dict[UUID, Standing]:
    """Where each promotion stands; a constant number of queries, however many there are."""
    return _concluded(promotions, facts_of_all(promotions, now), now)


def decisions_of(promotions: Sequence[Promotion], now: datetime) -> dict[UUID, Decision]:
    """What the recorded outcomes, today's votes and today's holds say of each promotion."""
    return {key: standing.decision for key, standing in standings(promotions, now).items()}


def _concluded(
    promotions: Sequence[Promotion], facts: dict[UUID, Facts], now: datetime
) -> dict[UUID, Standing]:
    newest = newest_evaluations(facts)
    found = {}
    for promotion in promotions:
        evaluation, said = newest.get(promotion.pk), facts[promotion.pk]
        decision = conclude(_frozen_gates(evaluation), said, now)
        found[promotion.pk] = Standing(evaluation=evaluation, facts=said, decision=decision)
    return found


def _frozen_gates(evaluation: Evaluation | None) -> tuple[GateReason, ...]:
    if evaluation is not None:
        return tuple(reason_of_row(row) for row in evaluation.outcomes.all())
    return (NOT_EVALUATED,)
