"""A login's second factors: an authenticator app, passkeys, and recovery codes for a lost one.

django-allauth keeps them and does the cryptography; here they are turned on and off with an audit
row in the same transaction, and a code is taken once however many servers look at it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.utils import decrypt
from allauth.mfa.webauthn.internal import auth as webauthn
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from infra import audit
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotFound, NotPermitted
from infra.models import User

PASSKEY, TOTP, CODES = (
    Authenticator.Type.WEBAUTHN,
    Authenticator.Type.TOTP,
    Authenticator.Type.RECOVERY_CODES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What a login has besides its password."""

    totp: Authenticator | None = None
    passkeys: list[Authenticator] = field(default_factory=list)
    n_codes_left: int = 0

    def __bool__(self) -> bool:
        return self.totp is not None or bool(self.passkeys)


def factors_of(login: User) -> Factors:
    """All of them, by one query."""
    rows = list(Authenticator.objects.filter(user=login).order_by("created_at"))
    codes = next((row for row in rows if row.type == CODES), None)
    return Factors(
        totp=next((row for row in rows if row.type == TOTP), None),
        passkeys=[row for row in rows if row.type == PASSKEY],
        n_codes_left=len(codes.wrap().get_unused_codes()) if codes else 0,
    )


def has_factor(login: User) -> bool:
    """Whether signing in asks this login for a second proof."""
    return Authenticator.objects.filter(user=login, type__in=(TOTP, PASSKEY)).exists()


def begin_totp(*, actor: Actor, login: User, session: SessionBase) -> str:
    """A new secret for an app, base 32, kept in the session until the app proves that it has it."""
    _must_own(actor, login)
    session[totp.SECRET_SESSION_KEY] = secret = totp.generate_totp_secret()
    return str(secret)


def pending_totp(session: SessionBase) -> str:
    """The secret that waits for its first code; "" when there is none."""
    return str(session.get(totp.SECRET_SESSION_KEY, ""))


def turn_on_totp(*, actor: Actor, login: User, session: SessionBase, code: str) -> list[str]:
    """The app that makes right codes is asked from now on; recovery codes, when they are new."""
    _must_own(actor, login)
    secret = pending_totp(session)
    if not secret:
        raise InvalidMove("totp_not_begun", "Set up an app first: there is no secret yet.")
    step = _step_of(secret, code, after=-1)
    if step is None:
        message = "That code does not fit: type the one the app shows now, and check its clock."
        raise InvalidInput("wrong_code", message)
    with transaction.atomic():
        _lock(login)
        if Authenticator.objects.filter(user=login, type=TOTP).exists():
            raise InvalidMove("totp_is_on", "An authenticator app is set up already.")
        made = totp.TOTP.activate(login, secret).instance
        made.data["last_step"] = step
        made.save(update_fields=["data"])
        codes = _turned_on(actor, login, "totp")
    del session[totp.SECRET_SESSION_KEY]
    return codes


def add_passkey(
    *, actor: Actor, login: User, name: str, credential: Mapping[str, Any]
) -> list[str]:
    """A passkey that signs in by itself; recovery codes, when they are new.

    `credential`: what the browser answered to the options that its session asked for.
    """
    _must_own(actor, login)
    if not name.strip():
        raise InvalidInput("name_missing", "Give the passkey a name, such as the device it is on.")
    try:
        webauthn.parse_registration_response(credential)
        made = webauthn.complete_registration(dict(credential))
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = "The browser's answer does not fit what was asked: try once more."
        raise InvalidInput("bad_passkey", message) from error
    if not made.is_user_verified():
        message = "This device did not check who you are: use one with a PIN or a fingerprint."
        raise InvalidInput("passkey_unverified", message)
    with transaction.atomic():
        _lock(login)
        webauthn.WebAuthn.add(login, name.strip()[:100], dict(credential))
        return _turned_on(actor, login, "passkey", name=name.strip()[:100])


