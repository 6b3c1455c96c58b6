"""Runs that another tool made, over the management API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals import formats
from evals.api.parameters import SUITE_NAME
from evals.api.runs import RunDetailOut
from evals.api.sent_files import FilesIn
from evals.formats import sent_files
from evals.formats.results import RunLog
from evals.services import foreseen, run_imports
from evals.services.runs import STARTERS
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.roles import Scope
from releases.selectors.checkpoints import checkpoint_named


class RunImportIn(FilesIn):
    """The files of one log."""

    format = serializers.ChoiceField(formats.run_names())
    checkpoint = serializers.CharField(max_length=120)
    suite = serializers.RegexField(f"^{SUITE_NAME}$", required=False)


class RunImportedOut(serializers.Serializer):
    """The completed run; `is_new` false: this log was imported for the checkpoint already."""

    is_new = serializers.BooleanField()
    run = RunDetailOut()


class ForeseenRunOut(serializers.Serializer):
    """What the import would do; `not_expressible` names what Slipway can't hold of the log."""

    suite = serializers.CharField()
    makes_suite = serializers.BooleanField()
    tool = serializers.CharField(allow_blank=True)
    model = serializers.CharField(allow_blank=True)
    n_cases = serializers.IntegerField()
    repeats = serializers.IntegerField()
    n_results = serializers.IntegerField()
    states = serializers.DictField(child=serializers.IntegerField())
    stated = serializers.ListField(child=serializers.CharField())
    not_expressible = serializers.ListField(child=serializers.CharField())


class ImportRun(APIView):
    """Stores another tool's log as a completed run; idempotent by the log's content."""

    @extend_schema(request=RunImportIn, responses={200: RunImportedOut, 201: RunImportedOut})
    def post(self, request: Request) -> Response:
        data, log = _read(request)
        made = run_imports.import_run(
            actor=actor_of(request),
            log=log,
            checkpoint=checkpoint_named(data["checkpoint"]),
            format_name=data["format"],
            suite=data.get("suite", ""),
        )
        body = {"is_new": made.is_new, "run": RunDetailOut(made.run).data}
        return Response(body, status=201 if made.is_new else 200)


class PlanRunImport(APIView):
    """What the same import would do; nothing is written."""

    @extend_schema(request=RunImportIn, responses=ForeseenRunOut)
    def post(self, request: Request) -> Response:
        data, log = _read(request)
        checkpoint_named(data["checkpoint"])
        found = foreseen.foresee_run(
            log=log, format_name=data["format"], suite=data.get("suite", "")
        )
        return Response(ForeseenRunOut(found).data)


def _read(request: Request) -> tuple[dict[str, Any], RunLog]:
    actor_of(request).must("import eval runs", *STARTERS, scope=Scope.RUN)
    data = checked(RunImportIn, request.data)
    return data, sent_files.read_run(data["format"], data["files"], data.get("main", ""))
