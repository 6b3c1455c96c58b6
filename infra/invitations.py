"""Invitations: an administrator names the address and the roles; a link makes the login, once."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta
from smtplib import SMTPException
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotFound
from infra.models import Invitation, Person, User
from infra.people import actor_of_login
from infra.roles import Role
from infra.service_keys import digest_of

LASTS = timedelta(days=7)


def invite(*, actor: Actor, email: str, name: str, roles: Iterable[Role]) -> tuple[Invitation, str]:
    """A new invitation and its link's token, which is not kept; an earlier open one ends.

    InvalidInput for an address that is none, no name, or somebody who has a login already.
    """
    actor.must_administer("invite people")
    email, name, chosen = email.strip().lower(), name.strip(), sorted(set(roles))
    _must_be_invitable(email, name)
    token, now = secrets.token_urlsafe(32), clock.now()
    with transaction.atomic():
        open_invitations().filter(email=email).update(revoked_at=now)
        row = Invitation.objects.create(
            email=email,
            name=name,
            roles=[role.value for role in chosen],
            digest=digest_of(token),
            invited_by_id=actor.person_id,
            created_at=now,
            expires_at=now + LASTS,
        )
        after = {"roles": row.roles, "expires_at": row.expires_at}
        audit.record(actor=actor, action="invitation.made", subject=row, after=after)
    return row, token


def _must_be_invitable(email: str, name: str) -> None:
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvalidInput("bad_email", f"{email!r} is no e-mail address.") from error
    if not name:
        raise InvalidInput("name_missing", "An invitation needs the person's name.")
    if User.objects.filter(person__email__iexact=email, is_active=True).exists():
        message = f"{email} has a login already: change its roles under Logins."
        raise InvalidInput("has_login", message)
    if Person.objects.filter(email__iexact=email, left_at__isnull=False).exists():
        message = f"{email} belongs to a person who left: clear that under People first."
        raise InvalidInput("person_left", message)


def link_of(token: str) -> str:
    """The address that the invited person opens."""
    return f"{settings.BASE_URL.rstrip('/')}{reverse('invitation', args=[token])}"


def send_invitation(row: Invitation, token: str) -> str:
    """Mail the link; "" when it went, else why it did not: then it is handed over by hand."""
    if not settings.EMAIL_IS_ON:
        return "No mail server is set up."
    roles = ", ".join(row.roles) or "no role yet"
    text = (
        f"Hello {row.name},\n\n{row.invited_by or 'An administrator'} invites you to Slipway "
        f"({roles}).\n\nOpen this link within {LASTS.days} days; it works once:\n\n"
        f"{link_of(token)}\n\nIf you did not expect this, ignore it: nothing happens.\n"
    )
    try:
        send_mail("You are invited to Slipway", text, None, [row.email])
    except (OSError, SMTPException) as error:
        return f"The mail server did not take it: {error}."
    if settings.EMAIL_FILE_PATH:
        return f"There is no mail server yet: the mail is a file in {settings.EMAIL_FILE_PATH}."
    return ""


def open_invitations() -> QuerySet[Invitation]:
    """Those that can still be accepted."""
    now = clock.now()
    return Invitation.objects.filter(accepted_at=None, revoked_at=None, expires_at__gt=now)


def invitation_of(token: str) -> Invitation:
    """The open invitation behind a link; NotFound, in the same words, for every other."""
    row = open_invitations().filter(digest=digest_of(token)).select_related("invited_by").first()
    if row is None:
        message = "This invitation was used, taken back or has expired: ask for a new one."
        raise NotFound("no_such_invitation", message)
    return row


def accept_invitation(*, token: str, username: str, password: str) -> User:
    """The login, with the invited roles; the link is used up by it, for whoever comes first."""
    row = invitation_of(token)
    login = User(username=username.strip(), email=row.email, is_staff=True)
    _must_be_good(login, password)
    with transaction.atomic():
        taken = open_invitations().filter(pk=row.pk).update(accepted_at=clock.now())
        if not taken:
            raise InvalidMove("invitation_used", "This invitation was used a moment ago.")
        login.person = Person.objects.filter(email__iexact=row.email).first() or (
            Person.objects.create(email=row.email, name=row.name)
        )
        login.set_password(password)
        login.save()
        login.groups.set(Group.objects.filter(name__in=row.roles))
        Invitation.objects.filter(pk=row.pk).update(accepted_by=login)
        actor, after = actor_of_login(login), {"login": login.username, "roles": row.roles}
        audit.record(actor=actor, action="invitation.accepted", subject=row, after=after)
    return login


def _must_be_good(login: User, password: str) -> None:
    try:
        UnicodeUsernameValidator()(login.username)
        validate_password(password, login)
    except ValidationError as error:
        raise InvalidInput("bad_login", " ".join(error.messages)) from error
    if len(login.username) > 150 or User.objects.filter(username=login.username).exists():
        raise InvalidInput("login_taken", f"{login.username!r} can't be had: choose another login.")


def revoke_invitation(*, actor: Actor, invitation_id: UUID, reason: str) -> Invitation:
    """Its link leads nowhere from now on; InvalidMove when it is not open."""
    actor.must_administer("take invitations back")
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: `reason` is what the audit will show.")
    with transaction.atomic():
        row = Invitation.objects.filter(pk=invitation_id).first()
        if row is None:
            raise NotFound("no_such_invitation", "There is no such invitation.")
        if not open_invitations().filter(pk=row.pk).update(revoked_at=clock.now()):
            raise InvalidMove("invitation_closed", f"The invitation of {row.email} is not open.")
        audit.record(actor=actor, action="invitation.revoked", subject=row, reason=reason)
    row.refresh_from_db()
    return row
