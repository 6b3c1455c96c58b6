"""What partners are told, and who acknowledged it."""

from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

from alpha.models.access import Key, Partner
from alpha.models.feedback import Feedback
from alpha.models.findings import Finding
from alpha.models.people import PartnerLogin
from alpha.states import NoticeKind
from infra.ids import uuid7
from infra.models import Person
from infra.triggers import immutable, kept
from releases.models import Checkpoint, Stage


class Notice(models.Model):
    """One message to partners: to those of a stage, or to all whom a checkpoint has served."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=20, choices=[(k.value, k.value) for k in NoticeKind])
    subject = models.CharField(max_length=200)
    text = models.TextField()
    stage = models.ForeignKey(
        Stage, on_delete=models.PROTECT, null=True, blank=True, related_name="notices"
    )
    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, null=True, blank=True, related_name="notices"
    )
    finding = models.ForeignKey(
        Finding, on_delete=models.PROTECT, null=True, blank=True, related_name="notices"
    )
    sent_by = models.ForeignKey(
        Person,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: sent by Slipway itself.",
    )
    sent_at = models.DateTimeField()

    class Meta:
        db_table = "notice"
        ordering = ["-sent_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="fix", finding__isnull=False)
                | (~models.Q(kind="fix") & models.Q(sent_by__isnull=False)),
                name="notice_sender",
                violation_error_message="A notice of a fix names its finding; others a person.",
            ),
        ]
        triggers = immutable("notice")

    def __str__(self) -> str:
        return self.subject


class NoticeRecipient(models.Model):
    """One partner's copy; acknowledged once, by one of its keys or people."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="recipients")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="notices")
    codenames = ArrayField(
        models.CharField(max_length=80),
        default=list,
        help_text="What the partner knows it by; never a checkpoint's name.",
    )
    feedback_ids = ArrayField(
        models.UUIDField(), default=list, help_text="The partner's own remarks that it answers."
    )
    resolved = models.BooleanField(
        null=True, blank=True, help_text="Of a fix: whether the partner says that it is gone."
    )
    answer = models.TextField(blank=True, help_text="What the partner said with it.")
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_in = models.OneToOneField(
        Feedback,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="answered_notice",
        help_text="The feedback that said so; empty: it was said of the notice itself.",
    )
    taken_at = models.DateTimeField(
        null=True, blank=True, help_text="When the answer moved the finding."
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_with = models.ForeignKey(
        Key, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    acknowledged_by = models.ForeignKey(
        PartnerLogin, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        db_table = "notice_recipient"
        ordering = ["partner__name"]
        constraints = [
            models.UniqueConstraint(
                fields=["notice", "partner"],
                name="notice_recipient_once",
                violation_error_message="This partner has this notice already.",
            ),
        ]
        triggers = [
            kept("notice_recipient"),
            pgtrigger.Protect(
                name="notice_recipient_acknowledged_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__acknowledged_at__isnull=False)
                & pgtrigger.Q(old__acknowledged_at__df=pgtrigger.F("new__acknowledged_at")),
            ),
            pgtrigger.Protect(
                name="notice_recipient_answered_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__answered_at__isnull=False)
                & (
                    pgtrigger.Q(old__answered_at__df=pgtrigger.F("new__answered_at"))
                    | pgtrigger.Q(old__resolved__df=pgtrigger.F("new__resolved"))
                    | pgtrigger.Q(old__answer__df=pgtrigger.F("new__answer"))
                    | pgtrigger.Q(old__answered_in__df=pgtrigger.F("new__answered_in"))
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notice} to {self.partner}"
