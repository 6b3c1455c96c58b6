"""Whether a closed finding is gone is its reporter's word: how it is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from alpha.models import Finding, Notice, NoticeRecipient, Partner
from alpha.selectors import grants_in_force
from alpha.services.finding_moves import (
    JUDGES,
    locked,
    move,
    must_give_reason,
    must_not_own,
)
from alpha.services.partner_logins import actor_of
from alpha.states import FindingState, NoticeKind
from infra import audit, clock
from infra.actors import Actor, ActorKind, system
from infra.errors import InvalidMove
from releases.models import Codename, Release
from releases.states import Arm

ASKED_AT_ONCE = 200
LEAST_SHARE = 50
"""Percent of a stage's calls that a candidate must answer before partners are asked to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Under which codename a partner calls the checkpoint that has the fix."""

    release: Release
    codename: str


def reconfirm_finding(*, actor: Actor, finding: Finding, reason: str) -> Finding:
    """Write down that its reporter agreed; `reason` says how that was learnt."""
    actor.must("say that a finding's reporter agreed", *JUDGES)
    person_id = actor.must_be_person("say that a finding's reporter agreed")
    told = must_give_reason(reason)
    with transaction.atomic():
        row = locked(finding)
        must_not_own(actor, row.checkpoint)
        _agreed(actor, row, told, {"reconfirmed_by_id": person_id})
    return row


def ask_reporters() -> int:
    """Tell those who reported what is fixed now where they can call it; how many were told.

    Safe to run twice and at once: each partner is asked once for each closing.
    """
    waiting = Finding.objects.filter(
        state=FindingState.FIXED.value, fixed_in__isnull=False, reconfirmed_at=None
    ).order_by("closed_at")
    return sum(_ask(pk) for pk in list(waiting.values_list("pk", flat=True)[:ASKED_AT_ONCE]))


def take_answers() -> int:
    """Move findings by what partners answered to notices of a fix; how many answers were taken."""
    given = NoticeRecipient.objects.filter(answered_at__isnull=False, taken_at=None)
    ids = list(given.order_by("answered_at").values_list("pk", flat=True)[:ASKED_AT_ONCE])
    return sum(_take(pk) for pk in ids)


def reach_of(finding: Finding, partner: Partner) -> Reach | None:
    """Where the partner calls the checkpoint with the fix now; None: nowhere yet."""
    now = clock.now()
    stages = grants_in_force(partner, now).values_list("stage_id", flat=True)
    live = Release.objects.filter(
        Q(arm=Arm.INCUMBENT.value) | Q(share__gte=LEAST_SHARE),
        checkpoint=finding.fixed_in_id,
        stage__in=list(stages),
        ended_at=None,
        halted_at=None,
    ).select_related("stage__pipeline")
    for release in live.order_by("started_at"):
        names = Codename.objects.filter(
            Q(ends_at=None) | Q(ends_at__gt=now),
            stage=release.stage_id,
            size=release.size,
            opens_at__lte=now,
        )
        name = names.order_by("-opens_at").values_list("name", flat=True).first()
        if name is not None:
            return Reach(release=release, codename=name)
    return None


def _ask(finding_id: UUID) -> int:
    with transaction.atomic():
        rows = Finding.objects.select_for_update(of=("self",), skip_locked=True)
        finding = rows.filter(pk=finding_id, state=FindingState.FIXED.value).first()
        if finding is None:
            return 0
        told = NoticeRecipient.objects.filter(
            notice__finding=finding, notice__sent_at__gte=F("notice__finding__closed_at")
        ).values_list("partner_id", flat=True)
        to_tell = [p for p in _reporters(finding) if p.pk not in set(told)]
        reached = [(p, reach_of(finding, p)) for p in to_tell]
        for partner, reach in reached:
            if reach is not None:
                _tell(finding, partner, reach)
        return sum(reach is not None for _, reach in reached)


def _reporters(finding: Finding) -> Iterable[Partner]:
    own = Q(pk=finding.reporter_id)
    spoke = Q(feedback__reports__finding=finding)
    return Partner.objects.filter(own | spoke, ended_at=None).distinct().order_by("name")


