"""Limits of keys, partners and grants, changed while they are in use."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from django.db import transaction

from alpha.models import Grant, Key, Partner
from alpha.quotas import MOST, Quotas
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, Reason
from infra.roles import Role, Scope


def checked_quotas(quotas: Quotas) -> Quotas:
    """The limits as they are; InvalidInput that names every one that can't be kept."""
    reasons = [
        Reason(
            code="limit_out_of_range",
            observed=str(value),
            required=name,
            sentence=f"{name} must be a whole number from 1 to {MOST[name]}, not {value}.",
        )
        for name, value in quotas.set_ones()
        if not 1 <= value <= MOST[name]
    ]
    if reasons:
        told = " ".join(reason.sentence for reason in reasons)
        raise InvalidInput("limit_out_of_range", told, reasons)
    return quotas


def first_limits(quotas: Quotas) -> dict[str, object]:
    """The columns of a new key or partner that has these limits."""
    since = clock.now() if checked_quotas(quotas).is_limited else None
    return {**asdict(quotas), "limited_since": since}


def set_key_limits(*, actor: Actor, key: Key, quotas: Quotas, reason: str) -> Key:
    """Replace all limits of the key: None lifts one. In force on every worker within a second."""
    _may(actor, reason)
    with transaction.atomic():
        kept = Key.objects.select_for_update().get(pk=key.pk)
        if kept.revoked_at is not None:
            raise InvalidMove("already_revoked", f"The key {kept} is revoked: it needs no limits.")
        _replace(actor, kept, quotas, reason, "key.limited")
    return kept


def set_partner_limits(*, actor: Actor, partner: Partner, quotas: Quotas, reason: str) -> Partner:
    """Replace all limits of the partner, which hold for its keys and grants together."""
    _may(actor, reason)
    with transaction.atomic():
        kept = Partner.objects.select_for_update().get(pk=partner.pk)
        if kept.ended_at is not None:
            raise InvalidMove("partner_ended", f"{kept} has ended: it needs no limits.")
        _replace(actor, kept, quotas, reason, "partner.limited")
    return kept


def set_grant_limits(*, actor: Actor, grant: Grant, quotas: Quotas, reason: str) -> Grant:
    """Replace all limits of the grant; of a cohort's they hold for each of its partners alone."""
    _may(actor, reason)
    with transaction.atomic():
        kept = Grant.objects.select_for_update().get(pk=grant.pk)
        if kept.revoked_at is not None:
            raise InvalidMove("already_revoked", f"The grant of {kept} is revoked already.")
        _replace(actor, kept, quotas, reason, "grant.limited")
    return kept


def _may(actor: Actor, reason: str) -> None:
    actor.must("set limits", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the partner and the auditor will ask.")


def _replace(
    actor: Actor, row: Key | Partner | Grant, quotas: Quotas, reason: str, action: str
) -> None:
    before, row.limited_since = row.quotas, _since(row, checked_quotas(quotas))
    for name, value in asdict(quotas).items():
        setattr(row, name, value)
    row.save(update_fields=[*asdict(quotas), "limited_since"])
    audit.record(
        actor=actor,
        action=action,
        subject=row,
        reason=reason,
        before=asdict(before),
        after=asdict(quotas),
    )


def _since(row: Key | Partner | Grant, quotas: Quotas) -> datetime | None:
    """Where it had limits all along, the gateway has counted all along."""
    if not quotas.is_limited:
        return None
    # A grant keeps no moment for the limits that it was made with.
    return row.limited_since if row.quotas.is_limited else clock.now()
