"""Live traffic as gates and guardrails count it: landed calls, units, closed batches.

Calls land here by a trigger on the usage table and leave once they are batched. Batches and their
counts are written once; `alpha.services.batches` is their only writer.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from alpha.models.access import Partner
from alpha.states import Counted
from infra.ids import uuid7
from infra.triggers import immutable, kept
from releases.models import Checkpoint, Release, Stage

_UNCHECKED: dict[str, Any] = {
    "on_delete": models.PROTECT,
    "related_name": "+",
    "db_constraint": False,
    "db_index": False,
}


class TrafficStay(models.Model):
    """A checkpoint's stay in a stage without a break; a restart begins another."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="+")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField()
    baseline_ms = ArrayField(
        models.FloatField(),
        null=True,
        help_text="Percentiles 0 to 100 of the incumbent's latency before; empty: it had too few.",
    )

    class Meta:
        db_table = "traffic_stay"
        constraints = [
            models.UniqueConstraint(
                fields=["stage", "checkpoint", "since"],
                name="traffic_stay_once",
                violation_error_message="This stay is known already.",
            ),
        ]
        triggers = immutable("traffic_stay")

    def __str__(self) -> str:
        return f"{self.checkpoint} in {self.stage} since {self.since:%Y-%m-%d %H:%M}"


class TrafficSegment(models.Model):
    """A time of constant shares within a stay: the only traffic that may be compared."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stay = models.ForeignKey(TrafficStay, on_delete=models.PROTECT, related_name="segments")
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="+")
    size = models.CharField(max_length=40)
    candidate = models.ForeignKey(Release, on_delete=models.PROTECT, null=True, related_name="+")
    incumbent = models.ForeignKey(Release, on_delete=models.PROTECT, null=True, related_name="+")
    share = models.PositiveSmallIntegerField(help_text="Percent of the units that the stay's has.")
    since = models.DateTimeField()
    counts_from = models.DateTimeField(help_text="Earlier calls may follow the shares before.")
    until = models.DateTimeField(null=True)

    class Meta:
        db_table = "traffic_segment"
        constraints = [
            models.UniqueConstraint(
                fields=["stage", "size", "since"],
                name="traffic_segment_once",
                violation_error_message="This segment is known already.",
            ),
            models.CheckConstraint(
                condition=Q(candidate__isnull=False) | Q(incumbent__isnull=False),
                name="traffic_segment_serves",
                violation_error_message="A segment has a candidate or an incumbent.",
            ),
        ]
        triggers = [kept("traffic_segment")]

    def __str__(self) -> str:
        return f"{self.stay}: {self.share}% from {self.since:%Y-%m-%d %H:%M}"


class LandedCall(models.Model):
    """An answered call that is in no batch of requests yet; the usage table's trigger adds it."""

    request_id = models.UUIDField(unique=True)
    partner_id = models.UUIDField()
    release_id = models.UUIDField()
    unit = models.CharField(max_length=32)
    state = models.CharField(max_length=20)
    http_status = models.PositiveSmallIntegerField()
    total_ms = models.FloatField(null=True)
    cost_micros = models.BigIntegerField()
    started_at = models.DateTimeField()
    segment = models.ForeignKey(
        TrafficSegment, on_delete=models.PROTECT, null=True, db_constraint=False, related_name="+"
    )
    arm = models.PositiveSmallIntegerField(null=True, help_text="1: the stay's checkpoint.")
    seen_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "landed_call"
        indexes = [
            # What has to be matched with its segment, oldest first.
            models.Index(fields=["id"], name="landed_call_new", condition=Q(segment=None)),
        ]

    def __str__(self) -> str:
        return str(self.request_id)


