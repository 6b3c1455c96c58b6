"""Runs that are started together, and the one report on them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from infra.ids import uuid7
from infra.triggers import immutable, kept
from releases.models import Checkpoint


class RunSet(models.Model):
    """Suites × checkpoints started in the evening and read in the morning."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(max_length=80, help_text="The same every night: sets are a line.")
    baseline = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, null=True, related_name="run_sets_against"
    )
    margin = models.FloatField(help_text="Share of 1 that still counts as no worse.")
    idempotency_key = models.CharField(max_length=200, blank=True)
    started_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "run_set"
        ordering = ["-created_at"]
        indexes = [
            # The set before this one of the same name.
            models.Index(fields=["name", "-created_at"], name="run_set_line"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="run_set_once",
                violation_error_message="A set was started with this key already.",
            ),
        ]
        triggers = [kept("run_set")]

    def __str__(self) -> str:
        return f"{self.name} of {self.created_at:%Y-%m-%d %H:%M}"


class RunSetReport(models.Model):
    """What came out, as it was when the last run of the set was over."""

    run_set = models.OneToOneField(RunSet, on_delete=models.PROTECT, related_name="report")
    content = models.JSONField()
    made_at = models.DateTimeField()

    class Meta:
        db_table = "run_set_report"
        triggers = immutable("run_set_report")

    def __str__(self) -> str:
        return f"report on {self.run_set}"
