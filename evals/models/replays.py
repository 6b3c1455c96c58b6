"""Samples of real conversations that checkpoints are asked again."""

from __future__ import annotations

from django.db import models

from evals.models.suites import SuiteVersion
from evals.states import ReplaySource
from infra.ids import uuid7
from infra.triggers import immutable
from releases.models import Stage


class ReplaySet(models.Model):
    """A published version whose cases are recorded conversations, with what it was drawn from.

    Partners' conversations stay where they are: a case names the call alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.OneToOneField(
        SuiteVersion, on_delete=models.PROTECT, related_name="replay_set"
    )
    source = models.CharField(max_length=20, choices=[(s.value, s.value) for s in ReplaySource])
    stage = models.ForeignKey(
        Stage, on_delete=models.PROTECT, null=True, related_name="replay_sets"
    )
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    sample = models.JSONField(default=dict, help_text="{n, seed, partner_cap, checkpoint}.")
    catalogue = models.JSONField(help_text="[{mode, sentence, severity, grader}].")
    catalogue_digest = models.CharField(max_length=64)
    n_eligible = models.PositiveIntegerField(help_text="Conversations that could have been drawn.")
    n_unusable = models.PositiveIntegerField(help_text="Drawn, and left out: no question in them.")
    n_partners = models.PositiveIntegerField(help_text="Of the conversations drawn; 0 of public.")
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        db_table = "replay_set"
        ordering = ["-made_at"]
        triggers = immutable("replay_set")

    def __str__(self) -> str:
        return str(self.version)
