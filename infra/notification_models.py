"""Notifications, each person's copy of them, and how people choose to hear."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from infra.ids import uuid7
from infra.notifications.kinds import MAIL_TRANSITIONS, Kind, MailState, Way
from infra.triggers import immutable, kept, lifecycle


class Notification(models.Model):
    """One thing that people were told; written once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.CharField(max_length=200, unique=True, help_text="What makes it one and the same.")
    kind = models.CharField(max_length=20, choices=[(k.value, k.value) for k in Kind])
    event = models.CharField(max_length=80, blank=True)
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    link = models.CharField(max_length=300)
    subject = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "notification"
        ordering = ["-at", "-id"]
        triggers = immutable("notification")

    def __str__(self) -> str:
        return self.title


class Mail(models.Model):
    """One person's copy of a notification, or one person's Brief of a morning."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey("infra.Person", on_delete=models.PROTECT, related_name="mails")
    notification = models.ForeignKey(
        Notification, on_delete=models.PROTECT, null=True, related_name="mails"
    )
    brief_on = models.DateField(null=True, help_text="The morning of a Brief.")
    address = models.EmailField(help_text="Where it goes, as it was when it was written.")
    subject = models.CharField(max_length=300)
    text = models.TextField()
    html = models.TextField(blank=True)
    state = models.CharField(max_length=20, choices=[(s.value, s.value) for s in MailState])
    n_attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True, help_text="What the last attempt met.")

    class Meta:
        db_table = "mail"
        ordering = ["-created_at", "-id"]
        indexes = [
            # The sweep: what is due.
            models.Index(fields=["next_attempt_at"], name="mail_due", condition=Q(state="pending")),
            # What one person was told, newest first.
            models.Index(fields=["person", "-created_at"], name="mail_person"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["notification", "person"],
                condition=Q(notification__isnull=False),
                name="mail_once",
                violation_error_message="This person was told already.",
            ),
            models.UniqueConstraint(
                fields=["brief_on", "person"],
                condition=Q(brief_on__isnull=False),
                name="mail_one_brief",
                violation_error_message="This person has the Brief of that morning already.",
            ),
            models.CheckConstraint(
                condition=Q(notification__isnull=False) ^ Q(brief_on__isnull=False),
                name="mail_of_one",
                violation_error_message="A mail is of a notification or a Brief.",
            ),
        ]
        triggers = [lifecycle("mail", MAIL_TRANSITIONS), kept("mail")]

    def __str__(self) -> str:
        return f"{self.subject} to {self.person}"


class Hearing(models.Model):
    """How a person chose to hear of a kind; without a row the default holds."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey("infra.Person", on_delete=models.PROTECT, related_name="hearings")
    kind = models.CharField(max_length=20, choices=[(k.value, k.value) for k in Kind])
    way = models.CharField(max_length=20, choices=[(w.value, w.value) for w in Way])

    class Meta:
        db_table = "hearing"
        constraints = [
            models.UniqueConstraint(
                fields=["person", "kind"],
                name="hearing_once",
                violation_error_message="This person chose for that kind already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} hears {self.kind}: {self.way}"


class AuditReader(models.Model):
    """How far a reader of the audit log has come."""

    name = models.CharField(primary_key=True, max_length=40)
    seq = models.BigIntegerField(help_text="The last entry that was read.")

    class Meta:
        db_table = "audit_reader"

    def __str__(self) -> str:
        return f"{self.name} at {self.seq}"
