"""Experiments on findings: base prompts, minimal pairs, their runs, and people's ratings."""

from __future__ import annotations

import uuid

import pgtrigger
from django.db import models
from django.db.models import Q

from alpha.models import Feedback, Finding
from evals.models.runs import Result, Run
from evals.models.suites import SuiteVersion
from evals.states import (
    PROBE_TRANSITIONS,
    HypothesisSource,
    PairState,
    ProbeState,
    ProbeVerdict,
)
from infra.ids import uuid7
from infra.models import Person
from infra.triggers import immutable, kept, lifecycle
from releases.models import Checkpoint

_DESIGNED = """
    IF EXISTS (
        SELECT 1 FROM probe
        WHERE id = COALESCE(OLD.probe_id, NEW.probe_id) AND state <> 'draft'
    ) THEN
        RAISE EXCEPTION 'the design of a probe that began never changes';
    END IF;
    RETURN COALESCE(NEW, OLD);
"""


def _designed(table: str) -> pgtrigger.Trigger:
    """Rows that change only while their probe is a draft."""
    return pgtrigger.Trigger(
        name=f"{table}_designed",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
        func=_DESIGNED,
    )


class Probe(models.Model):
    """One experiment: hypotheses × prompts × checkpoints × repeats, judged alike."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="probes")
    title = models.CharField(max_length=200)
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in ProbeState],
        default=ProbeState.DRAFT.value,
    )
    graders = models.JSONField(help_text="Each by its JSON; `human` alone: people rate blind.")
    question = models.TextField(help_text="What an answer that fails does, for raters.")
    request = models.JSONField(default=dict, help_text="Request fields of every prompt.")
    repeats = models.PositiveIntegerField()
    concurrency = models.PositiveIntegerField()
    seed = models.BigIntegerField()
    may_stop_early = models.BooleanField(
        default=False, help_text="A run ends once a hypothesis is isolated on its checkpoint."
    )
    most_cost_micros = models.BigIntegerField(null=True, help_text="Of each checkpoint's run.")
    most_tokens = models.BigIntegerField(null=True, help_text="Of each checkpoint's run.")
    most_seconds = models.PositiveIntegerField(null=True, help_text="Of each checkpoint's run.")
    version = models.ForeignKey(
        SuiteVersion, on_delete=models.PROTECT, null=True, related_name="probes"
    )
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    verdict = models.CharField(
        max_length=20, blank=True, choices=[(v.value, v.value) for v in ProbeVerdict]
    )
    sentence = models.TextField(blank=True, help_text="What it came to.")
    result = models.JSONField(null=True, help_text="Effects, rates and cost, as concluded.")

    class Meta:
        db_table = "probe"
        ordering = ["-created_at"]
        indexes = [
            # A finding's probes, the newest first.
            models.Index(fields=["finding", "-created_at"], name="probe_of_finding"),
            # The sweep: probes whose runs may be over.
            models.Index(fields=["created_at"], name="probe_open", condition=Q(state="running")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="concluded", result__isnull=False) & ~Q(verdict="")
                | ~Q(state="concluded") & Q(result__isnull=True, verdict=""),
                name="probe_concluded",
                violation_error_message="A probe has a result exactly when it is concluded.",
            ),
            models.CheckConstraint(
                condition=Q(version__isnull=False) | ~Q(state__in=["running", "concluded"]),
                name="probe_version",
                violation_error_message="A probe that began has a suite version.",
            ),
        ]
        triggers = [
            lifecycle("probe", PROBE_TRANSITIONS),
            kept("probe"),
            pgtrigger.Protect(
                name="probe_ended",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__in=["concluded", "abandoned"]),
            ),
        ]

    def __str__(self) -> str:
        return self.title


class ProbePrompt(models.Model):
    """One original prompt: what was asked when it went wrong."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    probe = models.ForeignKey(Probe, on_delete=models.PROTECT, related_name="prompts")
    number = models.PositiveIntegerField()
    asked = models.JSONField(help_text="{messages, tools, request, serving}.")
    target = models.JSONField(null=True, help_text="What graders compare the answer with.")
    feedback = models.ForeignKey(Feedback, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        db_table = "probe_prompt"
        ordering = ["probe", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["probe", "number"],
                name="probe_prompt_once",
                violation_error_message="The probe has a prompt of that number.",
            ),
        ]
        triggers = [_designed("probe_prompt")]

    def __str__(self) -> str:
        return f"prompt {self.number}"


