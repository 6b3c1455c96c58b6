"""What is released: immutable checkpoints, where they are served, and what that costs."""

from __future__ import annotations

from django.db import models

from infra.ids import uuid7
from infra.models import Person
from infra.triggers import changes_routing, immutable, kept, lifecycle
from releases.states import DEPLOYMENT_TRANSITIONS, CheckpointKind, DeploymentState, Identity


class Family(models.Model):
    """A line of checkpoints that replace one another, such as `chat`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(max_length=60, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "family"
        ordering = ["name"]
        verbose_name_plural = "families"

    def __str__(self) -> str:
        return self.name


class Checkpoint(models.Model):
    """Immutable weights with their serving defaults; `checkpoint_digest` is what verdicts name."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    family = models.ForeignKey(Family, on_delete=models.PROTECT, related_name="checkpoints")
    size = models.CharField(max_length=40, help_text="standard, mini, nano; free text.")
    name = models.CharField(max_length=120, unique=True)
    owner = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="checkpoints")
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    kind = models.CharField(max_length=20, choices=[(k.value, k.value) for k in CheckpointKind])
    artifact_uri = models.CharField(max_length=500)
    manifest = models.JSONField(help_text="[{path, size, sha256}], sorted by path.")
    manifest_digest = models.CharField(max_length=64)
    serving = models.JSONField(help_text="{system_prompt, sampling, template}.")
    context_window = models.PositiveIntegerField()
    notes = models.TextField(blank=True)
    checkpoint_digest = models.CharField(max_length=64, unique=True)
    registered_at = models.DateTimeField()

    class Meta:
        db_table = "checkpoint"
        ordering = ["-registered_at"]
        indexes = [
            # The board: newest checkpoints of one family and size.
            models.Index(fields=["family", "size", "-registered_at"], name="checkpoint_line"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(context_window__gt=0),
                name="checkpoint_context_window",
                violation_error_message="A context window is at least one token.",
            ),
        ]
        triggers = immutable("checkpoint")

    def __str__(self) -> str:
        return self.name


class Deployment(models.Model):
    """Where a checkpoint answers: an upstream base URL and the model id there. Mutable, audited."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="deployments")
    base_url = models.URLField(max_length=500)
    upstream_model = models.CharField(max_length=200)
    secret_ref = models.CharField(
        max_length=200, blank=True, help_text="env:NAME or file:/path; never the secret itself."
    )
    weight = models.PositiveIntegerField(default=100)
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in DeploymentState],
        default=DeploymentState.ACTIVE.value,
    )
    fingerprint = models.JSONField(
        null=True, blank=True, help_text="What the identity probe was answered at registration."
    )
    probe_skipped_reason = models.TextField(blank=True)
    probed_at = models.DateTimeField(null=True, blank=True)
    identity = models.CharField(
        max_length=20,
        choices=[(i.value, i.value) for i in Identity],
        default=Identity.NOT_ASKED.value,
        help_text="What came of asking it again while it serves.",
    )
    identity_sentence = models.TextField(blank=True)
    identity_asked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "deployment"
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["checkpoint", "base_url", "upstream_model"],
                name="deployment_once",
                violation_error_message="This checkpoint is already deployed there.",
            ),
        ]
        triggers = [
            lifecycle("deployment", DEPLOYMENT_TRANSITIONS),
            kept("deployment"),
            changes_routing("deployment"),
        ]

    def __str__(self) -> str:
        return f"{self.checkpoint} at {self.base_url}"


class Price(models.Model):
    """What a checkpoint's tokens cost from a moment on, in integer micro-units per million."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="prices")
    currency = models.CharField(max_length=3)
    input_micros_per_million = models.BigIntegerField()
    cached_input_micros_per_million = models.BigIntegerField()
    output_micros_per_million = models.BigIntegerField()
    effective_at = models.DateTimeField()

    class Meta:
        db_table = "price"
        ordering = ["-effective_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["checkpoint", "effective_at"],
                name="price_once",
                violation_error_message="This checkpoint already has a price from that moment.",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    input_micros_per_million__gte=0,
                    cached_input_micros_per_million__gte=0,
                    output_micros_per_million__gte=0,
                ),
                name="price_not_negative",
                violation_error_message="A price is zero or more.",
            ),
        ]
        triggers = [*immutable("price"), changes_routing("price")]

    def __str__(self) -> str:
        return f"{self.checkpoint} {self.currency} from {self.effective_at:%Y-%m-%d}"