class TrafficUnit(models.Model):
    """A unit in the one segment of a stay where it is counted; it waits until `batch` is set."""

    # One statement writes thousands of rows from rows of these tables: no check row by row.
    stay = models.ForeignKey(TrafficStay, **_UNCHECKED)
    segment = models.ForeignKey(TrafficSegment, **_UNCHECKED)
    partner = models.ForeignKey(Partner, **_UNCHECKED)
    unit = models.CharField(max_length=32)
    arm = models.PositiveSmallIntegerField(help_text="1: the stay's checkpoint.")
    seen_at = models.DateTimeField()
    is_error = models.BooleanField()
    ms = models.FloatField(null=True, help_text="Latency of its first call.")
    n_priced = models.PositiveIntegerField()
    cost_micros = models.BigIntegerField()
    down_age = models.PositiveSmallIntegerField(
        null=True, help_text="Age of its batch at its first thumbs-down; 0: not closed yet."
    )
    batch = models.ForeignKey(
        "TrafficBatch",
        on_delete=models.PROTECT,
        null=True,
        related_name="units",
        db_constraint=False,
    )

    class Meta:
        db_table = "traffic_unit"
        indexes = [
            # What waits for its batch.
            models.Index(
                fields=["segment", "partner"], name="traffic_unit_open", condition=Q(batch=None)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["stay", "unit"],
                name="traffic_unit_once",
                violation_error_message="A unit counts once in a stay.",
            ),
        ]

    def __str__(self) -> str:
        return self.unit


class TrafficBatch(models.Model):
    """Closed counts of one partner in one segment; `age` above 0: what came late for a batch.

    `number` counts the partner's batches within the stay; a late one has the number of its own.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stay = models.ForeignKey(TrafficStay, on_delete=models.PROTECT, related_name="batches")
    segment = models.ForeignKey(TrafficSegment, on_delete=models.PROTECT, related_name="batches")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="+")
    counts = models.CharField(max_length=10, choices=[(c.value, c.value) for c in Counted])
    number = models.PositiveIntegerField()
    age = models.PositiveSmallIntegerField(default=0)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField()

    class Meta:
        db_table = "traffic_batch"
        ordering = ["closed_at", "id"]
        verbose_name_plural = "traffic batches"
        indexes = [
            # Batches whose late thumbs-down are to be counted next.
            models.Index(fields=["age", "closed_at"], name="traffic_batch_ageing"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["stay", "partner", "counts", "number", "age"],
                name="traffic_batch_once",
                violation_error_message="This batch is closed already.",
            ),
        ]
        triggers = immutable("traffic_batch")

    def __str__(self) -> str:
        return f"batch {self.number} of {self.partner}"


class TrafficArm(models.Model):
    """What one arm did in a batch. `ms` is sorted; costs are of a unit's mean per request."""

    batch = models.ForeignKey(
        TrafficBatch, on_delete=models.PROTECT, related_name="arms", db_index=False
    )
    arm = models.PositiveSmallIntegerField(help_text="1: the stay's checkpoint.")
    n = models.PositiveIntegerField()
    n_errors = models.PositiveIntegerField(default=0)
    n_downs = models.PositiveIntegerField(default=0)
    ms = ArrayField(models.FloatField(), default=list)
    n_priced = models.PositiveIntegerField(default=0)
    cost_sum = models.FloatField(default=0, help_text="In micro-units.")
    cost_squares = models.FloatField(default=0)
    log_cost_sum = models.FloatField(default=0, help_text="Of natural logarithms of micro-units.")
    log_cost_squares = models.FloatField(default=0)

    class Meta:
        db_table = "traffic_arm"
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "arm"],
                name="traffic_arm_once",
                violation_error_message="This arm of the batch is counted already.",
            ),
            models.CheckConstraint(
                condition=Q(n_errors__lte=models.F("n"), n_downs__lte=models.F("n")),
                name="traffic_arm_counts",
                violation_error_message="An arm has at most one event per unit.",
            ),
        ]
        triggers = immutable("traffic_arm")

    def __str__(self) -> str:
        return f"arm {self.arm} of {self.batch}"
