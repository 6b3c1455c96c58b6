"""Sends what the outbox holds: at least once, and by one worker at a time.

A row is claimed by compare-and-set before its call; whoever is killed in between has it sent again
by another one once the claim is over. Each copy keeps its Message-ID, so that a mailbox can tell a
repeat.
"""

from __future__ import annotations

import smtplib
import time
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from infra import clock
from infra.actors import Actor
from infra.errors import InvalidMove, NotFound
from infra.lifecycles import check_move
from infra.models import Mail, Person
from infra.notifications.kinds import MAIL_TRANSITIONS, MailState

# Seconds until the next attempt; after the last one the mail has failed.
WAITS_S = (30, 300, 1_800, 7_200, 21_600, 43_200)
CLAIM = timedelta(seconds=120)
AT_ONCE = 50
# Other tasks wait for this worker.
BUDGET_S = 10.0
PROBLEM_CHARACTERS = 500


def send_due() -> int:
    """Send what is due; how many were taken by the mail server."""
    began, n_sent = time.monotonic(), 0
    if not settings.EMAIL_IS_ON:
        return 0
    for _ in range(AT_ONCE):
        mail = _claim() if time.monotonic() - began < BUDGET_S else None
        if mail is None:
            break
        n_sent += _attempt(mail)
    return n_sent


def send_again(*, actor: Actor, mail: Mail) -> Mail:
    """A failed one goes out again, by the wish of the person whom it tells."""
    person_id = actor.must_be_person("have a mail sent again")
    with transaction.atomic():
        row = Mail.objects.select_for_update().filter(pk=mail.pk, person=person_id).first()
        if row is None:
            raise NotFound("no_such_mail", "You have no such mail.")
        check_move(MAIL_TRANSITIONS, MailState(row.state), MailState.PENDING, "This mail")
        row.state, row.n_attempts, row.next_attempt_at = MailState.PENDING.value, 0, clock.now()
        row.save(update_fields=["state", "n_attempts", "next_attempt_at"])
    return row


def send_test(*, actor: Actor) -> str:
    """One mail to the actor's own address now, outside the outbox; that address.

    InvalidMove tells what the mail server said.
    """
    person = Person.objects.get(pk=actor.must_be_person("send a test mail"))
    if not settings.EMAIL_IS_ON:
        message = "No e-mail can be sent from here: set SLIPWAY_EMAIL_URL and start again."
        raise InvalidMove("email_off", message)
    subject = "A test mail from Slipway"
    text = f"{actor.name} sent this to see whether e-mail arrives. It does."
    message = EmailMultiAlternatives(subject, text, to=[person.email])
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        raise InvalidMove("email_failed", f"The test mail was not taken: {error}") from error
    return person.email


def _claim() -> Mail | None:
    """The mail that is due longest, for this worker alone until the claim is over."""
    for _ in range(AT_ONCE):
        now = clock.now()
        due = Mail.objects.filter(state=MailState.PENDING.value, next_attempt_at__lte=now)
        row = due.order_by("next_attempt_at").first()
        if row is None:
            return None
        mine = Mail.objects.filter(
            pk=row.pk, state=MailState.PENDING.value, next_attempt_at=row.next_attempt_at
        )
        if mine.update(next_attempt_at=now + CLAIM) == 1:
            row.next_attempt_at = now + CLAIM
            return row
    return None


def _attempt(mail: Mail) -> bool:
    """One call for a claimed mail; whether it was taken."""
    try:
        _message(mail, get_connection()).send()
        problem = ""
    except (smtplib.SMTPException, OSError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"[:PROBLEM_CHARACTERS]
    _keep(mail, problem, clock.now())
    return not problem


def _message(mail: Mail, connection: BaseEmailBackend) -> EmailMultiAlternatives:
    host = urlsplit(settings.BASE_URL).hostname or "slipway"
    headers = {"Message-ID": f"<{mail.pk}@{host}>", "Auto-Submitted": "auto-generated"}
    subject = " ".join(mail.subject.split())
    made = EmailMultiAlternatives(
        subject, mail.text, to=[mail.address], headers=headers, connection=connection
    )
    if mail.html:
        made.attach_alternative(mail.html, "text/html")
    return made


def _keep(mail: Mail, problem: str, now: datetime) -> None:
    """What came of the call, unless another worker's call has ended it meanwhile."""
    n_attempts = mail.n_attempts + 1
    after: dict[str, object] = {"n_attempts": n_attempts, "problem": problem}
    if not problem:
        after |= {"state": MailState.SENT.value, "sent_at": now, "next_attempt_at": None}
    elif n_attempts > len(WAITS_S):
        after |= {"state": MailState.FAILED.value, "next_attempt_at": None}
    else:
        after["next_attempt_at"] = now + timedelta(seconds=WAITS_S[n_attempts - 1])
    Mail.objects.filter(pk=mail.pk, state=MailState.PENDING.value).update(**after)
