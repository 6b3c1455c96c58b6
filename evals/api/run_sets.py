"""Sets of eval runs, and their reports, over the management API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.parameters import SUITE_NAME, suite_reference
from evals.api.runs import CapsIn, RunOut
from evals.caps import Caps
from evals.models import RunSet
from evals.selectors import run_set_reports, suites
from evals.services import run_sets
from evals.services import runs as run_services
from evals.services.comparisons import DEFAULT_MARGIN
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from releases.selectors.checkpoints import checkpoint_named


class RunSetIn(serializers.Serializer):
    """Every checkpoint on every suite, all or none; the same key gives the same set."""

    name = serializers.RegexField(f"^{SUITE_NAME}$")
    suites = serializers.ListField(child=suite_reference(), min_length=1, max_length=50)
    checkpoints = serializers.ListField(
        child=serializers.CharField(max_length=120), min_length=1, max_length=50
    )
    baseline = serializers.CharField(max_length=120, required=False)
    margin = serializers.FloatField(min_value=0, max_value=1, default=DEFAULT_MARGIN)
    repeats = serializers.IntegerField(min_value=1, max_value=run_services.MOST_REPEATS, default=1)
    concurrency = serializers.IntegerField(
        min_value=1, max_value=run_services.MOST_CONCURRENCY, default=4
    )
    seed = serializers.IntegerField(min_value=0, max_value=run_services.MOST_SEED, default=1)
    idempotency_key = serializers.CharField(max_length=200, default="", allow_blank=True)
    caps = CapsIn(required=False, help_text="Of each run.")


class RunSetOut(serializers.ModelSerializer):
    """A set of runs."""

    baseline = serializers.CharField(source="baseline.name", read_only=True, allow_null=True)
    n_runs = serializers.IntegerField(read_only=True)
    n_over = serializers.IntegerField(read_only=True)

    class Meta:
        model = RunSet
        fields = (
            "id",
            "name",
            "baseline",
            "margin",
            "idempotency_key",
            "started_by",
            "created_at",
            "n_runs",
            "n_over",
        )
        read_only_fields = fields


class RunSetDetailOut(RunSetOut):
    """A set with its runs."""

    runs = RunOut(many=True, read_only=True)

    class Meta(RunSetOut.Meta):
        fields = (*RunSetOut.Meta.fields, "runs")
        read_only_fields = fields


class ReportOut(serializers.Serializer):
    """What the set came to, as it was when its last run was over."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    baseline = serializers.CharField(allow_null=True)
    margin = serializers.FloatField()
    started_by = serializers.CharField()
    started_at = serializers.DateTimeField()
    reported_at = serializers.DateTimeField()
    counts = serializers.DictField(child=serializers.IntegerField())
    runs = serializers.ListField(child=serializers.DictField())
    results = serializers.ListField(child=serializers.DictField())
    previous = serializers.UUIDField(allow_null=True)
    changes = serializers.ListField(child=serializers.CharField())
    cost_micros = serializers.IntegerField(allow_null=True)
    errors = serializers.ListField(child=serializers.DictField())
    next_step = serializers.CharField()


class RunSets(ListAPIView):
    """Sets of runs, newest first; POST starts one."""

    serializer_class = RunSetOut

    def get_queryset(self) -> QuerySet[RunSet]:
        return run_set_reports.run_sets()

    @extend_schema(request=RunSetIn, responses={201: RunSetOut})
    def post(self, request: Request) -> Response:
        data: dict[str, Any] = checked(RunSetIn, request.data)
        baseline = data.pop("baseline", None)
        made = run_sets.start_run_set(
            actor=actor_of(request),
            versions=[suites.version_named(name) for name in data.pop("suites")],
            checkpoints=[checkpoint_named(name) for name in data.pop("checkpoints")],
            baseline=checkpoint_named(baseline) if baseline else None,
            caps=Caps(**data.pop("caps", {})),
            **data,
        )
        return Response(RunSetOut(run_set_reports.run_set_with_id(made.pk)).data, status=201)


class RunSetDetail(APIView):
    """One set with its runs."""

    @extend_schema(responses=RunSetDetailOut)
    def get(self, request: Request, set_id: UUID) -> Response:
        return Response(RunSetDetailOut(run_set_reports.run_set_with_id(set_id)).data)


class Report(APIView):
    """The set's report: better, worse or can't tell per component, and the next step."""

    @extend_schema(responses=ReportOut)
    def get(self, request: Request, set_id: UUID) -> Response:
        """409 while a run of the set is not over."""
        report = run_set_reports.report_of(run_set_reports.run_set_with_id(set_id))
        return Response(ReportOut(report.content).data)
