"""What stops forward moves besides holds: rejections, freezes, the stopped line, follow-ups."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from infra.ids import uuid7
from infra.models import Person
from infra.triggers import immutable, kept
from releases.models.checkpoints import Checkpoint
from releases.models.pipelines import Pipeline, Stage
from releases.models.promotions import Promotion


class LiftedByTwo(models.Model):
    """Lifted once a second person has confirmed what the first one asked for."""

    lift_asked_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    lift_asked_at = models.DateTimeField(null=True, blank=True)
    lift_reason = models.TextField(blank=True)
    lifted_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


_TWO_PERSONS = Q(lifted_by__isnull=True) | (
    Q(lift_asked_by__isnull=False) & ~Q(lifted_by=F("lift_asked_by"))
)


class Rejection(LiftedByTwo):
    """Nobody and nothing promotes this checkpoint until two persons take the rejection back."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="rejections")
    rejected_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    rejected_at = models.DateTimeField()

    class Meta:
        db_table = "rejection"
        ordering = ["-rejected_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["checkpoint"],
                condition=Q(lifted_at__isnull=True),
                name="rejection_one_in_force",
                violation_error_message="This checkpoint is rejected already.",
            ),
            models.CheckConstraint(
                condition=_TWO_PERSONS,
                name="rejection_two_persons",
                violation_error_message="A second person takes a rejection back.",
            ),
        ]
        triggers = [kept("rejection")]

    def __str__(self) -> str:
        return f"rejection of {self.checkpoint}"


class LineStop(LiftedByTwo):
    """No forward move and no ramp step anywhere until two persons start the line again."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stopped_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    stopped_at = models.DateTimeField()

    class Meta:
        db_table = "line_stop"
        ordering = ["-stopped_at"]
        constraints = [
            models.UniqueConstraint(
                models.Value(1),
                condition=Q(lifted_at__isnull=True),
                name="line_stop_one_in_force",
                violation_error_message="The line is stopped already.",
            ),
            models.CheckConstraint(
                condition=_TWO_PERSONS,
                name="line_stop_two_persons",
                violation_error_message="Two persons start the line again.",
            ),
        ]
        triggers = [kept("line_stop")]

    def __str__(self) -> str:
        return f"the line, stopped by {self.stopped_by}"


class Freeze(models.Model):
    """A schedule during which nothing moves forward: RFC 5545 in a time zone.

    Of one stage, of a pipeline's stages, or, where both are empty, of all.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(max_length=60)
    pipeline = models.ForeignKey(
        Pipeline, on_delete=models.PROTECT, null=True, blank=True, related_name="freezes"
    )
    stage = models.ForeignKey(
        Stage, on_delete=models.PROTECT, null=True, blank=True, related_name="freezes"
    )
    starts = models.CharField(max_length=19, help_text="Local time, 2026-12-20T00:00:00.")
    lasts = models.CharField(max_length=12, help_text="Such as 36h or 14d.")
    rule = models.CharField(max_length=500, blank=True, help_text="RRULE; empty: once.")
    except_dates = models.JSONField(default=list, help_text="Local starts that are left out.")
    time_zone = models.CharField(max_length=60)
    reason = models.TextField()
    owner = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="freezes"
    )
    from_file = models.BooleanField(default=False, help_text="A pipeline file keeps it.")
    placed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True)

    class Meta:
        db_table = "freeze"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(pipeline__isnull=True) | Q(stage__isnull=True),
                name="freeze_subject",
                violation_error_message="A freeze is of a stage, of a pipeline, or of all.",
            ),
        ]
        triggers = [kept("freeze")]

    def __str__(self) -> str:
        return self.name


class FreezeWaiver(models.Model):
    """The freeze's owner lets one promotion through."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    freeze = models.ForeignKey(Freeze, on_delete=models.PROTECT, related_name="waivers")
    promotion = models.ForeignKey(
        Promotion, on_delete=models.PROTECT, related_name="freeze_waivers"
    )
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    waived_at = models.DateTimeField()

    class Meta:
        db_table = "freeze_waiver"
        constraints = [
            models.UniqueConstraint(
                fields=["freeze", "promotion"],
                name="freeze_waiver_once",
                violation_error_message="This freeze lets that promotion through already.",
            ),
        ]
        triggers = immutable("freeze_waiver")

    def __str__(self) -> str:
        return f"{self.promotion} through {self.freeze}"


class FollowUp(models.Model):
    """What a hotfix still owes; missed, it blocks the next promotion into its stage."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    promotion = models.OneToOneField(Promotion, on_delete=models.PROTECT, related_name="follow_up")
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True)

    class Meta:
        db_table = "follow_up"
        ordering = ["due_at"]
        triggers = [kept("follow_up")]

    def __str__(self) -> str:
        return f"follow-up of {self.promotion}"
