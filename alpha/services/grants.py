"""Grants: a partner's or a cohort's access to one stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction

from alpha.models import Cohort, Grant, Partner
from alpha.quotas import NO_LIMITS, Quotas
from alpha.services.limits import checked_quotas
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove
from infra.roles import Role, Scope
from releases.models import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the partner agreed to: the terms, and whether its text may be kept."""

    terms_version: str = ""
    accepted_by: str = ""
    transcripts: bool = False
    transcript_days: int = 30


NO_CONSENT = Consent()


def make_grant(
    *,
    actor: Actor,
    stage: Stage,
    partner: Partner | None = None,
    cohort: Cohort | None = None,
    opens_at: datetime | None = None,
    ends_at: datetime | None = None,
    quotas: Quotas = NO_LIMITS,
    consent: Consent = NO_CONSENT,
) -> Grant:
    """Access of exactly one partner or cohort to the stage; InvalidMove when there is one."""
    actor.must("make grants", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    start = opens_at or clock.now()
    _check(stage=stage, partner=partner, cohort=cohort, opens_at=start, ends_at=ends_at)
    with transaction.atomic():
        Stage.objects.select_for_update().get(pk=stage.pk)
        if Grant.objects.filter(
            stage=stage, partner=partner, cohort=cohort, revoked_at=None
        ).exists():
            raise InvalidMove(
                "grant_exists", f"{partner or cohort} has a grant to {stage}: revoke that first."
            )
        grant = Grant.objects.create(
            stage=stage,
            partner=partner,
            cohort=cohort,
            opens_at=start,
            ends_at=ends_at,
            created_by_id=actor.person_id,
            terms_version=consent.terms_version,
            terms_accepted_by=consent.accepted_by,
            terms_accepted_at=clock.now() if consent.accepted_by else None,
            transcript_consent=consent.transcripts,
            transcript_days=consent.transcript_days,
            **asdict(checked_quotas(quotas)),
        )
        audit.record(
            actor=actor,
            action="grant.made",
            subject=grant,
            after={**asdict(quotas), **asdict(consent), "opens_at": start, "ends_at": ends_at},
        )
    return grant


def _check(
    *,
    stage: Stage,
    partner: Partner | None,
    cohort: Cohort | None,
    opens_at: datetime,
    ends_at: datetime | None,
) -> None:
    if (partner is None) == (cohort is None):
        raise InvalidInput("grant_subject", "A grant is for one partner or for one cohort.")
    if ends_at is not None and ends_at <= opens_at:
        raise InvalidInput("grant_window", f"The grant would end {ends_at} before it opens.")
    if stage.retired_at is not None:
        raise InvalidInput("stage_retired", f"{stage} is retired: choose a stage of the pipeline.")
    if partner is not None and partner.ended_at is not None:
        raise InvalidInput("partner_ended", f"{partner} has ended.")


def accept_terms(*, actor: Actor, grant: Grant, version: str, accepted_by: str) -> None:
    """Record that somebody at the partner accepted the terms; calls are refused before."""
    actor.must("record acceptance", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER)
    if not version.strip() or not accepted_by.strip():
        raise InvalidInput("terms_incomplete", "Name the version of the terms and who accepted.")
    with transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(
            terms_version=version, terms_accepted_by=accepted_by, terms_accepted_at=clock.now()
        )
        audit.record(
            actor=actor,
            action="grant.terms_accepted",
            subject=grant,
            after={"version": version, "by": accepted_by},
        )


def move_end(*, actor: Actor, grant: Grant, ends_at: datetime | None, reason: str) -> Grant:
    """Let the access end at another moment, None for never; in force within a second.

    It must lie ahead: an end now is a revocation. A grant that has ended is opened again so.
    """
    actor.must("move grants", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the partner and the auditor will ask.")
    with transaction.atomic():
        kept = Grant.objects.select_for_update().get(pk=grant.pk)
        if kept.revoked_at is not None:
            raise InvalidMove("already_revoked", f"The grant of {kept} is revoked: make a new one.")
        if ends_at is not None and ends_at <= max(clock.now(), kept.opens_at):
            sentence = f"The grant would end {ends_at:%Y-%m-%d %H:%M} UTC, which is no moment ahead"
            raise InvalidInput("grant_window", f"{sentence}: revoke it to end it now.")
        before, kept.ends_at = kept.ends_at, ends_at
        kept.save(update_fields=["ends_at"])
        audit.record(
            actor=actor,
            action="grant.end_moved",
            subject=kept,
            reason=reason,
            before={"ends_at": before},
            after={"ends_at": ends_at},
        )
    return kept


def revoke_grant(*, actor: Actor, grant: Grant, reason: str) -> None:
    """End the access now; the next request on every gateway worker is refused."""
    actor.must("revoke grants", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the partner and the auditor will ask.")
    with transaction.atomic():
        ended = Grant.objects.filter(pk=grant.pk, revoked_at=None).update(
            revoked_at=clock.now(), revoke_reason=reason
        )
        if not ended:
            raise InvalidMove("already_revoked", f"The grant of {grant} is revoked already.")
        audit.record(actor=actor, action="grant.revoked", subject=grant, reason=reason)
