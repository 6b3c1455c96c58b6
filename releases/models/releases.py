"""What is live where, and what stops it from moving on."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from infra.ids import uuid7
from infra.models import Person
from infra.triggers import changes_routing, kept, lifecycle
from releases.models.checkpoints import Checkpoint, Family
from releases.models.pipelines import Stage
from releases.models.promotions import Promotion
from releases.states import RELEASE_TRANSITIONS, Arm, ReleaseState


class Release(models.Model):
    """A checkpoint live in a stage for a family, size and arm, from–to."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="releases")
    family = models.ForeignKey(Family, on_delete=models.PROTECT, related_name="releases")
    size = models.CharField(max_length=40)
    arm = models.CharField(max_length=20, choices=[(a.value, a.value) for a in Arm])
    share = models.PositiveIntegerField(help_text="Percent of the stage's units.")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="releases")
    promotion = models.ForeignKey(
        Promotion, on_delete=models.PROTECT, null=True, blank=True, related_name="releases"
    )
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in ReleaseState],
        default=ReleaseState.LIVE.value,
    )
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True)
    halted_at = models.DateTimeField(
        null=True, blank=True, help_text="When it stopped serving; soaking stops there too."
    )
    withdrawn_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it was demoted or rolled back: no call of it goes on since.",
    )
    verified = models.BooleanField(
        default=False, help_text="It served its stage and was replaced in good order."
    )

    class Meta:
        db_table = "release"
        ordering = ["-started_at"]
        indexes = [
            # "Which checkpoint was in stage S at T", and the way back of a rollback.
            models.Index(fields=["stage", "size", "-started_at"], name="release_history"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["stage", "family", "size", "arm"],
                condition=Q(ended_at__isnull=True),
                name="release_one_current",
                violation_error_message="This stage already has a release on that arm.",
            ),
            models.CheckConstraint(
                condition=Q(share__lte=100),
                name="release_share",
                violation_error_message="A share is 0 to 100 percent.",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, state__in=["live", "halted"])
                | Q(ended_at__isnull=False, state="ended"),
                name="release_end",
                violation_error_message="A release is ended exactly when it has an end.",
            ),
        ]
        triggers = [
            lifecycle("release", RELEASE_TRANSITIONS),
            kept("release"),
            changes_routing("release"),
        ]

    def __str__(self) -> str:
        return f"{self.checkpoint} in {self.stage}"


class Hold(models.Model):
    """Stops forward moves of a checkpoint or into a stage until every owner has lifted theirs."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, null=True, blank=True, related_name="holds"
    )
    stage = models.ForeignKey(
        Stage, on_delete=models.PROTECT, null=True, blank=True, related_name="holds"
    )
    owner = models.ForeignKey(
        Person,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="holds",
        help_text="Empty for a hold that Slipway itself placed.",
    )
    reason = models.TextField()
    placed_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="holds_lifted"
    )
    lift_reason = models.TextField(blank=True)

    class Meta:
        db_table = "hold"
        ordering = ["-placed_at"]
        indexes = [
            # The scheduler: holds in force.
            models.Index(
                fields=["placed_at"], name="hold_in_force", condition=Q(lifted_at__isnull=True)
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(checkpoint__isnull=False) ^ Q(stage__isnull=False),
                name="hold_subject",
                violation_error_message="A hold is on a checkpoint or on a stage.",
            ),
        ]
        triggers = [kept("hold")]

    def __str__(self) -> str:
        return f"hold on {self.checkpoint or self.stage}"
