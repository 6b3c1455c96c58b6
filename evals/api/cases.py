"""Cases made from feedback over the management API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha.models import Feedback
from evals.api.parameters import SUITE_NAME
from evals.api.stale import MadeStaleOut
from evals.models import Case
from evals.selectors import suites
from evals.services import cases
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.api.fields import JSONValue


class CaseIn(serializers.Serializer):
    """The case that a piece of feedback becomes; without `messages`, what the call asked."""

    suite = serializers.RegexField(f"^{SUITE_NAME}$")
    target = JSONValue(allow_null=True)
    messages = serializers.ListField(
        child=JSONValue(), required=False, min_length=1, max_length=1000
    )
    components = serializers.ListField(
        child=serializers.CharField(max_length=200), default=list, max_length=100
    )
    graders = serializers.ListField(
        child=JSONValue(),
        default=list,
        max_length=100,
        help_text="Graders of this case alone, in addition to the suite's.",
    )
    case_id = serializers.CharField(max_length=200, default="", allow_blank=True)
    cluster = serializers.CharField(max_length=200, default="", allow_blank=True)
    publish = serializers.BooleanField(default=False)
    keep_personal = serializers.BooleanField(
        default=False, help_text="What looks like personal data here is none."
    )
    reason = serializers.CharField(max_length=4000, default="made into an eval case")


class CaseOut(serializers.ModelSerializer):
    """A case, and the version that it is in."""

    suite = serializers.CharField(source="version.suite.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    version_state = serializers.CharField(source="version.state", read_only=True)
    feedback = serializers.UUIDField(source="feedback_id", allow_null=True, read_only=True)
    made_stale = serializers.SerializerMethodField()

    class Meta:
        model = Case
        fields = (
            "id",
            "suite",
            "version",
            "version_state",
            "case_id",
            "input",
            "target",
            "components",
            "graders",
            "cluster",
            "source",
            "feedback",
            "digest",
            "made_stale",
        )
        read_only_fields = fields

    @extend_schema_field(MadeStaleOut(many=True))
    def get_made_stale(self, case: Case) -> Any:
        return [stale.as_dict() for stale in self.context["stale"]]


class CaseFromFeedback(APIView):
    """Turns feedback into a case in the suite's next version."""

    @extend_schema(request=CaseIn, responses={201: CaseOut})
    def post(self, request: Request, feedback_id: UUID) -> Response:
        data = checked(CaseIn, request.data)
        made = cases.case_from_feedback(
            actor=actor_of(request),
            feedback=get_object_or_404(Feedback, pk=feedback_id),
            suite=suites.suite_named(data.pop("suite")),
            **data,
        )
        body = CaseOut(made.case, context={"stale": made.stale}).data
        return Response(body, status=201)
