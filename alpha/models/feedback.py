"""What partners said, tied to the exact call."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from alpha.models.access import Key, Partner
from alpha.states import FEEDBACK_TRANSITIONS, FeedbackSource, FeedbackState
from alpha.word_search import words_of
from infra.ids import uuid7
from infra.models import Person
from infra.triggers import kept, lifecycle
from releases.gates.severity import Severity
from releases.models import Checkpoint, Release, Stage


class Feedback(models.Model):
    """One remark; it keeps its own copies of what served the call, so it outlives a demotion."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="feedback")
    key = models.ForeignKey(Key, on_delete=models.PROTECT, null=True, blank=True)
    request_id = models.UUIDField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=200, blank=True)
    source = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in FeedbackSource],
        default=FeedbackSource.API.value,
    )
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in FeedbackState],
        default=FeedbackState.UNBOUND.value,
    )
    thumbs_up = models.BooleanField(null=True, blank=True)
    rating = models.IntegerField(null=True, blank=True)
    number = models.FloatField(null=True, blank=True)
    label = models.CharField(max_length=100, blank=True)
    comment = models.TextField(blank=True)
    correction = models.TextField(blank=True)
    codename = models.CharField(max_length=80, blank=True)
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, null=True, blank=True)
    release = models.ForeignKey(
        Release, on_delete=models.PROTECT, null=True, blank=True, related_name="feedback"
    )
    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, null=True, blank=True, related_name="feedback"
    )
    arm = models.CharField(max_length=20, blank=True)
    conversation = ArrayField(
        models.UUIDField(),
        default=list,
        blank=True,
        help_text="The calls it is about, in their order; empty: about one call or none.",
    )
    assignee = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="feedback_assigned"
    )
    severity = models.CharField(
        max_length=10, blank=True, choices=[(s.value, s.value) for s in Severity]
    )
    labels = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        help_text="Components of suites that it seems to concern, such as sql.columns.",
    )
    duplicate_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="duplicates"
    )
    entered_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, blank=True)
    received_at = models.DateTimeField()
    bound_at = models.DateTimeField(null=True, blank=True)
    counted_at = models.DateTimeField(
        null=True, blank=True, help_text="When a thumbs-down was counted for its unit."
    )
    indexed_at = models.DateTimeField(
        null=True, blank=True, help_text="When its words were laid beside all others'."
    )

    class Meta:
        db_table = "feedback"
        ordering = ["-received_at"]
        verbose_name_plural = "feedback"
        indexes = [
            # The inbox: newest first within a state.
            models.Index(fields=["state", "-received_at"], name="feedback_inbox"),
            # What was said about one call.
            models.Index(fields=["request_id"], name="feedback_request"),
            # Thumbs-down that wait to be counted for their unit.
            models.Index(
                fields=["received_at"],
                name="feedback_uncounted",
                condition=Q(thumbs_up=False, counted_at=None, release__isnull=False),
            ),
            # One person's work: newest first within a state.
            models.Index(
                fields=["assignee", "state", "-received_at"],
                name="feedback_assigned",
                condition=Q(assignee__isnull=False),
            ),
            # The inbox of one partner.
            models.Index(fields=["partner", "-received_at"], name="feedback_partner"),
            # The inbox over all states.
            models.Index(fields=["-received_at"], name="feedback_newest"),
            # Remarks whose words are not laid beside the others' yet.
            models.Index(
                fields=["received_at"], name="feedback_unindexed", condition=Q(indexed_at=None)
            ),
            # The inbox by words.
            GinIndex(words_of("comment"), name="feedback_words"),
            # What was said about one release: evidence counts it since a moment.
            models.Index(fields=["release", "received_at"], name="feedback_release"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="feedback_once",
                violation_error_message="This feedback was received already.",
            ),
            models.CheckConstraint(
                condition=(Q(state="duplicate") & Q(duplicate_of__isnull=False))
                | (~Q(state="duplicate") & Q(duplicate_of__isnull=True)),
                name="feedback_duplicate",
                violation_error_message="A duplicate names what it says again.",
            ),
        ]
        triggers = [lifecycle("feedback", FEEDBACK_TRANSITIONS), kept("feedback")]

    def __str__(self) -> str:
        return f"feedback of {self.partner} {self.received_at:%Y-%m-%d %H:%M}"
