"""Suites in other tools' files, over the management API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals import formats
from evals.api.parameters import NAME
from evals.api.sent_files import FilesIn
from evals.api.stale import MadeStaleOut
from evals.api.suites import ImportedOut, imported_body
from evals.formats import sent_files
from evals.formats.contract import SuiteSpec
from evals.services import drafts, foreseen
from evals.services import suites as services
from infra.api.authentication import actor_of
from infra.api.bodies import checked


class SuiteImportIn(FilesIn):
    """A suite as its tool writes it."""

    format = serializers.ChoiceField(formats.names())
    publish = serializers.BooleanField(default=True)


class ForeseenSuiteOut(serializers.Serializer):
    """What the import would do; `not_expressible` names what Slipway can't hold of the files."""

    suite = serializers.CharField()
    version = serializers.IntegerField()
    is_new = serializers.BooleanField()
    n_cases = serializers.IntegerField()
    components = serializers.ListField(child=serializers.CharField())
    graders = serializers.DictField(child=serializers.IntegerField())
    not_expressible = serializers.ListField(child=serializers.CharField())
    would_go_stale = MadeStaleOut(many=True)


class ImportSuite(APIView):
    """Reads the files of one suite into a new version under that name."""

    @extend_schema(
        parameters=[NAME], request=SuiteImportIn, responses={200: ImportedOut, 201: ImportedOut}
    )
    def post(self, request: Request, name: str) -> Response:
        data, spec = _read(request)
        made = services.import_suite(
            actor=actor_of(request), name=name, suite=spec, publish=data["publish"]
        )
        return Response(imported_body(name, spec, made), status=201 if made.is_new else 200)


class PlanSuiteImport(APIView):
    """What the same import would do; nothing is written."""

    @extend_schema(parameters=[NAME], request=SuiteImportIn, responses=ForeseenSuiteOut)
    def post(self, request: Request, name: str) -> Response:
        data, spec = _read(request)
        found = foreseen.foresee_suite(name=name, suite=spec, publish=data["publish"])
        told = found.as_dict()
        return Response(ForeseenSuiteOut({**told, "would_go_stale": told["stale"]}).data)


def _read(request: Request) -> tuple[dict[str, Any], SuiteSpec]:
    drafts.must_edit(actor_of(request))
    data = checked(SuiteImportIn, request.data)
    spec = sent_files.read_suite(data["format"], data["files"], data.get("main", ""))
    return data, spec
