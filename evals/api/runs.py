"""Eval runs over the management API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.parameters import SUITE_NAME, suite_reference
from evals.caps import MOST, MOST_SECONDS, Caps
from evals.models import EarlyStop, Metric, PaceChange, Run
from evals.selectors import runs, suites
from evals.selectors.progress import progress
from evals.services import runs as services
from evals.states import RunSource, RunState
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from releases.selectors.checkpoints import checkpoint_named


class CapsIn(serializers.Serializer):
    """What the run may spend at most; left out: no limit of that kind."""

    most_cost_micros = serializers.IntegerField(
        min_value=1, max_value=MOST, required=False, help_text="Micro-units of the price."
    )
    most_tokens = serializers.IntegerField(min_value=1, max_value=MOST, required=False)
    most_seconds = serializers.IntegerField(min_value=1, max_value=MOST_SECONDS, required=False)


class RunIn(serializers.Serializer):
    """A checkpoint on a suite; the same key gives the same run."""

    suite = suite_reference()
    checkpoint = serializers.CharField(max_length=120)
    repeats = serializers.IntegerField(min_value=1, max_value=services.MOST_REPEATS, default=1)
    concurrency = serializers.IntegerField(
        min_value=1, max_value=services.MOST_CONCURRENCY, default=4
    )
    seed = serializers.IntegerField(min_value=0, max_value=services.MOST_SEED, default=1)
    idempotency_key = serializers.CharField(max_length=200, default="", allow_blank=True)
    caps = CapsIn(required=False)
    max_retries = serializers.IntegerField(
        min_value=0, max_value=services.MOST_RETRIES, required=False, allow_null=True
    )
    stop_early_against = serializers.UUIDField(
        required=False, help_text="End once every component is settled against this completed run."
    )
    stop_margin = serializers.FloatField(
        min_value=0, max_value=1, required=False, help_text="Of that: a share of 1; left out: 0.02."
    )


class RunOut(serializers.ModelSerializer):
    """A run."""

    suite = serializers.CharField(source="version.suite.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    checkpoint = serializers.CharField(source="checkpoint.name", read_only=True)

    class Meta:
        model = Run
        fields = (
            "id",
            "suite",
            "version",
            "checkpoint",
            "source",
            "state",
            "repeats",
            "concurrency",
            "max_retries",
            "seed",
            "idempotency_key",
            "n_expected",
            "started_by",
            "created_at",
            "started_at",
            "finished_at",
            "problem",
            "most_cost_micros",
            "most_tokens",
            "most_seconds",
            "paused_at",
            "ended_because",
            "stop_early_against",
            "stop_margin",
            "regraded_from",
        )
        read_only_fields = fields


class ProgressOut(serializers.Serializer):
    """How far a run is."""

    total = serializers.IntegerField()
    done = serializers.IntegerField()
    passed = serializers.IntegerField()
    failed = serializers.IntegerField()
    errored = serializers.IntegerField()
    refused = serializers.IntegerField()
    skipped = serializers.IntegerField()
    per_second = serializers.FloatField()
    eta_s = serializers.FloatField(allow_null=True)
    cost_micros = serializers.IntegerField(allow_null=True)
    grader_cost_micros = serializers.IntegerField(allow_null=True)
    n_grader_calls = serializers.IntegerField()


class MetricOut(serializers.ModelSerializer):
    """A component's mean; an empty node is the whole suite."""

    class Meta:
        model = Metric
        fields = ("node", "n_cases", "n_clusters", "n_missing", "mean", "lo", "hi")
        read_only_fields = fields


class StatedOut(serializers.Serializer):
    """A number that the tool reported, beside what Slipway computed; null: there is none."""

    name = serializers.CharField()
    stated = serializers.FloatField(allow_null=True)
    node = serializers.CharField(allow_null=True, allow_blank=True)
    ours = serializers.FloatField(allow_null=True)
    agrees = serializers.BooleanField(allow_null=True)


class OriginOut(serializers.Serializer):
    """The log that a run was imported from."""

    format = serializers.CharField()
    tool = serializers.CharField(allow_blank=True)
    model = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField(allow_null=True)
    n_results = serializers.IntegerField()
    stated = StatedOut(many=True)
    not_expressible = serializers.ListField(child=serializers.CharField())


