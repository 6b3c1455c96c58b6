"""What partners' corrections were exported as: exports and their rows, without any text."""

from __future__ import annotations

from django.db import models

from alpha.models import Feedback, PreferenceSession
from evals.training.contract import Split, TrainingKind
from infra.ids import uuid7
from infra.models import Person
from infra.triggers import immutable


class TrainingExport(models.Model):
    """One export: who asked for what, and the digest of every file. The text is not kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=10, choices=[(k.value, k.value) for k in TrainingKind])
    filter = models.JSONField(help_text="What was asked for: the same gives the same rows.")
    grader = models.JSONField(null=True, help_text="Of a reinforcement export.")
    n_train = models.PositiveIntegerField()
    n_validation = models.PositiveIntegerField()
    left_out = models.JSONField(help_text="{reason: corrections that became no row}.")
    files = models.JSONField(help_text="[{name, n_rows, n_bytes, sha256}].")
    digest = models.CharField(max_length=64, help_text="SHA-256 over the files' names and digests.")
    made_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="training_exports")
    made_at = models.DateTimeField()

    class Meta:
        db_table = "training_export"
        ordering = ["-made_at"]
        triggers = immutable("training_export")

    def __str__(self) -> str:
        return f"{self.kind} export of {self.made_at:%Y-%m-%d %H:%M}"


class TrainingRow(models.Model):
    """Which remark, or which blind side by side, one line of an exported file came from."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    export = models.ForeignKey(
        TrainingExport, on_delete=models.PROTECT, related_name="rows", db_index=False
    )
    split = models.CharField(max_length=10, choices=[(s.value, s.value) for s in Split])
    line = models.PositiveIntegerField(help_text="In its file, from 1.")
    feedback = models.ForeignKey(
        Feedback, on_delete=models.PROTECT, null=True, related_name="training_rows"
    )
    preference = models.ForeignKey(
        PreferenceSession, on_delete=models.PROTECT, null=True, related_name="training_rows"
    )
    digest = models.CharField(max_length=64, help_text="SHA-256 of the line.")

    class Meta:
        db_table = "training_row"
        ordering = ["export", "split", "line"]
        constraints = [
            models.UniqueConstraint(
                fields=["export", "split", "line"],
                name="training_row_once",
                violation_error_message="The file has that line.",
            ),
            models.CheckConstraint(
                condition=models.Q(feedback__isnull=False, preference__isnull=True)
                | models.Q(feedback__isnull=True, preference__isnull=False),
                name="training_row_origin",
                violation_error_message="A row comes from a remark, or from a side by side.",
            ),
        ]
        triggers = immutable("training_row")

    def __str__(self) -> str:
        return f"{self.split}.jsonl:{self.line} of {self.export_id}"
