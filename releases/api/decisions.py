"""Decision records, and the statistics' inputs behind the numbers of gates, to take away."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.api.bodies import checked
from infra.api.downloads import as_file
from releases.selectors import decisions
from releases.selectors.promotions import decision_record_with_id

NAME = OpenApiParameter(
    "name", {"type": "string", "maxLength": 200}, description="Empty: the whole."
)


class DecisionQuery(serializers.Serializer):
    """What the file carries besides the document."""

    cases = serializers.BooleanField(
        default=False, help_text="Also what every interval was computed from."
    )


class NameQuery(serializers.Serializer):
    """Which of several inputs."""

    name = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class MethodInputOut(serializers.Serializer):
    """One call of `python -m releases.statistics METHOD`, and the recorded numbers it gives."""

    name = serializers.CharField(allow_blank=True, help_text="Empty: the whole.")
    method = serializers.CharField()
    input = serializers.DictField()
    at = serializers.ListField(child=serializers.CharField(allow_blank=True))
    fields = serializers.DictField(
        child=serializers.CharField(), help_text="Field of the answer, field of the evidence."
    )


class Decision(APIView):
    """The record of a decision, as `python -m releases.replay` takes it."""

    @extend_schema(parameters=[DecisionQuery], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, decision_id: UUID) -> Response:
        """By its own id, or that of its promotion."""
        asked = checked(DecisionQuery, request.query_params)
        record = decision_record_with_id(decision_id)
        document = decisions.exported(record, cases=asked["cases"])
        return as_file(document, f"decision-{record.pk}.json")


class GateInputs(APIView):
    """Everything that a gate's numbers were computed from."""

    @extend_schema(responses=MethodInputOut(many=True))
    def get(self, request: Request, outcome_id: UUID) -> Response:
        row = decisions.gate_outcome_with_id(outcome_id)
        return Response([call.as_dict() for call in decisions.inputs_of_outcome(row)])


class GateInput(APIView):
    """One of them, bare: `python -m releases.statistics METHOD < FILE`."""

    @extend_schema(parameters=[NAME], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, outcome_id: UUID) -> Response:
        """The file's name begins with the METHOD."""
        asked = checked(NameQuery, request.query_params)
        row = decisions.gate_outcome_with_id(outcome_id)
        call = decisions.input_named(decisions.inputs_of_outcome(row), asked["name"])
        return as_file(dict(call.given), f"{call.method}.json")


urlpatterns = [
    path("decisions/<uuid:decision_id>/", Decision.as_view(), name="decision"),
    path("gate-outcomes/<uuid:outcome_id>/inputs/", GateInputs.as_view(), name="gate-inputs"),
    path("gate-outcomes/<uuid:outcome_id>/input/", GateInput.as_view(), name="gate-input"),
]
