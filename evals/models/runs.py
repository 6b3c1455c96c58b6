"""What checkpoints answered: runs in shards, results, metrics, and comparisons."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from evals.models.run_sets import RunSet
from evals.models.suites import Case, SuiteVersion
from evals.states import (
    RUN_TRANSITIONS,
    SHARD_TRANSITIONS,
    ResultState,
    RunSource,
    RunState,
    ShardState,
)
from infra.ids import uuid7
from infra.triggers import immutable, kept, lifecycle
from releases.models import Checkpoint, Deployment


class Run(models.Model):
    """One checkpoint × suite version × repeats."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(SuiteVersion, on_delete=models.PROTECT, related_name="runs")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="runs")
    deployment = models.ForeignKey(
        Deployment,
        on_delete=models.PROTECT,
        null=True,
        related_name="runs",
        help_text="What was called; nothing for a run that called nothing.",
    )
    source = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in RunSource],
        default=RunSource.CALLED.value,
    )
    regraded_from = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="regrades",
        help_text="The run that called the checkpoint, or was imported; never a re-grade itself.",
    )
    run_set = models.ForeignKey(RunSet, on_delete=models.PROTECT, null=True, related_name="runs")
    origin = models.JSONField(
        default=dict,
        blank=True,
        help_text="Of an imported run: format, tool, model, stated metrics, what was left out.",
    )
    origin_digest = models.CharField(
        max_length=64, blank=True, help_text="Of an imported run: SHA-256 of its log."
    )
    repeats = models.PositiveIntegerField(default=1)
    concurrency = models.PositiveIntegerField(default=4)
    seed = models.BigIntegerField()
    max_retries = models.PositiveSmallIntegerField(
        null=True, help_text="Calls again after one that failed; empty: five."
    )
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in RunState],
        default=RunState.QUEUED.value,
    )
    idempotency_key = models.CharField(max_length=200, blank=True)
    n_expected = models.PositiveIntegerField()
    started_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)
    most_cost_micros = models.BigIntegerField(null=True, help_text="Asks no more once it is spent.")
    most_tokens = models.BigIntegerField(null=True, help_text="Read and written, of all answers.")
    most_seconds = models.PositiveIntegerField(null=True, help_text="Pauses do not count.")
    paused_at = models.DateTimeField(null=True)
    paused_seconds = models.FloatField(default=0.0, help_text="Of the pauses that are over.")
    ended_because = models.TextField(
        blank=True, help_text="Why the rest was skipped; empty when every case was asked."
    )

    stop_early_against = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Ends once every node is settled against this completed run.",
    )
    stop_margin = models.FloatField(null=True, help_text="Of that: a share of 1.")
    asks_by_cluster = models.BooleanField(
        default=False, help_text="Asks each cluster whole, the clusters in a random order."
    )

    class Meta:
        db_table = "eval_run"
        ordering = ["-created_at"]
        indexes = [
            # Evidence of a gate: the newest run of a checkpoint on a version.
            models.Index(fields=["checkpoint", "version", "-created_at"], name="eval_run_evidence"),
            # The sweep: runs that are not over.
            models.Index(
                fields=["created_at"],
                name="eval_run_open",
                condition=Q(state__in=["queued", "running"]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="eval_run_once",
                violation_error_message="A run was started with this key already.",
            ),
            models.UniqueConstraint(
                fields=["version", "checkpoint", "origin_digest"],
                condition=~Q(origin_digest=""),
                name="eval_run_imported_once",
                violation_error_message="This log was imported for the checkpoint already.",
            ),
            models.CheckConstraint(
                condition=Q(deployment__isnull=False) | ~Q(source="called"),
                name="eval_run_called_deployment",
                violation_error_message="A run that calls needs a deployment.",
            ),
            models.CheckConstraint(
                condition=Q(regraded_from__isnull=False) | ~Q(source="regraded"),
                name="eval_run_regraded_from",
                violation_error_message="A re-graded run names the run whose outputs it grades.",
            ),
            models.CheckConstraint(
                condition=Q(stop_early_against__isnull=True, stop_margin__isnull=True)
                | Q(stop_early_against__isnull=False, stop_margin__gte=0, stop_margin__lte=1),
                name="eval_run_stop_margin",
                violation_error_message="A run that may stop early has a margin of 0 to 1.",
            ),
        ]
        triggers = [lifecycle("eval_run", RUN_TRANSITIONS), kept("eval_run")]

    def __str__(self) -> str:
        return f"{self.version} on {self.checkpoint}"


class Shard(models.Model):
    """A slice of a run: items `first` to `last`, held by one worker until its lease ends."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="shards")
    index = models.PositiveIntegerField()
    first = models.PositiveIntegerField(help_text="Position in the run's shuffled order.")
    last = models.PositiveIntegerField()
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in ShardState],
        default=ShardState.QUEUED.value,
    )
    holder = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    n_claims = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "eval_shard"
        ordering = ["run", "index"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "index"],
                name="eval_shard_once",
                violation_error_message="The run has that shard.",
            ),
        ]
        triggers = [lifecycle("eval_shard", SHARD_TRANSITIONS)]

    def __str__(self) -> str:
        return f"shard {self.index} of {self.run_id}"


class Result(models.Model):
    """What became of one (case, repeat) of a run; exactly one row each."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="results")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="results")
    repeat = models.PositiveIntegerField()
    state = models.CharField(max_length=20, choices=[(s.value, s.value) for s in ResultState])
    score = models.FloatField(null=True)
    components = models.JSONField(
        default=dict, help_text="{label: {score, explanation}}, as the graders gave them."
    )
    explanation = models.TextField(blank=True)
    output = models.BinaryField(help_text="zstd of {text, tool_calls, finish_reason} as JSON.")
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    n_calls = models.PositiveIntegerField(default=1)
    tokens_in = models.BigIntegerField(null=True)
    tokens_out = models.BigIntegerField(null=True)
    cost_micros = models.BigIntegerField(null=True)
    latency_ms = models.FloatField(null=True)
    n_grader_calls = models.PositiveIntegerField(
        default=0, help_text="Calls that the graders made to models of their own."
    )
    grader_tokens_in = models.BigIntegerField(null=True)
    grader_tokens_out = models.BigIntegerField(null=True)
    grader_cost_micros = models.BigIntegerField(null=True)
    recorded_at = models.DateTimeField()

    class Meta:
        db_table = "eval_result"
        ordering = ["run", "case", "repeat"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "case", "repeat"],
                name="eval_result_once",
                violation_error_message="This case and repeat has its result.",
            ),
        ]
        triggers = immutable("eval_result")

    def __str__(self) -> str:
        return f"{self.case_id} #{self.repeat}: {self.state}"