class StopNodeOut(serializers.Serializer):
    """A component when the run was settled; null: too small to judge."""

    node = serializers.CharField(allow_blank=True)
    n = serializers.IntegerField(allow_null=True)
    n_units = serializers.IntegerField(allow_null=True)
    delta = serializers.FloatField(allow_null=True)
    lo = serializers.FloatField(allow_null=True)
    hi = serializers.FloatField(allow_null=True)
    verdict = serializers.CharField()


class EarlyStopOut(serializers.ModelSerializer):
    """Why a run skips its rest: its running intervals, at 99% and valid at every look."""

    nodes = StopNodeOut(many=True, read_only=True)

    class Meta:
        model = EarlyStop
        fields = ("n_cases", "n_units", "n_units_in_all", "nodes", "sentence", "decided_at")
        read_only_fields = fields


class RunDetailOut(RunOut):
    """A run with its progress, and its means once it is completed."""

    progress = serializers.SerializerMethodField()
    early_stop = serializers.SerializerMethodField()
    origin = serializers.SerializerMethodField()
    metrics = MetricOut(many=True, read_only=True)

    class Meta(RunOut.Meta):
        fields = (*RunOut.Meta.fields, "progress", "early_stop", "origin", "metrics")
        read_only_fields = fields

    @extend_schema_field(ProgressOut)
    def get_progress(self, run: Run) -> Any:
        return ProgressOut(progress(run)).data

    @extend_schema_field(EarlyStopOut(allow_null=True))
    def get_early_stop(self, run: Run) -> Any:
        decided = getattr(run, "early_stop", None)
        return None if decided is None else EarlyStopOut(decided).data

    @extend_schema_field(OriginOut(allow_null=True))
    def get_origin(self, run: Run) -> Any:
        if run.source != RunSource.IMPORTED.value:
            return None
        return {**run.origin, "stated": StatedOut(runs.stated_beside(run), many=True).data}


class Filters(serializers.Serializer):
    suite = serializers.RegexField(f"^{SUITE_NAME}$", required=False)
    checkpoint = serializers.CharField(max_length=120, required=False)
    state = serializers.ChoiceField([state.value for state in RunState], required=False)
    probes = serializers.BooleanField(default=False)


class Runs(ListAPIView):
    """Runs, newest first, without those of probes or with those alone; POST starts one."""

    serializer_class = RunOut

    def get_queryset(self) -> QuerySet[Run]:
        return runs.listed_runs(**checked(Filters, self.request.query_params))

    @extend_schema(
        parameters=[
            OpenApiParameter("suite", {"type": "string", "pattern": f"^{SUITE_NAME}$"}),
            OpenApiParameter("checkpoint", {"type": "string", "maxLength": 120}),
            OpenApiParameter("state", enum=[state.value for state in RunState]),
            OpenApiParameter("probes", bool, description="Those of probes alone."),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=RunIn, responses={201: RunOut})
    def post(self, request: Request) -> Response:
        data = checked(RunIn, request.data)
        version = suites.version_named(data.pop("suite"))
        checkpoint = checkpoint_named(data.pop("checkpoint"))
        data["caps"] = Caps(**data.pop("caps", {}))
        if "stop_early_against" in data:
            data["stop_early_against"] = runs.run_with_id(data["stop_early_against"])
        run = services.start_run(
            actor=actor_of(request), version=version, checkpoint=checkpoint, **data
        )
        return Response(RunOut(run).data, status=201)


class RunDetail(APIView):
    """One run: its progress, and its means once it is completed."""

    @extend_schema(responses=RunDetailOut)
    def get(self, request: Request, run_id: UUID) -> Response:
        return Response(RunDetailOut(runs.run_with_id(run_id)).data)


class PaceChangeOut(serializers.ModelSerializer):
    """A change of how many calls the run's endpoint takes at once, all workers together."""

    class Meta:
        model = PaceChange
        fields = ("endpoint", "limit", "cause", "n_workers", "changed_at")


class RunPace(ListAPIView):
    """How the limit of the run's endpoint moved while the run went on, newest first."""

    serializer_class = PaceChangeOut
    queryset = PaceChange.objects.none()

    def get_queryset(self) -> QuerySet[PaceChange]:
        return runs.pace_changes(runs.run_with_id(self.kwargs["run_id"]))
