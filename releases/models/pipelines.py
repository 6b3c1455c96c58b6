"""Where checkpoints go: pipelines from files, their stages, and what partners call there."""

from __future__ import annotations

from django.db import models

from infra.ids import uuid7
from infra.triggers import changes_routing, immutable, kept
from releases.models.checkpoints import Family


class Pipeline(models.Model):
    """The way of one family to the public; its content is its newest version."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(max_length=60, unique=True)
    family = models.OneToOneField(Family, on_delete=models.PROTECT, related_name="pipeline")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "pipeline"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class PipelineVersion(models.Model):
    """One applied file, kept as it was."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    digest = models.CharField(max_length=64)
    applied_by = models.CharField(max_length=200)
    applied_at = models.DateTimeField()

    class Meta:
        db_table = "pipeline_version"
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["pipeline", "number"],
                name="pipeline_version_once",
                violation_error_message="This version of the pipeline exists already.",
            ),
        ]
        triggers = immutable("pipeline_version")

    def __str__(self) -> str:
        return f"{self.pipeline}@{self.number}"


class Stage(models.Model):
    """A node of a pipeline; `policy` is its item in the newest version's document."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.PROTECT, related_name="stages")
    name = models.SlugField(max_length=60)
    position = models.PositiveIntegerField()
    version = models.ForeignKey(PipelineVersion, on_delete=models.PROTECT, related_name="stages")
    policy = models.JSONField()
    policy_digest = models.CharField(max_length=64)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "stage"
        ordering = ["pipeline", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["pipeline", "name"],
                name="stage_once",
                violation_error_message="The pipeline has a stage of that name.",
            ),
        ]
        triggers = [kept("stage"), changes_routing("stage")]

    def __str__(self) -> str:
        return f"{self.pipeline.name}/{self.name}"


class Codename(models.Model):
    """What a partner calls in a stage; never the checkpoint's name."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="codenames")
    size = models.CharField(max_length=40)
    name = models.SlugField(max_length=80, unique=True)
    opens_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    reveal_text = models.TextField(blank=True)
    # With `on_promote: new` a codename belongs to one checkpoint; with `keep` to whatever is live.
    checkpoint = models.ForeignKey(
        "releases.Checkpoint", on_delete=models.PROTECT, null=True, blank=True
    )

    class Meta:
        db_table = "codename"
        ordering = ["name"]
        triggers = [kept("codename"), changes_routing("codename")]

    def __str__(self) -> str:
        return self.name