def _tell(finding: Finding, partner: Partner, reach: Reach) -> None:
    """A notice that names the codename and the partner's own remarks, nothing of the house."""
    remarks = finding.reports.filter(feedback__partner=partner).order_by("feedback__received_at")
    ids = list(remarks.values_list("feedback_id", flat=True)[:100])
    notice = Notice.objects.create(
        kind=NoticeKind.FIX.value,
        subject=f"You reported this, it is fixed in {reach.codename}",
        text=_text(reach),
        stage=reach.release.stage,
        finding=finding,
        sent_at=clock.now(),
    )
    NoticeRecipient.objects.create(
        notice=notice, partner=partner, codenames=[reach.codename], feedback_ids=ids
    )
    audit.record(
        actor=system("findings"),
        action="notice.sent",
        subject=notice,
        after={"kind": notice.kind, "partners": [partner.name], "finding": finding.pk},
    )


def _text(reach: Reach) -> str:
    share = reach.release.share
    part = "" if reach.release.arm == Arm.INCUMBENT.value else f" ({share} percent of its calls)"
    return (
        f"What you reported is said to be fixed in {reach.codename}{part}. Please try it again, "
        'and tell whether it is gone: POST /v1/notices/{id}/ack with {"resolved": true} or '
        '{"resolved": false, "comment": "…"}, or POST /v1/feedback about your new call with '
        '{"notice": id, "thumbs_up": true or false}.'
    )


def _take(recipient_id: UUID) -> int:
    with transaction.atomic():
        rows = NoticeRecipient.objects.select_for_update(of=("self",), skip_locked=True)
        related = ("notice__finding", "partner", "acknowledged_with", "acknowledged_by__partner")
        answer = rows.select_related(*related).filter(pk=recipient_id, taken_at=None).first()
        if answer is None:
            return 0
        if answer.notice.finding is not None:
            _apply(answer, locked(answer.notice.finding))
        answer.taken_at = clock.now()
        answer.save(update_fields=["taken_at"])
    return 1


def _apply(answer: NoticeRecipient, finding: Finding) -> None:
    """An answer to an earlier closing, or to one that was answered, changes nothing."""
    partner, key = answer.partner, answer.acknowledged_with
    if answer.acknowledged_by is None:
        told_by = str(key or partner)
        actor = Actor(kind=ActorKind.PARTNER_KEY, name=told_by, on_behalf_of=partner.name)
    else:
        actor = actor_of(answer.acknowledged_by)
    closed_at = finding.closed_at
    if finding.state != FindingState.FIXED.value or closed_at is None:
        return
    if answer.notice.sent_at < closed_at:
        return
    if answer.resolved is False:
        reason = f"{partner} answered that it is not gone{_where(answer)}."
        move(
            actor=actor,
            finding=finding,
            to=FindingState.INVESTIGATING,
            reason=reason,
            fields={},
            owner_may=True,
        )
    elif partner.pk == finding.reporter_id and finding.reconfirmed_at is None:
        fields = {"reconfirmed_with_id": key.pk if key else None}
        _agreed(actor, finding, f"{partner} answered that it is gone{_where(answer)}.", fields)


def _where(answer: NoticeRecipient) -> str:
    return f", in feedback {answer.answered_in_id}" if answer.answered_in_id else ""


def _agreed(actor: Actor, row: Finding, reason: str, fields: dict[str, Any]) -> None:
    if not row.is_closed:
        state = row.state.replace("_", " ")
        message = f"This finding is {state}: its reporter is asked when it is closed."
        raise InvalidMove("finding_not_closed", message)
    if row.reconfirmed_at is not None:
        raise InvalidMove("reconfirmed_already", "Its reporter has agreed already.")
    for name, value in {**fields, "reconfirmed_at": clock.now()}.items():
        setattr(row, name, value)
    changed = [name.removesuffix("_id") for name in fields]
    row.save(update_fields=[*changed, "reconfirmed_at"])
    audit.record(
        actor=actor,
        action="finding.reconfirmed",
        subject=row,
        reason=reason,
        after={"state": row.state, "severity": row.severity},
    )
