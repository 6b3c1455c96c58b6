"""What became known of suites' shelf life: audits of failures, and measurements."""

from __future__ import annotations

from django.db import models

from evals.models.runs import Run
from evals.models.suites import Case, SuiteVersion
from evals.states import AuditFinding
from infra.ids import uuid7
from infra.triggers import immutable
from releases.models import Family


class CaseAudit(models.Model):
    """Somebody looked at a failure and said whose fault it is; the newest one of a case counts."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="audits")
    finding = models.CharField(max_length=20, choices=[(f.value, f.value) for f in AuditFinding])
    reason = models.TextField()
    audited_by = models.CharField(max_length=200)
    audited_at = models.DateTimeField()

    class Meta:
        db_table = "case_audit"
        ordering = ["-audited_at"]
        triggers = immutable("case_audit")

    def __str__(self) -> str:
        return f"{self.case_id}: {self.finding}"


class SuiteHealth(models.Model):
    """A version measured over the checkpoints of one family and size; its age is not in it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(SuiteVersion, on_delete=models.PROTECT, related_name="health")
    family = models.ForeignKey(Family, on_delete=models.PROTECT, related_name="+")
    size = models.CharField(max_length=40)
    newest_run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="+")
    n_checkpoints = models.PositiveIntegerField()
    input_digest = models.CharField(max_length=64, unique=True)
    measured = models.JSONField(help_text="evals.shelf.Measured as JSON.")
    measured_at = models.DateTimeField()

    class Meta:
        db_table = "suite_health"
        ordering = ["-measured_at"]
        indexes = [
            # A page or a gate: the newest measurement of a version's size class.
            models.Index(
                fields=["version", "family", "size", "-measured_at"], name="suite_health_newest"
            ),
        ]
        triggers = immutable("suite_health")

    def __str__(self) -> str:
        return f"{self.version} over {self.n_checkpoints} checkpoints of {self.family} {self.size}"


class SizeFrontier(models.Model):
    """Checkpoints of one version by quality, cost and latency; kept under its runs' digest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(SuiteVersion, on_delete=models.PROTECT, related_name="frontiers")
    input_digest = models.CharField(max_length=64, unique=True)
    points = models.JSONField(help_text="releases.statistics.size_frontier.SizePoint a checkpoint.")
    sentences = models.JSONField()
    read_at = models.DateTimeField()

    class Meta:
        db_table = "size_frontier"
        ordering = ["-read_at"]
        triggers = immutable("size_frontier")

    def __str__(self) -> str:
        return f"frontier of {self.version}"
