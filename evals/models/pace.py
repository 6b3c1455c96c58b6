"""How the limit of an endpoint moved."""

from __future__ import annotations

from django.db import models

from infra.ids import uuid7
from infra.triggers import immutable


class PaceChange(models.Model):
    """One change of how many calls an endpoint takes at once, as its workers found it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.CharField(max_length=500, help_text="The deployment's base URL.")
    limit = models.FloatField(help_text="Calls at once, all workers together.")
    cause = models.CharField(max_length=20, help_text="throttled: cut; grew: a quarter more.")
    n_workers = models.PositiveIntegerField()
    changed_at = models.DateTimeField()

    class Meta:
        db_table = "eval_pace_change"
        ordering = ["-changed_at"]
        indexes = [
            # The history of one endpoint, newest first.
            models.Index(fields=["endpoint", "-changed_at"], name="eval_pace_history"),
        ]
        triggers = immutable("eval_pace_change")

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.limit:.0f} ({self.cause})"
