"""Failed sign-ins are counted by login and by address; too many of them lock for a while.

An attempt is counted before the secret is looked at and given back when it was right, both under
the counter's row lock: however many servers and parallel attempts there are, no more secrets are
tried than the limit. A login that does not exist is counted and locked just the same.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest

from infra import audit, clock
from infra.actors import Actor, system
from infra.errors import DomainError, InvalidInput, InvalidMove
from infra.models import SignInFailures, User


class Counted(StrEnum):
    """What failures are counted by."""

    LOGIN = "login"
    ADDRESS = "address"


class TooManyFailures(DomainError):
    """Locked for now; says the same whether the login exists or not."""

    http_status = 429

    def __init__(self, until: datetime) -> None:
        super().__init__(
            "sign_in_locked",
            f"Too many failed attempts. Try again after {until:%H:%M} UTC, "
            "or ask an administrator to lift the lock.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt that was counted before it was looked at; `last` are the counters it filled."""

    keys: tuple[tuple[str, str], ...]
    last: tuple[tuple[str, str], ...]


def limit_of(kind: str) -> int:
    """How many failures lock a login, or an address."""
    by_kind = {
        Counted.LOGIN.value: settings.LOCKOUT_AFTER,
        Counted.ADDRESS.value: settings.LOCKOUT_ADDRESS_AFTER,
    }
    return int(by_kind[kind])


def address_of(request: HttpRequest) -> str:
    """The caller's address; of IPv6 the /64 network, since one machine has all of it."""
    text = request.META.get("REMOTE_ADDR") or "0.0.0.0"  # noqa: S104 - nobody listens there
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - likewise
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


def subject_of(username: str) -> str:
    """What a login is counted under. What was typed and is no login may be a password: a digest."""
    name = username.strip()
    if "\x00" not in name and User.objects.filter(username=name).exists():
        return name
    digest = hmac.new(settings.KEY_PEPPER.encode(), name.encode(), hashlib.sha256).hexdigest()
    return f"unknown:{digest[:32]}"


def begin(*, username: str, address: str) -> Attempt:
    """Count an attempt; TooManyFailures, uncounted, while the login or the address is locked."""
    keys = ((Counted.ADDRESS.value, address), (Counted.LOGIN.value, subject_of(username)))
    now, window = clock.now(), timedelta(seconds=settings.LOCKOUT_S)
    with transaction.atomic():
        rows = [_locked(kind, subject, now + window) for kind, subject in keys]
        for row in rows:
            if row.ends_at <= now:
                row.n_failed, row.ends_at = 0, now + window
        full = [row for row in rows if row.n_failed >= limit_of(row.kind)]
        if full:
            raise TooManyFailures(max(row.ends_at for row in full))
        for row in rows:
            row.n_failed += 1
            if row.n_failed >= limit_of(row.kind):
                row.ends_at = now + window
            row.save(update_fields=["n_failed", "ends_at"])
    last = tuple((row.kind, row.subject) for row in rows if row.n_failed >= limit_of(row.kind))
    return Attempt(keys=keys, last=last)


def _locked(kind: str, subject: str, ends_at: datetime) -> SignInFailures:
    SignInFailures.objects.bulk_create(
        [SignInFailures(kind=kind, subject=subject, n_failed=0, ends_at=ends_at)],
        ignore_conflicts=True,
    )
    return SignInFailures.objects.select_for_update().get(kind=kind, subject=subject)


def failed(attempt: Attempt) -> None:
    """The secret was wrong: it stays counted, and the audit is told when that locks something."""
    for kind, subject in attempt.last:
        with transaction.atomic():
            row = SignInFailures.objects.get(kind=kind, subject=subject)
            audit.record(
                actor=system("sign-in"),
                action="sign_in.locked",
                subject=row,
                reason=f"{row.n_failed} failed attempts",
                after={"until": row.ends_at},
            )


def succeeded(attempt: Attempt) -> None:
    """The secret was right: it was no failure. Earlier failures stay counted: see `forget`."""
    for kind, subject in attempt.keys:
        rows = SignInFailures.objects.filter(kind=kind, subject=subject, n_failed__gt=0)
        rows.update(n_failed=F("n_failed") - 1)


def forget(login: User) -> None:
    """All proofs were given: the login's failures count no more; those of the address stay."""
    rows = SignInFailures.objects.filter(kind=Counted.LOGIN.value, subject=login.username)
    rows.update(n_failed=0)


def locks() -> QuerySet[SignInFailures]:
    """What is locked now, the latest end first."""
    found = SignInFailures.objects.none()
    for kind in Counted:
        found |= SignInFailures.objects.filter(kind=kind.value, n_failed__gte=limit_of(kind.value))
    return found.filter(ends_at__gt=clock.now()).order_by("-ends_at")


def lift_lock(*, actor: Actor, kind: str, subject: str, reason: str) -> SignInFailures:
    """Open the login or address again now; InvalidMove when it is not locked."""
    actor.must_administer("lift sign-in locks")
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: `reason` is what the audit will show.")
    with transaction.atomic():
        row = locks().select_for_update().filter(kind=kind, subject=subject).first()
        if row is None:
            raise InvalidMove("not_locked", f"{subject} is not locked now: nothing to lift.")
        before = {"n_failed": row.n_failed, "until": row.ends_at}
        row.n_failed = 0
        row.save(update_fields=["n_failed"])
        audit.record(
            actor=actor, action="sign_in.unlocked", subject=row, reason=reason, before=before
        )
    return row


def drop_old() -> int:
    """Counters whose window is over; how many went."""
    n_dropped, _ = SignInFailures.objects.filter(ends_at__lte=clock.now()).delete()
    return n_dropped
