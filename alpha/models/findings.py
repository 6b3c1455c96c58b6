"""Weaknesses that feedback points to: clusters of remarks with a severity and a state."""

from __future__ import annotations

from django.db import models

from alpha.models.access import Partner
from alpha.models.feedback import Feedback
from alpha.states import FINDING_TRANSITIONS, FindingState
from infra.ids import uuid7
from infra.models import Person
from infra.triggers import immutable, kept, lifecycle
from releases.gates.severity import Severity
from releases.models import Checkpoint


class Finding(models.Model):
    """One weakness of a checkpoint. Who owns the checkpoint may open it and nothing more."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    severity = models.CharField(max_length=10, choices=[(s.value, s.value) for s in Severity])
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in FindingState],
        default=FindingState.OPEN.value,
    )
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="findings")
    owner = models.ForeignKey(
        Person,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="findings",
        help_text="Who sees to it.",
    )
    reporter = models.ForeignKey(
        Partner,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="findings",
        help_text="Who confirms that it is gone; empty: found in the house.",
    )
    feedback = models.ManyToManyField(
        Feedback, through="FindingReport", related_name="findings", blank=True
    )
    opened_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    confirmed_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    close_reason = models.TextField(blank=True)
    reconfirmed_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reconfirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "finding"
        ordering = ["-opened_at"]
        indexes = [
            # The list by state, newest first.
            models.Index(fields=["state", "-opened_at"], name="finding_list"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    state__in=["closed", "reconfirmed"],
                    closed_by__isnull=False,
                    closed_at__isnull=False,
                )
                | models.Q(state__in=["open", "confirmed"], closed_at__isnull=True),
                name="finding_closed",
                violation_error_message="A finding is closed exactly when somebody closed it.",
            ),
        ]
        triggers = [lifecycle("finding", FINDING_TRANSITIONS), kept("finding")]

    def __str__(self) -> str:
        return self.title


class FindingReport(models.Model):
    """A remark that speaks of a finding; one remark may speak of several."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="reports")
    feedback = models.ForeignKey(Feedback, on_delete=models.PROTECT, related_name="reports")
    linked_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    linked_at = models.DateTimeField()

    class Meta:
        db_table = "finding_report"
        ordering = ["linked_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["finding", "feedback"],
                name="finding_report_once",
                violation_error_message="This remark is linked to the finding already.",
            ),
        ]
        triggers = immutable("finding_report")

    def __str__(self) -> str:
        return f"{self.feedback} on {self.finding}"
