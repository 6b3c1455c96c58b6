"""Suites over the management API."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals import formats
from evals.api.parameters import NAME
from evals.api.stale import MadeStaleOut
from evals.formats.contract import SuiteSpec
from evals.formats.slipway import CASES_FILE, SUITE_FILE
from evals.models import Suite, SuiteVersion
from evals.selectors import health, suites
from evals.services import drafts
from evals.services import suites as services
from infra import clock
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from infra.api.fields import JSONValue
from infra.errors import InvalidMove

MOST_CASES = 20_000


class SuiteOut(serializers.ModelSerializer):
    """A suite with its newest published version."""

    owner = serializers.SlugRelatedField(slug_field="name", read_only=True)
    state = serializers.SerializerMethodField()
    version = serializers.IntegerField(source="version_number", allow_null=True, read_only=True)
    n_cases = serializers.IntegerField(source="version_n_cases", allow_null=True, read_only=True)

    class Meta:
        model = Suite
        fields = (
            "id",
            "name",
            "description",
            "owner",
            "shelf_days",
            "review_by",
            "state",
            "version",
            "n_cases",
            "created_at",
        )
        read_only_fields = fields

    def get_state(self, suite: Suite) -> str:
        if "health" not in self.context:
            self.context["health"] = health.newest_by_suite()
        return health.state_among(self.context["health"], suite, clock.now().date())[0].value


class VersionOut(serializers.ModelSerializer):
    """A version, draft or published; only a draft's content may still change."""

    components = serializers.DictField(child=serializers.CharField(allow_blank=True))

    class Meta:
        model = SuiteVersion
        fields = (
            "number",
            "state",
            "digest",
            "n_cases",
            "components",
            "graders",
            "policy",
            "request",
            "published_at",
        )
        read_only_fields = fields


class SuiteIn(serializers.Serializer):
    """A suite document: the fields of `suite.yaml`, and the objects of `cases.jsonl`."""

    suite = JSONValue(help_text="kind, name, components, graders, …: the fields of suite.yaml.")
    cases = serializers.ListField(child=JSONValue(), min_length=1, max_length=MOST_CASES)
    publish = serializers.BooleanField(default=True)


class PublishedOut(VersionOut):
    """The published version, and what went stale by it."""

    made_stale = serializers.SerializerMethodField()

    class Meta(VersionOut.Meta):
        fields = (*VersionOut.Meta.fields, "made_stale")
        read_only_fields = fields

    @extend_schema_field(MadeStaleOut(many=True))
    def get_made_stale(self, version: SuiteVersion) -> Any:
        return [stale.as_dict() for stale in self.context["stale"]]


class PublishPlanOut(serializers.Serializer):
    """What publishing the draft would do."""

    version = serializers.IntegerField()
    would_go_stale = MadeStaleOut(many=True)


class ImportedOut(serializers.Serializer):
    """What an import made; `is_new` false: the newest version held exactly this already."""

    suite = serializers.CharField()
    version = serializers.IntegerField()
    is_new = serializers.BooleanField()
    n_cases = serializers.IntegerField()
    components = serializers.ListField(child=serializers.CharField())
    not_expressible = serializers.ListField(child=serializers.CharField())
    made_stale = MadeStaleOut(many=True)


class RenewIn(ReasonIn):
    """A later review date, and what was checked."""

    review_by = serializers.DateField()


class SuiteFilters(serializers.Serializer):
    probes = serializers.BooleanField(default=False)


class Suites(ListAPIView):
    """Every suite, or with `probes` those that probes made; POST imports a document."""

    serializer_class = SuiteOut

    def get_queryset(self) -> QuerySet[Suite]:
        probes = checked(SuiteFilters, self.request.query_params)["probes"]
        return suites.suites(probes=probes)

    @extend_schema(
        parameters=[OpenApiParameter("probes", bool, description="Those that probes made.")]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=SuiteIn, responses={200: ImportedOut, 201: ImportedOut})
    def post(self, request: Request) -> Response:
        actor = actor_of(request)
        drafts.must_edit(actor)
        data = checked(SuiteIn, request.data)
        spec = spec_of_document(data["suite"], data["cases"])
        made = services.import_suite(
            actor=actor, name=spec.name, suite=spec, publish=data["publish"]
        )
        body = imported_body(spec.name, spec, made)
        return Response(body, status=201 if made.is_new else 200)


