"""What partners called, and, with their consent, what was said."""

from __future__ import annotations

from django.db import models

from alpha.models.access import Grant, Key, Partner
from alpha.states import UsageState
from infra.ids import uuid7
from releases.models import Checkpoint, Deployment, Release, Stage


class UsageEvent(models.Model):
    """One admitted request. The table is partitioned by month, which the request id tells."""

    pk = models.CompositePrimaryKey("month", "request_id")
    month = models.DateField(help_text="First day of the month in the request id's time.")
    request_id = models.UUIDField()
    partner = models.ForeignKey(
        Partner, on_delete=models.PROTECT, db_constraint=False, related_name="usage"
    )
    key = models.ForeignKey(Key, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    grant = models.ForeignKey(
        Grant, on_delete=models.PROTECT, db_constraint=False, related_name="+"
    )
    unit = models.CharField(max_length=32)
    stage = models.ForeignKey(
        Stage, on_delete=models.PROTECT, db_constraint=False, related_name="+"
    )
    release = models.ForeignKey(
        Release, on_delete=models.PROTECT, db_constraint=False, related_name="usage"
    )
    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, db_constraint=False, related_name="usage"
    )
    deployment = models.ForeignKey(
        Deployment, on_delete=models.PROTECT, db_constraint=False, related_name="+"
    )
    arm = models.CharField(max_length=20)
    codename = models.CharField(max_length=80)
    endpoint = models.CharField(max_length=40)
    streamed = models.BooleanField()
    state = models.CharField(max_length=20, choices=[(s.value, s.value) for s in UsageState])
    http_status = models.PositiveSmallIntegerField()
    problem = models.TextField(blank=True, help_text="The upstream's own words, never shown.")
    tokens_in = models.BigIntegerField(help_text="As the upstream counted.")
    tokens_out = models.BigIntegerField()
    tokens_cached = models.BigIntegerField()
    tokens_in_shown = models.BigIntegerField(help_text="Less the hidden prompt's.")
    cost_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3, blank=True)
    first_token_ms = models.FloatField(null=True)
    total_ms = models.FloatField(null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "usage_event"
        # Made by SQL: Django's schema editor knows no partitions.
        managed = False
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return str(self.request_id)


class PartnerDataKey(models.Model):
    """The key a partner's transcripts are encrypted with, itself encrypted by the master key."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="data_keys")
    number = models.PositiveIntegerField()
    wrapped_key = models.BinaryField(null=True, help_text="Empty once dropped: the text is gone.")
    created_at = models.DateTimeField(auto_now_add=True)
    dropped_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "partner_data_key"
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "number"],
                name="partner_data_key_once",
                violation_error_message="This partner has a data key of that number.",
            ),
        ]

    def __str__(self) -> str:
        return f"data key {self.number} of {self.partner}"


class Transcript(models.Model):
    """Where the encrypted text of one request lies, and until when it may."""

    request_id = models.UUIDField(primary_key=True)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="transcripts")
    data_key = models.ForeignKey(PartnerDataKey, on_delete=models.PROTECT)
    object_key = models.CharField(max_length=200)
    stored_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "transcript"
        indexes = [
            # The sweep that deletes what has outlived its consent.
            models.Index(fields=["expires_at"], name="transcript_expiry"),
        ]

    def __str__(self) -> str:
        return f"transcript of {self.request_id}"
