"""What helps people through the inbox: what came with a remark, its likeness, saved filters."""

from __future__ import annotations

from django.db import models

from alpha.models.feedback import Feedback
from alpha.models.usage import PartnerDataKey
from infra.ids import uuid7
from infra.models import Person


class LikenessField(models.Field):
    """A code of 256 bits, in Python text of 0 and 1; codes of texts alike differ in few bits."""

    def db_type(self, connection: object) -> str:
        """PostgreSQL's own type: it counts the differing bits of two of them."""
        return "bit(256)"


class FeedbackLikeness(models.Model):
    """What a remark's words mean, in 256 bits; none for fewer than two words."""

    feedback = models.OneToOneField(
        Feedback, on_delete=models.CASCADE, primary_key=True, related_name="likeness"
    )
    code = LikenessField()

    class Meta:
        db_table = "feedback_likeness"

    def __str__(self) -> str:
        return f"likeness of {self.feedback_id}"


class FeedbackAttachment(models.Model):
    """A file that came with a remark: where it lies sealed, and until when it may."""

    feedback = models.OneToOneField(
        Feedback, on_delete=models.PROTECT, primary_key=True, related_name="attachment"
    )
    data_key = models.ForeignKey(PartnerDataKey, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100)
    size_bytes = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    object_key = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    stored_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty: its bytes have not arrived in the object store."
    )

    class Meta:
        db_table = "feedback_attachment"
        indexes = [
            # The sweep that deletes what has outlived its consent.
            models.Index(fields=["expires_at"], name="feedback_attachment_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.name} with {self.feedback_id}"


class InboxFilter(models.Model):
    """A person's own way to look at the inbox, by name."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="inbox_filters")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000, help_text="The part of the address after '?'.")
    saved_at = models.DateTimeField()

    class Meta:
        db_table = "inbox_filter"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["person", "name"],
                name="inbox_filter_once",
                violation_error_message="You have a filter of that name.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
