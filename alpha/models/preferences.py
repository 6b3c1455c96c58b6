"""Blind side by side: two answers to one prompt, which place showed which, and the vote."""

from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from alpha.models.access import Key, Partner
from alpha.states import PREFERENCE_TRANSITIONS, Choice, PreferenceState
from infra.ids import uuid7
from infra.models import Person
from infra.triggers import immutable, kept, lifecycle
from releases.models import Checkpoint, Release, Stage

# What was drawn when the session was asked, and is never drawn again.
DRAWN = (
    *("checkpoint_a", "checkpoint_b", "release_a", "release_b", "arm_a", "arm_b"),
    *("request_a", "request_b", "partner", "person", "prompt_digest", "asked_at"),
)


class PreferenceSession(models.Model):
    """One prompt answered by two checkpoints; who stood in place A is known here alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    partner = models.ForeignKey(
        Partner, on_delete=models.PROTECT, null=True, blank=True, related_name="preferences"
    )
    key = models.ForeignKey(Key, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    unit = models.CharField(max_length=32, blank=True)
    person = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="preferences"
    )
    idempotency_key = models.CharField(max_length=200, blank=True)
    stage = models.ForeignKey(
        Stage, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    codename = models.CharField(max_length=80, blank=True)
    checkpoint_a = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="+")
    checkpoint_b = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="+")
    release_a = models.ForeignKey(
        Release, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    release_b = models.ForeignKey(
        Release, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    arm_a = models.CharField(max_length=20, blank=True)
    arm_b = models.CharField(max_length=20, blank=True)
    request_a = models.UUIDField(null=True, blank=True, help_text="The usage event of answer A.")
    request_b = models.UUIDField(null=True, blank=True, help_text="The usage event of answer B.")
    prompt_digest = models.CharField(
        max_length=32, help_text="Keyed hash: tells equal prompts, and nothing of their text."
    )
    state = models.CharField(
        max_length=10,
        choices=[(s.value, s.value) for s in PreferenceState],
        default=PreferenceState.ASKED.value,
    )
    style_a = ArrayField(
        models.PositiveIntegerField(),
        default=list,
        blank=True,
        help_text="Characters, headers, list items and bold spans of answer A.",
    )
    style_b = ArrayField(models.PositiveIntegerField(), default=list, blank=True)
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    revealed_at = models.DateTimeField(null=True, blank=True)
    revealed_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        db_table = "preference_session"
        ordering = ["-asked_at"]
        indexes = [
            # The sweep: sessions that wait for answers or a vote.
            models.Index(
                fields=["asked_at"],
                name="preference_session_waiting",
                condition=Q(state__in=["asked", "ready"]),
            ),
            # The votes on two checkpoints.
            models.Index(fields=["checkpoint_a", "checkpoint_b"], name="preference_session_pair"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(partner__isnull=False, person__isnull=True)
                | Q(partner__isnull=True, person__isnull=False),
                name="preference_session_rater",
                violation_error_message="A partner asks, or a person of the house.",
            ),
            models.CheckConstraint(
                condition=~Q(checkpoint_a=F("checkpoint_b")),
                name="preference_session_two",
                violation_error_message="A checkpoint can't be compared with itself.",
            ),
            models.CheckConstraint(
                condition=Q(state="revealed", revealed_at__isnull=False, revealed_by__isnull=False)
                | (~Q(state="revealed") & Q(revealed_at__isnull=True, revealed_by__isnull=True)),
                name="preference_session_revealed",
                violation_error_message="A session is revealed exactly when a person revealed it.",
            ),
            models.UniqueConstraint(
                fields=["partner", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="preference_session_once",
                violation_error_message="This was asked already.",
            ),
        ]
        triggers = [
            lifecycle("preference_session", PREFERENCE_TRANSITIONS),
            kept("preference_session"),
            pgtrigger.ReadOnly(name="preference_session_drawn_once", fields=list(DRAWN)),
        ]

    def __str__(self) -> str:
        return f"side by side of {self.asked_at:%Y-%m-%d %H:%M}"

    @property
    def rater(self) -> str:
        """Who judged: the clusters of every interval."""
        return f"partner {self.partner_id}" if self.partner_id else f"person {self.person_id}"


class PreferenceVote(models.Model):
    """One vote a session, given blind and never changed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    session = models.OneToOneField(PreferenceSession, on_delete=models.PROTECT, related_name="vote")
    choice = models.CharField(max_length=10, choices=[(c.value, c.value) for c in Choice])
    comment = models.TextField(blank=True)
    voted_at = models.DateTimeField()

    class Meta:
        db_table = "preference_vote"
        ordering = ["voted_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(choice__in=[c.value for c in Choice]),
                name="preference_vote_choice",
                violation_error_message="A vote is a, b, tie or both_bad.",
            ),
        ]
        triggers = immutable("preference_vote")

    def __str__(self) -> str:
        return f"vote of {self.voted_at:%Y-%m-%d %H:%M}"


class PreferenceText(models.Model):
    """A reviewer's prompt and the two answers, sealed; dropped at the vote unless it is kept."""

    session = models.OneToOneField(
        PreferenceSession, on_delete=models.PROTECT, primary_key=True, related_name="text"
    )
    wrapped_key = models.BinaryField()
    sealed = models.BinaryField()
    is_kept = models.BooleanField(default=False)

    class Meta:
        db_table = "preference_text"

    def __str__(self) -> str:
        return f"text of {self.session_id}"
