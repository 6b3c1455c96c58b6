"""Training exports over the management API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors as alpha_reads
from evals.models import TrainingExport
from evals.selectors import training as reads
from evals.services import training, training_files, training_readiness
from evals.services.corrections import Asked
from evals.services.training import DEFAULT_VALIDATION, MOST_VALIDATION, Wanted
from evals.training.contract import Split, TrainingKind
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.api.fields import JSONValue
from infra.api.streams import streamed
from releases.selectors.checkpoints import checkpoint_named

_KINDS = [kind.value for kind in TrainingKind]


class TrainingFileOut(serializers.Serializer):
    """A file of an export, by its digest."""

    name = serializers.CharField()
    n_rows = serializers.IntegerField(allow_null=True)
    n_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()


class TrainingExportOut(serializers.ModelSerializer):
    """Who exported what; the text is in the files alone."""

    made_by = serializers.StringRelatedField(read_only=True)
    left_out = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    files = TrainingFileOut(many=True, read_only=True)

    class Meta:
        model = TrainingExport
        fields = (
            "id", "kind", "filter", "grader", "n_train", "n_validation", "left_out", "files",
            "digest", "made_by", "made_at",
        )  # fmt: skip
        read_only_fields = fields


class TrainingExportIn(serializers.Serializer):
    """Which corrections become rows, and how they are split."""

    kind = serializers.ChoiceField(_KINDS)
    partner = serializers.CharField(max_length=80, required=False)
    checkpoint = serializers.CharField(max_length=120, required=False)
    finding = serializers.UUIDField(required=False)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    with_cases = serializers.BooleanField(
        default=False, help_text="Corrections that an eval suite holds as cases too."
    )
    with_votes = serializers.BooleanField(
        default=False, help_text="Of dpo: blind side by sides that somebody decided."
    )
    validation_share = serializers.FloatField(
        default=DEFAULT_VALIDATION, min_value=0, max_value=MOST_VALIDATION
    )
    seed = serializers.IntegerField(default=0, min_value=0, max_value=2**31 - 1)
    grader = JSONValue(required=False, allow_null=True, help_text="Of rft: the grader's JSON.")


class TrainingExports(ListAPIView):
    """Exports, newest first; POST makes one."""

    serializer_class = TrainingExportOut

    def get_queryset(self) -> QuerySet[TrainingExport]:
        return reads.exports()

    @extend_schema(request=TrainingExportIn, responses={201: TrainingExportOut})
    def post(self, request: Request) -> Response:
        data = checked(TrainingExportIn, request.data)
        made = training.make_export(actor=actor_of(request), wanted=wanted_of(data))
        return Response(TrainingExportOut(made).data, status=201)


class ReadinessNoteOut(serializers.Serializer):
    """One thing that stands against a reinforcement export."""

    concern = serializers.CharField(source="concern.value")
    sentence = serializers.CharField()


class TrainingReadinessOut(serializers.Serializer):
    """What the export would hold, and what stands against it."""

    n_train = serializers.IntegerField()
    n_validation = serializers.IntegerField()
    n_tried = serializers.IntegerField(help_text="Items that the grader was given.")
    left_out = serializers.DictField(child=serializers.IntegerField())
    notes = ReadinessNoteOut(many=True)


class TrainingReadiness(APIView):
    """Checks a reinforcement export before it is made; writes nothing."""

    @extend_schema(request=TrainingExportIn, responses=TrainingReadinessOut)
    def post(self, request: Request) -> Response:
        wanted = wanted_of(checked(TrainingExportIn, request.data))
        found = training_readiness.readiness(actor=actor_of(request), wanted=wanted)
        body = {
            "n_train": found.n_rows[Split.TRAIN],
            "n_validation": found.n_rows[Split.VALIDATION],
            "n_tried": found.n_tried,
            "left_out": found.left_out,
            "notes": found.notes,
        }
        return Response(TrainingReadinessOut(body).data)


class TrainingExportDetail(APIView):
    @extend_schema(responses=TrainingExportOut)
    def get(self, request: Request, export_id: UUID) -> Response:
        return Response(TrainingExportOut(reads.export_with_id(export_id)).data)


class TrainingExportFile(APIView):
    """A file of the export, line by line as it is made anew; another state of the text is 409."""

    @extend_schema(
        responses={
            (200, "application/jsonl"): OpenApiTypes.BINARY,
            (200, "application/json"): OpenApiTypes.BINARY,
        }
    )
    def get(self, request: Request, export_id: UUID, name: str) -> StreamingHttpResponse:
        export = reads.export_with_id(export_id)
        parts = training_files.file_of(actor=actor_of(request), export=export, name=name)
        return streamed(
            request._request, parts, name=name, content_type=training_files.content_type(name)
        )


def wanted_of(data: dict[str, Any]) -> Wanted:
    """What is asked for; NotFound for a partner, checkpoint or finding that does not exist."""
    if data.get("partner"):
        alpha_reads.partner_named(data["partner"])
    if data.get("checkpoint"):
        checkpoint_named(data["checkpoint"])
    if data.get("finding"):
        alpha_reads.finding_of(data["finding"])
    asked = ("partner", "checkpoint", "finding", "since", "until", "with_cases", "with_votes")
    return Wanted(
        kind=TrainingKind(data["kind"]),
        asked=Asked(**{name: data[name] for name in asked if data.get(name)}),
        validation_share=data["validation_share"],
        seed=data["seed"],
        grader=data.get("grader"),
    )
