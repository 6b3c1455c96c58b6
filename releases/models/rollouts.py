"""How a candidate takes over a stage: its shares, its ramp, and what watches it meanwhile."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from infra.ids import uuid7
from infra.models import Person
from infra.triggers import immutable, kept, lifecycle
from releases.models.releases import Release
from releases.states import RAMP_TRANSITIONS, Arm, RampState, Watch


class ShareChange(models.Model):
    """The arm and share of a release from a moment on; the newest one stands in the release."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="shares")
    arm = models.CharField(max_length=20, choices=[(a.value, a.value) for a in Arm])
    share = models.PositiveIntegerField(help_text="Percent of the stage's units.")
    at = models.DateTimeField()

    class Meta:
        db_table = "share_change"
        ordering = ["at"]
        indexes = [
            # Who was exposed to what, and when.
            models.Index(fields=["release", "at"], name="share_change_history"),
        ]
        triggers = immutable("share_change")

    def __str__(self) -> str:
        return f"{self.release}: {self.arm} {self.share}%"


class Ramp(models.Model):
    """A candidate's growing share; its steps are frozen when it starts.

    `steps`: `[{percent, for?, approval?, monitored?}]`. `step_ends_at` None: a person moves it on.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    release = models.OneToOneField(Release, on_delete=models.PROTECT, related_name="ramp")
    steps = models.JSONField()
    holdback = models.PositiveIntegerField(help_text="Percent that the incumbent keeps.")
    step = models.PositiveIntegerField(default=0)
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in RampState],
        default=RampState.RAMPING.value,
    )
    step_started_at = models.DateTimeField()
    step_ends_at = models.DateTimeField(null=True, blank=True)
    blocked_at = models.DateTimeField(
        null=True, blank=True, help_text="When its step was due and something stood in the way."
    )
    blocked_reason = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ramp"
        ordering = ["-step_started_at"]
        indexes = [
            # The scheduler: ramps that move by themselves.
            models.Index(
                fields=["step_ends_at"],
                name="ramp_due",
                condition=Q(state=RampState.RAMPING.value),
            ),
        ]
        triggers = [lifecycle("ramp", RAMP_TRANSITIONS), kept("ramp")]

    def __str__(self) -> str:
        return f"ramp of {self.release}"


class RampApproval(models.Model):
    """A person let an approval step go on; one given before the step began again counts no more."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    ramp = models.ForeignKey(Ramp, on_delete=models.PROTECT, related_name="approvals")
    step = models.PositiveIntegerField()
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    comment = models.TextField()
    approved_at = models.DateTimeField()

    class Meta:
        db_table = "ramp_approval"
        ordering = ["approved_at"]
        triggers = immutable("ramp_approval")

    def __str__(self) -> str:
        return f"step {self.step} of {self.ramp}"


class Guardrail(models.Model):
    """One live watch over one candidate: its newest look. Harm is sticky and fires once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="guardrails")
    guardrail_id = models.CharField(max_length=80)
    kind = models.CharField(max_length=40)
    options = models.JSONField()
    action = models.CharField(max_length=20)
    watch = models.CharField(
        max_length=20, choices=[(w.value, w.value) for w in Watch], default=Watch.WATCHING.value
    )
    sentence = models.TextField(blank=True)
    observed = models.JSONField(null=True, help_text="Numbers of the newest look.")
    n_looks = models.PositiveIntegerField(default=0)
    looked_at = models.DateTimeField(null=True)
    fired_at = models.DateTimeField(null=True)
    worse_since = models.DateTimeField(
        null=True, help_text="When the last batch closed with which the candidate was not worse."
    )
    n_exposed = models.PositiveIntegerField(
        null=True, help_text="Requests that the candidate served from then until it fired."
    )

    class Meta:
        db_table = "guardrail"
        ordering = ["release", "guardrail_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["release", "guardrail_id"],
                name="guardrail_once",
                violation_error_message="This guardrail watches that release already.",
            ),
        ]
        triggers = [kept("guardrail")]

    def __str__(self) -> str:
        return f"{self.guardrail_id} of {self.release}"