def _turned_on(actor: Actor, login: User, kind: str, **after: str) -> list[str]:
    audit.record(actor=actor, action=f"second_factor.{kind}_added", subject=login, after=after)
    if Authenticator.objects.filter(user=login, type=CODES).exists():
        return []
    codes: list[str] = RecoveryCodes.activate(login).generate_codes()
    return codes


def turn_off_totp(*, actor: Actor, login: User) -> None:
    """The authenticator app is asked no longer."""
    _must_own(actor, login)
    _remove(actor, login, "totp", type=TOTP)


def remove_passkey(*, actor: Actor, login: User, passkey_id: int) -> None:
    """That passkey signs in no longer; its name is in the audit."""
    _must_own(actor, login)
    _remove(actor, login, "passkey", type=PASSKEY, pk=passkey_id)


def _remove(actor: Actor, login: User, kind: str, **which: Any) -> None:
    with transaction.atomic():
        _lock(login)
        row = Authenticator.objects.filter(user=login, **which).first()
        if row is None:
            raise NotFound("no_such_factor", "There is no such second factor: reload the page.")
        before = {"name": row.data["name"]} if kind == "passkey" else None
        row.delete()
        rest = Authenticator.objects.filter(user=login)
        if not rest.exclude(type=CODES).exists():
            rest.delete()
        audit.record(
            actor=actor, action=f"second_factor.{kind}_removed", subject=login, before=before
        )


def new_recovery_codes(*, actor: Actor, login: User) -> list[str]:
    """Ten new codes, each good once; the earlier ones are void."""
    _must_own(actor, login)
    with transaction.atomic():
        _lock(login)
        if not has_factor(login):
            message = "Recovery codes stand in for an app or a passkey: set up one first."
            raise InvalidMove("no_factor", message)
        Authenticator.objects.filter(user=login, type=CODES).delete()
        codes: list[str] = RecoveryCodes.activate(login).generate_codes()
        audit.record(actor=actor, action="second_factor.codes_made", subject=login)
    return codes


def reset_factors(*, actor: Actor, login: User, reason: str) -> None:
    """Remove all second factors of somebody who lost them; signing in asks the password alone."""
    actor.must_administer("reset second factors")
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: `reason` is what the audit will show.")
    with transaction.atomic():
        _lock(login)
        n_removed, _ = Authenticator.objects.filter(user=login).delete()
        if not n_removed:
            raise InvalidMove("no_factor", f"{login.username} has no second factor to reset.")
        audit.record(actor=actor, action="second_factor.reset", subject=login, reason=reason)


def is_right_code(login: User, code: str) -> bool:
    """Whether the app, or the list of recovery codes, has this code; each is taken once."""
    with transaction.atomic():
        rows = Authenticator.objects.select_for_update().filter(user=login)
        found = {row.type: row for row in rows.exclude(type=PASSKEY)}
        app, codes = found.get(TOTP), found.get(CODES)
        if app is not None:
            step = _step_of(decrypt(app.data["secret"]), code, after=app.data.get("last_step", -1))
            if step is not None:
                app.data["last_step"], app.last_used_at = step, timezone.now()
                app.save(update_fields=["data", "last_used_at"])
                return True
        return codes is not None and codes.wrap().validate_code(code)


def is_right_passkey(login: User, credential: Any) -> bool:
    """Whether one of the login's passkeys signed the challenge of this session."""
    try:
        webauthn.parse_authentication_response(credential)
        webauthn.complete_authentication(login, credential).record_usage()
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def _step_of(secret: str, code: str, after: int) -> int | None:
    """The time step (RFC 6238) whose code this is, when it is later than `after`."""
    given = normalize_user_code(code)
    for step in totp.yield_hotp_counters_from_time():
        expected = totp.format_hotp_value(totp.hotp_value(secret, step))
        if step > after and hmac.compare_digest(given.encode(), expected.encode()):
            return step
    return None


def _lock(login: User) -> None:
    User.objects.select_for_update().get(pk=login.pk)


def _must_own(actor: Actor, login: User) -> None:
    if actor.person_id is None or actor.person_id != login.person_id:
        message = f"{actor.name} can't change how {login.username} signs in: only they can."
        raise NotPermitted("not_your_login", message)
