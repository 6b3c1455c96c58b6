"""Partners and cohorts: made, joined, left, ended."""

from __future__ import annotations

import re

from django.db import transaction

from alpha.models import Cohort, CohortMember, Grant, Key, Partner
from alpha.quotas import NO_LIMITS, Quotas
from alpha.services.limits import first_limits
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotFound
from infra.roles import Role, Scope

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,78}[a-z0-9]")


def _named(kind: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "bad_name",
            f"{name!r} can't name a {kind}: use 2 to 80 of a-z, 0-9 and '-', such as 'acme-labs'.",
        )
    return name


def make_partner(
    *, actor: Actor, name: str, contact_email: str, quotas: Quotas = NO_LIMITS
) -> Partner:
    """A new partner; InvalidMove when the name is taken."""
    actor.must("make partners", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    with transaction.atomic():
        partner, made = Partner.objects.get_or_create(
            name=_named("partner", name),
            defaults={"contact_email": contact_email, **first_limits(quotas)},
        )
        if not made:
            raise InvalidMove("partner_exists", f"There is a partner {name} already.")
        audit.record(
            actor=actor,
            action="partner.made",
            subject=partner,
            after={"email": contact_email, **dict(quotas.set_ones())},
        )
    return partner


def end_partner(*, actor: Actor, partner: Partner, reason: str) -> None:
    """Close the partner's access: every key and grant of its own ends in the same transaction."""
    actor.must("end partners", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER)
    now = clock.now()
    with transaction.atomic():
        if not Partner.objects.filter(pk=partner.pk, ended_at=None).update(ended_at=now):
            raise InvalidMove("already_ended", f"{partner} has ended already.")
        open_rows = {"partner": partner, "revoked_at": None}
        n_keys = Key.objects.filter(**open_rows).update(revoked_at=now, revoke_reason=reason)
        n_grants = Grant.objects.filter(**open_rows).update(revoked_at=now, revoke_reason=reason)
        audit.record(
            actor=actor,
            action="partner.ended",
            subject=partner,
            reason=reason,
            after={"keys_revoked": n_keys, "grants_revoked": n_grants},
        )


def make_cohort(*, actor: Actor, name: str) -> Cohort:
    """A new cohort; InvalidMove when the name is taken."""
    actor.must("make cohorts", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    with transaction.atomic():
        cohort, made = Cohort.objects.get_or_create(name=_named("cohort", name))
        if not made:
            raise InvalidMove("cohort_exists", f"There is a cohort {name} already.")
        audit.record(actor=actor, action="cohort.made", subject=cohort)
    return cohort


def join_cohort(*, actor: Actor, cohort: Cohort, partner: Partner) -> CohortMember:
    """Put the partner into the cohort; nothing happens when it is there."""
    actor.must("change cohorts", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    with transaction.atomic():
        member, made = CohortMember.objects.get_or_create(cohort=cohort, partner=partner)
        if made:
            audit.record(
                actor=actor,
                action="cohort.joined",
                subject=cohort,
                after={"partner": partner.name},
            )
    return member


def leave_cohort(*, actor: Actor, cohort: Cohort, partner: Partner, reason: str) -> None:
    """Take the partner out of the cohort; its cohort's grants stop serving it at once."""
    actor.must("change cohorts", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    with transaction.atomic():
        n_gone, _ = CohortMember.objects.filter(cohort=cohort, partner=partner).delete()
        if not n_gone:
            raise NotFound("not_a_member", f"{partner} is not in {cohort}.")
        audit.record(
            actor=actor,
            action="cohort.left",
            subject=cohort,
            reason=reason,
            before={"partner": partner.name},
        )
