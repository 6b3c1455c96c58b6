"""Partner keys: made and shown once, revoked at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
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
            },
        )
    return key, text


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
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the partner and the auditor will ask.")
    with transaction.atomic():
        ended = Key.objects.filter(pk=key.pk, revoked_at=None).update(
            revoked_at=clock.now(), revoke_reason=reason
        )
        if not ended:
            raise InvalidMove("already_revoked", f"The key {key} is revoked already.")
        audit.record(actor=actor, action="key.revoked", subject=key, reason=reason)
