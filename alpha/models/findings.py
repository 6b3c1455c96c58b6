"""Weaknesses that feedback points to: clusters of remarks with a severity and a state."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from alpha.models.access import Key, Partner
from alpha.models.feedback import Feedback
from alpha.states import CLOSED_FINDINGS, FINDING_TRANSITIONS, FindingState
from infra.ids import uuid7
from infra.models import Person
from infra.triggers import immutable, kept, lifecycle
from releases.gates.severity import Severity
from releases.models import Checkpoint

_CLOSED = sorted(state.value for state in CLOSED_FINDINGS)


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
    labels = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        help_text="Components of suites that it seems to concern, such as sql.columns.",
    )
    opened_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    confirmed_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)
    component = models.CharField(
        max_length=200, blank=True, help_text="What causes it, as a probe has shown."
    )
    probe_id = models.UUIDField(null=True, blank=True, help_text="The probe that isolated it.")
    tried = models.TextField(blank=True, help_text="What did not reproduce it.")
    detectable_rate = models.FloatField(
        null=True, blank=True, help_text="The least rate, 0 to 1, that would have been seen."
    )
    fixed_in = models.ForeignKey(
        Checkpoint,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="findings_fixed",
        help_text="The checkpoint that no longer has it.",
    )
    closed_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    close_reason = models.TextField(blank=True)
    reconfirmed_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reconfirmed_with = models.ForeignKey(
        Key,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The reporter's key, when it answered by itself.",
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
                    state__in=_CLOSED, closed_by__isnull=False, closed_at__isnull=False
                )
                | (~models.Q(state__in=_CLOSED) & models.Q(closed_at__isnull=True)),
                name="finding_closed",
                violation_error_message="A finding is closed exactly when somebody closed it.",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["isolated", "fixing"])
                | (~models.Q(component="") & models.Q(probe_id__isnull=False)),
                name="finding_isolated",
                violation_error_message="A cause is isolated by a probe, which is named.",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="not_reproduced")
                | (
                    ~models.Q(tried="")
                    & models.Q(detectable_rate__gt=0.0, detectable_rate__lte=1.0)
                ),
                name="finding_not_reproduced",
                violation_error_message="Say what was tried, and which rate would have been seen.",
            ),
        ]
        triggers = [lifecycle("finding", FINDING_TRANSITIONS), kept("finding")]

    def __str__(self) -> str:
        return self.title

    @property
    def is_closed(self) -> bool:
        """True of a fixed one, one that was not reproduced, and one by design."""
        return self.state in _CLOSED

    @property
    def waits_for_reporter(self) -> bool:
        """A person took it for a weakness, it is closed, and its reporter has not agreed."""
        asked = self.confirmed_at is not None and self.reporter_id is not None
        return self.is_closed and asked and self.reconfirmed_at is None


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
