"""Keys of pipelines and CI: made once, shown once, checked in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from infra import audit, clock
from infra.actors import Actor, ActorKind
from infra.errors import InvalidInput, InvalidMove, NotFound
from infra.models import ServiceKey
from infra.roles import Role, Scope

PREFIX = "slk"


def digest_of(secret: str) -> str:
    """HMAC-SHA256 of a key's secret under the installation's pepper."""
    return hmac.new(settings.KEY_PEPPER.encode(), secret.encode(), hashlib.sha256).hexdigest()


def keys() -> QuerySet[ServiceKey]:
    """All of them, newest first."""
    return ServiceKey.objects.select_related("created_by").order_by("-created_at")


def key_with_id(key_id: UUID) -> ServiceKey:
    """NotFound when there is none."""
    found = keys().filter(pk=key_id).first()
    if found is None:
        raise NotFound("no_such_key", "There is no such service key.")
    return found


def make_service_key(
    *, actor: Actor, name: str, scopes: Iterable[Scope], expires_at: datetime | None = None
) -> tuple[ServiceKey, str]:
    """A new key and its full text `slk_<public>_<secret>`, which is not kept."""
    actor.must("make service keys", Role.RELEASE_MANAGER)
    if not name.strip():
        raise InvalidInput("name_missing", "A service key needs a name that says who uses it.")
    if ServiceKey.objects.filter(name=name).exists():
        raise InvalidInput("name_taken", f"There is a service key named {name!r}: choose another.")
    public, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    with transaction.atomic():
        key = ServiceKey.objects.create(
            name=name,
            public=public,
            digest=digest_of(secret),
            scopes=[scope.value for scope in scopes],
            expires_at=expires_at,
            created_by_id=actor.person_id,
        )
        audit.record(
            actor=actor, action="service_key.made", subject=key, after={"scopes": key.scopes}
        )
    return key, f"{PREFIX}_{public}_{secret}"


def revoke_service_key(*, actor: Actor, key: ServiceKey, reason: str) -> None:
    """End the key now; InvalidMove when it has ended already."""
    actor.must("revoke service keys", Role.RELEASE_MANAGER)
    with transaction.atomic():
        ended = ServiceKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=clock.now())
        if not ended:
            raise InvalidMove("already_revoked", f"The key {key.name} is revoked already.")
        audit.record(actor=actor, action="service_key.revoked", subject=key, reason=reason)


def actor_of_key(text: str) -> Actor | None:
    """The actor behind a key's full text; None unless the key is good now."""
    prefix, _, rest = text.partition("_")
    public, _, secret = rest.partition("_")
    if prefix != PREFIX or not secret or not public.isascii() or "\x00" in public:
        return None
    key = ServiceKey.objects.filter(public=public, revoked_at=None).first()
    if key is None or not hmac.compare_digest(key.digest, digest_of(secret)):
        return None
    if key.expires_at is not None and key.expires_at <= clock.now():
        return None
    scopes = frozenset(Scope(scope) for scope in key.scopes)
    return Actor(kind=ActorKind.SERVICE_KEY, id=str(key.pk), name=key.name, scopes=scopes)
