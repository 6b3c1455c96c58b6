"""Partner keys: made and shown once, revoked at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network

from django.conf import settings
from django.db import transaction

from alpha.keys import digest_of, make_key
from alpha.models import Key, Partner
from alpha.quotas import NO_LIMITS, Quotas
from alpha.services.limits import first_limits
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove
from infra.roles import Role, Scope

MOST_OVERLAP = timedelta(days=30)


def issue_key(
    *,
    actor: Actor,
    partner: Partner,
    name: str = "",
    expires_at: datetime | None = None,
    allowed_addresses: Sequence[str] = (),
    quotas: Quotas = NO_LIMITS,
) -> tuple[Key, str]:
    """A new key and its full text `slw_<public>_<secret>`, which is kept nowhere."""
    actor.must("issue keys", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    return made_key(
        actor=actor,
        partner=partner,
        name=name,
        expires_at=expires_at,
        allowed_addresses=allowed_addresses,
        quotas=quotas,
    )


def made_key(
    *,
    actor: Actor,
    partner: Partner,
    name: str,
    expires_at: datetime | None,
    allowed_addresses: Sequence[str] = (),
    quotas: Quotas = NO_LIMITS,
    replaces: Key | None = None,
) -> tuple[Key, str]:
    """As `issue_key`, for whoever was found to be allowed it."""
    if partner.ended_at is not None:
        raise InvalidInput("partner_ended", f"{partner} has ended: it gets no keys.")
    if expires_at is not None and expires_at <= clock.now():
        raise InvalidInput("key_expired", f"The key would have expired already, at {expires_at}.")
    public, secret, text = make_key()
    with transaction.atomic():
        key = Key.objects.create(
            partner=partner,
            name=name,
            public=public,
            digest=digest_of(secret, settings.KEY_PEPPER),
            allowed_addresses=[_network(address) for address in allowed_addresses],
            expires_at=expires_at,
            created_by_id=actor.person_id,
            replaces=replaces,
            **first_limits(quotas),
        )
        audit.record(
            actor=actor,
            action="key.issued",
            subject=key,
            after={
                **dict(quotas.set_ones()),
                "partner": partner.name,
                "name": name,
                "expires_at": expires_at,
                **({"replaces": str(replaces)} if replaces else {}),
            },
        )
    return key, text


def rotate_key(*, actor: Actor, key: Key, overlap: timedelta) -> tuple[Key, str]:
    """A successor with the key's name, addresses, expiry and limits; the old one ends by and by.

    For `overlap` both work, so that no call fails while the partner changes over. InvalidMove for a
    key that has ended or has a successor in force.
    """
    actor.must("rotate keys", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    return rotated_key(actor=actor, key=key, overlap=overlap)


def rotated_key(*, actor: Actor, key: Key, overlap: timedelta) -> tuple[Key, str]:
    """As `rotate_key`, for whoever was found to be allowed it."""
    if not timedelta(0) <= overlap <= MOST_OVERLAP:
        days = MOST_OVERLAP.days
        raise InvalidInput(
            "bad_overlap", f"Both keys may work for 0 to {days} days, not {overlap}."
        )
    with transaction.atomic():
        old = Key.objects.select_for_update(of=("self",)).select_related("partner").get(pk=key.pk)
        now = clock.now()
        _must_be_rotatable(old, now)
        found = made_key(
            actor=actor,
            partner=old.partner,
            name=old.name,
            expires_at=old.expires_at,
            allowed_addresses=old.allowed_addresses,
            quotas=old.quotas,
            replaces=old,
        )
        ends = now + overlap
        before, old.expires_at = old.expires_at, min(ends, old.expires_at or ends)
        old.save(update_fields=["expires_at"])
        audit.record(
            actor=actor,
            action="key.rotated",
            subject=old,
            before={"expires_at": before},
            after={"expires_at": old.expires_at, "successor": str(found[0])},
        )
    return found


def _must_be_rotatable(key: Key, now: datetime) -> None:
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise InvalidMove("key_ended", f"The key {key} has ended: issue a new one.")
    successor = key.replacements.filter(revoked_at=None).first()
    if successor is not None:
        raise InvalidMove("already_rotated", f"The key {key} was rotated to {successor} already.")


def _network(address: str) -> str:
    try:
        return str(ip_network(address, strict=False))
    except ValueError:
        raise InvalidInput(
            "bad_address", f"{address!r} is no address or network, such as 203.0.113.0/24."
        ) from None


def revoke_key(*, actor: Actor, key: Key, reason: str) -> None:
    """End the key now; the next request on every gateway worker is refused."""
    actor.must("revoke keys", Role.PARTNER_MANAGER, Role.RELEASE_MANAGER, scope=Scope.PARTNERS)
    end_key(actor=actor, key=key, reason=reason)


def end_key(*, actor: Actor, key: Key, reason: str) -> None:
    """As `revoke_key`, for whoever was found to be allowed it."""
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the partner and the auditor will ask.")
    with transaction.atomic():
        ended = Key.objects.filter(pk=key.pk, revoked_at=None).update(
            revoked_at=clock.now(), revoke_reason=reason
        )
        if not ended:
            raise InvalidMove("already_revoked", f"The key {key} is revoked already.")
        audit.record(actor=actor, action="key.revoked", subject=key, reason=reason)