class Metric(models.Model):
    """A finished run's mean on one node of the component tree."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="metrics")
    node = models.CharField(max_length=200, blank=True, help_text="Empty: the whole suite.")
    n_cases = models.PositiveIntegerField()
    n_clusters = models.PositiveIntegerField()
    n_missing = models.PositiveIntegerField()
    mean = models.FloatField(null=True)
    lo = models.FloatField(null=True)
    hi = models.FloatField(null=True)

    class Meta:
        db_table = "eval_metric"
        ordering = ["run", "node"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "node"],
                name="eval_metric_once",
                violation_error_message="The run has a metric for that node.",
            ),
        ]
        triggers = immutable("eval_metric")

    def __str__(self) -> str:
        return f"{self.node or 'suite'} {self.mean}"


class RunScores(models.Model):
    """A finished run's scores by case and node, as arrays: what comparisons and health read."""

    run = models.OneToOneField(
        Run, on_delete=models.PROTECT, primary_key=True, related_name="scores"
    )
    packed = models.BinaryField(help_text="evals.score_tables: zstd of NumPy arrays.")
    n_states = models.JSONField(help_text="{state: results}, of all (case, repeat) of the run.")

    class Meta:
        db_table = "eval_run_scores"
        triggers = immutable("eval_run_scores")

    def __str__(self) -> str:
        return f"scores of {self.run_id}"


class EarlyStop(models.Model):
    """Why a run may end before its last case: what every node had shown after so many units."""

    run = models.OneToOneField(
        Run, on_delete=models.PROTECT, primary_key=True, related_name="early_stop"
    )
    n_units = models.PositiveIntegerField(help_text="Units of the run's order that decided it.")
    n_units_in_all = models.PositiveIntegerField()
    n_cases = models.PositiveIntegerField(help_text="Cases of the deciding units.")
    nodes = models.JSONField(
        help_text="[{node, n, n_units, delta, lo, hi, verdict}]; null where there is too little."
    )
    sentence = models.TextField()
    decided_at = models.DateTimeField()

    class Meta:
        db_table = "eval_early_stop"
        triggers = immutable("eval_early_stop")

    def __str__(self) -> str:
        return f"{self.run_id} after {self.n_cases} cases"


class Comparison(models.Model):
    """Two runs of one suite version, paired case by case; kept under the digest of its inputs."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    candidate = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="+")
    baseline = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="+")
    margin = models.FloatField()
    confidence = models.FloatField()
    input_digest = models.CharField(max_length=64, unique=True)
    nodes = models.JSONField()
    n_unmatched = models.PositiveIntegerField()
    n_errored = models.PositiveIntegerField()
    compared_at = models.DateTimeField()

    class Meta:
        db_table = "comparison"
        ordering = ["-compared_at"]
        triggers = immutable("comparison")

    def __str__(self) -> str:
        return f"{self.candidate} against {self.baseline}"