class ProbeHypothesis(models.Model):
    """One suspected component, and what its change does."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    probe = models.ForeignKey(Probe, on_delete=models.PROTECT, related_name="hypotheses")
    name = models.SlugField(max_length=60)
    component = models.CharField(max_length=200, help_text="What is isolated when it holds.")
    sentence = models.CharField(max_length=500, help_text="What the changed prompts do.")
    source = models.CharField(max_length=20, choices=[(s.value, s.value) for s in HypothesisSource])

    class Meta:
        db_table = "probe_hypothesis"
        ordering = ["probe", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["probe", "name"],
                name="probe_hypothesis_once",
                violation_error_message="The probe has a hypothesis of that name.",
            ),
        ]
        triggers = [_designed("probe_hypothesis")]

    def __str__(self) -> str:
        return self.name


class ProbePair(models.Model):
    """A prompt and its changed version; it runs only once a person approved it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    probe = models.ForeignKey(Probe, on_delete=models.PROTECT, related_name="pairs")
    prompt = models.ForeignKey(ProbePrompt, on_delete=models.PROTECT, related_name="pairs")
    hypothesis = models.ForeignKey(ProbeHypothesis, on_delete=models.PROTECT, related_name="pairs")
    changed = models.JSONField(help_text="{messages, tools, request, serving}.")
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in PairState],
        default=PairState.PROPOSED.value,
    )
    was_edited = models.BooleanField(default=False)
    reviewed_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "probe_pair"
        ordering = ["probe", "hypothesis", "prompt"]
        constraints = [
            models.UniqueConstraint(
                fields=["prompt", "hypothesis"],
                name="probe_pair_once",
                violation_error_message="The prompt has a pair of that hypothesis.",
            ),
            models.CheckConstraint(
                condition=Q(state="proposed", reviewed_by__isnull=True)
                | ~Q(state="proposed") & Q(reviewed_by__isnull=False, reviewed_at__isnull=False),
                name="probe_pair_reviewed",
                violation_error_message="A person approves or drops a pair.",
            ),
        ]
        triggers = [_designed("probe_pair")]

    def __str__(self) -> str:
        return f"{self.hypothesis} of {self.prompt}"


class ProbeRun(models.Model):
    """A checkpoint that the probe asks, and the ordinary run that asks it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    probe = models.ForeignKey(Probe, on_delete=models.PROTECT, related_name="probe_runs")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="+")
    run = models.OneToOneField(Run, on_delete=models.PROTECT, null=True, related_name="probe_run")

    class Meta:
        db_table = "probe_run"
        ordering = ["probe", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["probe", "checkpoint"],
                name="probe_run_once",
                violation_error_message="The probe asks that checkpoint already.",
            ),
        ]
        triggers = [_designed("probe_run")]

    def __str__(self) -> str:
        return f"{self.checkpoint} in {self.probe}"


class ProbeAnswer(models.Model):
    """One answer that people rate, at its place in a random order that is kept."""

    # Random, not ordered by time: neither the name nor the place tells an arm.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    probe = models.ForeignKey(Probe, on_delete=models.PROTECT, related_name="answers")
    result = models.OneToOneField(Result, on_delete=models.PROTECT, related_name="+")
    prompt = models.ForeignKey(ProbePrompt, on_delete=models.PROTECT, related_name="+")
    place = models.PositiveIntegerField()

    class Meta:
        db_table = "probe_answer"
        ordering = ["probe", "place"]
        constraints = [
            models.UniqueConstraint(
                fields=["probe", "place"],
                name="probe_answer_place",
                violation_error_message="Another answer has that place.",
            ),
        ]
        triggers = immutable("probe_answer")

    def __str__(self) -> str:
        return f"answer {self.place}"


class ProbeRating(models.Model):
    """What one rater said of one answer, blind."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    answer = models.ForeignKey(ProbeAnswer, on_delete=models.PROTECT, related_name="ratings")
    rater = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    failed = models.BooleanField()
    rated_at = models.DateTimeField()

    class Meta:
        db_table = "probe_rating"
        ordering = ["rated_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["answer", "rater"],
                name="probe_rating_once",
                violation_error_message="You have rated this answer.",
            ),
        ]
        triggers = immutable("probe_rating")

    def __str__(self) -> str:
        # Without what was said: names show in the audit log, and raters judge blind.
        return f"rating of {self.answer_id}"
