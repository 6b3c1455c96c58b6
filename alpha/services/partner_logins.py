"""People of partners: invited, let in, signed in, ended."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from alpha.keys import digest_of
from alpha.models import Partner, PartnerInvitation, PartnerLogin
from infra import audit, clock, lockouts
from infra.actors import Actor, ActorKind
from infra.errors import InvalidInput, InvalidMove, NotFound, NotPermitted, Reason
from infra.roles import Role, Scope

MANAGERS = (Role.PARTNER_MANAGER, Role.RELEASE_MANAGER)
INVITED_FOR = timedelta(days=7)
MOST_DAYS = 30
LONGEST_PASSWORD = 200


def actor_of(login: PartnerLogin) -> Actor:
    """The human at the partner: no role, no scope, no person of the house."""
    name = f"{login.name} <{login.email}>"
    return Actor(
        kind=ActorKind.PARTNER_PERSON,
        id=str(login.pk),
        name=name[:200],
        on_behalf_of=login.partner.name,
    )


def invite(
    *, actor: Actor, partner: Partner, email: str, lasts: timedelta = INVITED_FOR
) -> tuple[PartnerInvitation, str]:
    """An invitation and the secret of its link, which is kept nowhere; it lets one person in once.

    Somebody who is in already sets a new password by it. InvalidMove where the address belongs to
    another partner's person.
    """
    actor.must("invite people", *MANAGERS, scope=Scope.PARTNERS)
    email = _address(email)
    if not timedelta(0) < lasts <= timedelta(days=MOST_DAYS):
        raise InvalidInput("bad_expiry", f"An invitation lasts up to {MOST_DAYS} days.")
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        Partner.objects.select_for_update().get(pk=partner.pk)
        _must_be_invitable(partner, email)
        now = clock.now()
        # One link for one person: an older one would outlive it.
        partner.invitations.filter(email__iexact=email, used_at=None, withdrawn_at=None).update(
            withdrawn_at=now
        )
        made = PartnerInvitation.objects.create(
            partner=partner,
            email=email,
            digest=digest_of(secret, settings.KEY_PEPPER),
            created_at=now,
            created_by_id=actor.person_id,
            expires_at=now + lasts,
        )
        facts = {"partner": partner.name, "email": email, "expires_at": made.expires_at}
        audit.record(actor=actor, action="partner_invitation.made", subject=made, after=facts)
    return made, secret


def _address(email: str) -> str:
    try:
        validate_email(email.strip())
    except ValidationError:
        raise InvalidInput("bad_address", f"{email!r} is no e-mail address.") from None
    return email.strip()


def _must_be_invitable(partner: Partner, email: str) -> None:
    if Partner.objects.filter(pk=partner.pk, ended_at__isnull=False).exists():
        raise InvalidMove("partner_ended", f"{partner} has ended: nobody of it is let in.")
    found = PartnerLogin.objects.filter(email__iexact=email, ended_at=None)
    if found.exclude(partner=partner).exists():
        sentence = f"{email} signs in for another partner: end that login, or take another address."
        raise InvalidMove("address_taken", sentence)


def withdraw_invitation(*, actor: Actor, invitation: PartnerInvitation, reason: str) -> None:
    """Close the link; InvalidMove when it was used or withdrawn before."""
    actor.must("withdraw invitations", *MANAGERS, scope=Scope.PARTNERS)
    _must_say_why(reason)
    with transaction.atomic():
        still_open = PartnerInvitation.objects.filter(
            pk=invitation.pk, used_at=None, withdrawn_at=None
        )
        if not still_open.update(withdrawn_at=clock.now()):
            raise InvalidMove("invitation_closed", f"The {invitation} was used or withdrawn.")
        audit.record(
            actor=actor,
            action="partner_invitation.withdrawn",
            subject=invitation,
            reason=reason,
        )


def open_invitation(secret: str) -> PartnerInvitation:
    """The invitation whose link this is; NotFound says what to do, and no more."""
    found = (
        PartnerInvitation.objects.select_related("partner")
        .filter(
            digest=digest_of(secret, settings.KEY_PEPPER),
            used_at=None,
            withdrawn_at=None,
            expires_at__gt=clock.now(),
            partner__ended_at=None,
        )
        .first()
    )
    if found is None:
        raise NotFound(
            "no_such_invitation",
            "This link was used, has expired or was withdrawn. Ask your contact for a new one.",
        )
    return found


def accept_invitation(*, secret: str, name: str, password: str) -> PartnerLogin:
    """Let the invited person in, with a password of their own; the link works no more.

    InvalidInput with every reason when name or password won't do.
    """
    invitation = open_invitation(secret)
    _must_be_person(name)
    _must_be_strong(password, invitation.email)
    hashed = make_password(password)
    with transaction.atomic():
        invitation = PartnerInvitation.objects.select_for_update(of=("self",)).get(
            pk=open_invitation(secret).pk
        )
        # Whoever waited for the lock finds it used.
        open_invitation(secret)
        login = _login_of(invitation, name.strip(), hashed)
        invitation.login, invitation.used_at = login, clock.now()
        invitation.save(update_fields=["login", "used_at"])
        facts = {"partner": invitation.partner.name, "email": login.email}
        audit.record(
            actor=actor_of(login), action="partner_login.let_in", subject=login, after=facts
        )
    return login


def _login_of(invitation: PartnerInvitation, name: str, hashed: str) -> PartnerLogin:
    _must_be_invitable(invitation.partner, invitation.email)
    of_them = {"email__iexact": invitation.email, "ended_at": None}
    login = PartnerLogin.objects.select_for_update(of=("self",)).filter(**of_them).first()
    if login is None:
        return PartnerLogin.objects.create(
            partner=invitation.partner, email=invitation.email, name=name, password=hashed
        )
    login.name, login.password = name, hashed
    login.save(update_fields=["name", "password"])
    return login


def sign_in(*, email: str, password: str, address: str) -> PartnerLogin:
    """The login of that address and password; NotPermitted that tells nobody which was wrong.

    Too many failures lock the login and the caller's network address, whether the login exists
    or not: each try is counted before the password is looked at.
    """
    email = email.strip()
    # A name that no login of the console can have: both are counted apart.
    attempt = lockouts.begin(username=f"partner {email.lower()}", address=address)
    in_force = PartnerLogin.objects.filter(ended_at=None, partner__ended_at=None)
    login = in_force.select_related("partner").filter(email__iexact=email).first()
    if login is None:
        # As long as a real check would take.
        make_password(password[:LONGEST_PASSWORD])
    if login is None or not check_password(password[:LONGEST_PASSWORD], login.password):
        lockouts.failed(attempt)
        sentence = "Address and password do not go together, or the login was ended."
        raise NotPermitted("sign_in_refused", sentence)
    lockouts.succeeded(attempt)
    login.signed_in_at = clock.now()
    login.save(update_fields=["signed_in_at"])
    return login


def change_password(*, login: PartnerLogin, old: str, new: str) -> PartnerLogin:
    """Set another password; every other session of the login ends."""
    if not check_password(old[:LONGEST_PASSWORD], login.password):
        raise NotPermitted("wrong_password", "That is not your password.")
    _must_be_strong(new, login.email)
    with transaction.atomic():
        login.password = make_password(new)
        login.save(update_fields=["password"])
        audit.record(actor=actor_of(login), action="partner_login.password_set", subject=login)
    return login


def end_login(*, actor: Actor, login: PartnerLogin, reason: str) -> None:
    """Shut the person out at once; what they did stays."""
    actor.must("end logins of partners", *MANAGERS, scope=Scope.PARTNERS)
    _must_say_why(reason)
    with transaction.atomic():
        open_one = PartnerLogin.objects.filter(pk=login.pk, ended_at=None)
        if not open_one.update(ended_at=clock.now(), end_reason=reason):
            raise InvalidMove("already_ended", f"{login} is shut out already.")
        audit.record(actor=actor, action="partner_login.ended", subject=login, reason=reason)


def let_issue_keys(*, actor: Actor, partner: Partner, may: bool, reason: str) -> Partner:
    """Whether the partner's own people issue, rotate and revoke its keys."""
    actor.must("let partners issue keys", *MANAGERS, scope=Scope.PARTNERS)
    _must_say_why(reason)
    with transaction.atomic():
        kept = Partner.objects.select_for_update().get(pk=partner.pk)
        before, kept.people_may_issue_keys = kept.people_may_issue_keys, may
        kept.save(update_fields=["people_may_issue_keys"])
        audit.record(
            actor=actor,
            action="partner.key_right_set",
            subject=kept,
            reason=reason,
            before={"people_may_issue_keys": before},
            after={"people_may_issue_keys": may},
        )
    return kept


def _must_say_why(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the partner and the auditor will ask.")


def _must_be_person(name: str) -> None:
    if not name.strip() or len(name) > 200:
        raise InvalidInput("name_missing", "Give your name, in at most 200 letters.")


def _must_be_strong(password: str, email: str) -> None:
    problems = [] if len(password) <= LONGEST_PASSWORD else ["This password is too long."]
    try:
        validate_password(password)
    except ValidationError as error:
        problems += error.messages
    if password.strip().lower() == email.lower():
        problems.append("This password is your e-mail address.")
    if problems:
        reasons = [Reason(code="weak_password", sentence=problem) for problem in problems]
        raise InvalidInput("weak_password", " ".join(problems), reasons)
