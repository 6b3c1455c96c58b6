"""A finding's remarks made cases over the management API: planned, then made."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors as alpha_reads
from evals.api.parameters import SUITE_NAME
from evals.models import Case
from evals.selectors import suites
from evals.services import regression
from evals.services.regression import Choice, PlannedCase, Wish
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.api.fields import JSONValue
from infra.api.schema import ReasonOut


class ChoiceIn(serializers.Serializer):
    """A remark; without `messages` and `target`, what the call asked and what corrects it."""

    feedback = serializers.UUIDField()
    messages = serializers.ListField(
        child=JSONValue(), required=False, min_length=1, max_length=1000
    )
    target = JSONValue(required=False, allow_null=True)
    case_id = serializers.CharField(max_length=200, default="", allow_blank=True)


class CasesPlanIn(serializers.Serializer):
    """Remarks of the finding, and the suite whose draft they go into."""

    suite = serializers.RegexField(f"^{SUITE_NAME}$")
    remarks = ChoiceIn(many=True, min_length=1, max_length=200)
    target = JSONValue(required=False, allow_null=True)
    components = serializers.ListField(
        child=serializers.CharField(max_length=200), default=list, max_length=100
    )
    graders = serializers.ListField(child=JSONValue(), default=list, max_length=100)
    probe = serializers.UUIDField(required=False, allow_null=True)
    keep_personal = serializers.BooleanField(
        default=False, help_text="What looks like personal data in what a person wrote is none."
    )


class CasesIn(CasesPlanIn):
    """As planned: `digest` is the plan's."""

    digest = serializers.RegexField("^[0-9a-f]{64}$")
    reason = serializers.CharField(max_length=2000)


class ReplacementOut(serializers.Serializer):
    """What was taken out of the text, and what stands there."""

    kind = serializers.CharField()
    text = serializers.CharField()
    put = serializers.CharField()
    where = serializers.CharField()


class PlannedCaseOut(serializers.Serializer):
    """A case as it would be written, or why it can't be."""

    feedback = serializers.UUIDField()
    case = serializers.JSONField(allow_null=True)
    replaced = ReplacementOut(many=True)
    refusals = ReasonOut(many=True)


class CasesPlanOut(serializers.Serializer):
    digest = serializers.CharField()
    notes = serializers.ListField(child=serializers.CharField())
    cases = PlannedCaseOut(many=True)


class RegressionCaseOut(serializers.ModelSerializer):
    """A case with where it came from."""

    suite = serializers.CharField(source="version.suite.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    feedback = serializers.UUIDField(source="feedback_id", read_only=True)
    finding = serializers.UUIDField(source="finding_id", read_only=True)
    probe = serializers.UUIDField(source="probe_id", allow_null=True, read_only=True)

    class Meta:
        model = Case
        fields = (
            "id", "suite", "version", "case_id", "input", "target", "components", "metadata",
            "feedback", "finding", "probe", "digest",
        )  # fmt: skip
        read_only_fields = fields


class PlanCases(APIView):
    """What the remarks would become, with everything that would be taken out; writes nothing."""

    @extend_schema(request=CasesPlanIn, responses=CasesPlanOut)
    def post(self, request: Request, finding_id: UUID) -> Response:
        data = checked(CasesPlanIn, request.data)
        found = regression.plan(actor=actor_of(request), wish=_wish(finding_id, data))
        planned = [_planned(one) for one in found.cases]
        body = {"digest": found.digest, "notes": list(found.notes), "cases": planned}
        return Response(CasesPlanOut(body).data)


class MakeCases(APIView):
    """Makes the planned cases in the suite's draft, all or none."""

    @extend_schema(request=CasesIn, responses={201: RegressionCaseOut(many=True)})
    def post(self, request: Request, finding_id: UUID) -> Response:
        data = checked(CasesIn, request.data)
        rows = regression.make(
            actor=actor_of(request),
            wish=_wish(finding_id, data),
            digest=data["digest"],
            reason=data["reason"],
        )
        return Response(RegressionCaseOut(rows, many=True).data, status=201)


def _wish(finding_id: UUID, data: dict[str, Any]) -> Wish:
    return Wish(
        finding=alpha_reads.finding_of(finding_id),
        suite=suites.suite_named(data["suite"]),
        choices=[
            Choice(
                feedback_id=one["feedback"],
                messages=one.get("messages"),
                target=one.get("target"),
                case_id=one["case_id"],
            )
            for one in data["remarks"]
        ],
        target=data.get("target"),
        components=data["components"],
        graders=data["graders"],
        probe_id=data.get("probe"),
        keep_personal=data["keep_personal"],
    )


def _planned(one: PlannedCase) -> dict[str, Any]:
    return {
        "feedback": one.feedback.pk,
        "case": one.spec.as_json() if one.spec else None,
        "replaced": [
            {"kind": r.kind.value, "text": r.text, "put": r.put, "where": r.where}
            for r in one.replaced
        ],
        "refusals": [reason.as_dict() for reason in one.refusals],
    }
