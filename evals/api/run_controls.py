"""What people do with eval runs over the management API: pause, resume, cancel, re-grade."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.runs import RunOut
from evals.models import Run, SuiteVersion
from evals.selectors import runs, suites
from evals.services import regrades, run_controls
from evals.services import runs as services
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked


class Cancel(APIView):
    """Ends a run; what was recorded stays."""

    @extend_schema(request=ReasonIn, responses=RunOut)
    def post(self, request: Request, run_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        run = services.cancel_run(actor=actor_of(request), run=runs.run_with_id(run_id), **data)
        return Response(RunOut(run).data)


class RegradeIn(ReasonIn):
    """Grades what a run stored on another version of its suite."""

    version = serializers.IntegerField(
        min_value=1, max_value=10**6, required=False, help_text="The newest when left out."
    )
    accept_calls = serializers.BooleanField(
        default=False, help_text="Agrees to the calls of models that graders ask."
    )


class RegradeCostOut(serializers.Serializer):
    """What a re-grade would take."""

    version = serializers.IntegerField()
    n_outputs = serializers.IntegerField()
    n_calls = serializers.IntegerField()
    cost_micros = serializers.IntegerField(allow_null=True)
    models = serializers.ListField(child=serializers.CharField())
    sentence = serializers.CharField()


class RegradeQuery(serializers.Serializer):
    version = serializers.IntegerField(min_value=1, max_value=10**6, required=False)


class Regrade(APIView):
    """Stored outputs graded again on a newer version, without a call of the checkpoint."""

    @extend_schema(parameters=[RegradeQuery], responses=RegradeCostOut)
    def get(self, request: Request, run_id: UUID) -> Response:
        """What it would take."""
        asked = checked(RegradeQuery, request.query_params)
        run = runs.run_with_id(run_id)
        version = _version_of(run, asked.get("version"))
        cost = regrades.regrade_cost(run=run, version=version)
        return Response(
            RegradeCostOut(
                {**asdict(cost), "version": version.number, "sentence": cost.sentence}
            ).data
        )

    @extend_schema(request=RegradeIn, responses={201: RunOut})
    def post(self, request: Request, run_id: UUID) -> Response:
        data = checked(RegradeIn, request.data)
        run = runs.run_with_id(run_id)
        version = _version_of(run, data.pop("version", None))
        made = regrades.regrade_run(actor=actor_of(request), run=run, version=version, **data)
        return Response(RunOut(made).data, status=201)


def _version_of(run: Run, number: int | None) -> SuiteVersion:
    name = run.version.suite.name
    return suites.version_named(name if number is None else f"{name}@{number}")


class Pause(APIView):
    """Begins no further call within two seconds; calls under way are recorded."""

    @extend_schema(request=ReasonIn, responses=RunOut)
    def post(self, request: Request, run_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        run = runs.run_with_id(run_id)
        return Response(
            RunOut(run_controls.pause_run(actor=actor_of(request), run=run, **data)).data
        )


class Resume(APIView):
    """Goes on where a run was paused; nothing that was recorded is asked again."""

    @extend_schema(request=ReasonIn, responses=RunOut)
    def post(self, request: Request, run_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        found = runs.run_with_id(run_id)
        run = run_controls.resume_run(actor=actor_of(request), run=found, **data)
        return Response(RunOut(run).data)