def imported_body(name: str, spec: SuiteSpec, made: services.Imported) -> dict[str, Any]:
    """What an import answers."""
    return {
        "suite": name,
        "version": made.version.number,
        "is_new": made.is_new,
        "n_cases": made.version.n_cases,
        "components": sorted(made.version.components),
        "not_expressible": list(spec.not_expressible),
        "made_stale": [stale.as_dict() for stale in made.stale],
    }


def spec_of_document(suite: Any, cases: list[Any]) -> SuiteSpec:
    """The document read as the files it would be, so that both are refused for the same reasons."""
    with tempfile.TemporaryDirectory(prefix="slipway-suite-") as name:
        folder = Path(name)
        # JSON is YAML, and its escapes keep every character.
        (folder / SUITE_FILE).write_text(json.dumps(suite, indent=1), encoding="utf-8")
        rows = "".join(json.dumps(case) + "\n" for case in cases)
        (folder / CASES_FILE).write_text(rows, encoding="utf-8")
        return formats.read("slipway", folder)


class SuiteDetail(APIView):
    """One suite."""

    @extend_schema(parameters=[NAME], responses=SuiteOut)
    def get(self, request: Request, name: str) -> Response:
        return Response(SuiteOut(_annotated(name)).data)


class Versions(APIView):
    """Every version of a suite, the newest first."""

    @extend_schema(parameters=[NAME], responses=VersionOut(many=True))
    def get(self, request: Request, name: str) -> Response:
        versions = suites.suite_named(name).versions.order_by("-number")
        return Response(VersionOut(versions, many=True).data)


class Publish(APIView):
    """Freezes the open draft; outcomes that rest on the older version become stale."""

    @extend_schema(parameters=[NAME], responses=PublishPlanOut)
    def get(self, request: Request, name: str) -> Response:
        """Which, before anything is written."""
        draft = _draft(name)
        stale = [found.as_dict() for found in suites.stale_by_draft(draft)]
        body = {"version": draft.number, "would_go_stale": stale}
        return Response(PublishPlanOut(body).data)

    @extend_schema(parameters=[NAME], request=None, responses=PublishedOut)
    def post(self, request: Request, name: str) -> Response:
        """The version, and which they were."""
        done = drafts.publish(actor=actor_of(request), draft=_draft(name))
        return Response(PublishedOut(done.version, context={"stale": done.stale}).data)


class Discard(APIView):
    """Drops the open draft with its edits."""

    @extend_schema(parameters=[NAME], request=ReasonIn, responses=SuiteOut)
    def post(self, request: Request, name: str) -> Response:
        data = checked(ReasonIn, request.data)
        suite = suites.suite_named(name)
        drafts.discard_draft(actor=actor_of(request), suite=suite, reason=data["reason"])
        return Response(SuiteOut(_annotated(name)).data)


class Renew(APIView):
    """Moves the date by which somebody looks again."""

    @extend_schema(parameters=[NAME], request=RenewIn, responses=SuiteOut)
    def post(self, request: Request, name: str) -> Response:
        data = checked(RenewIn, request.data)
        services.renew_suite(actor=actor_of(request), suite=suites.suite_named(name), **data)
        return Response(SuiteOut(_annotated(name)).data)


def _draft(name: str) -> SuiteVersion:
    draft = suites.draft(suites.suite_named(name))
    if draft is None:
        raise InvalidMove("no_draft", f"Suite {name} has no open draft to publish.")
    return draft


def _annotated(name: str) -> Suite:
    suites.suite_named(name)
    return suites.suites().get(name=name)
