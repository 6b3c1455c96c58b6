"""Findings: weaknesses that feedback points to, and what became of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors
from alpha.models import Feedback, Finding
from alpha.services import findings, reconfirmations
from alpha.services.findings import Weakness
from alpha.states import FindingState
from infra import people
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from releases.gates.severity import Severity
from releases.selectors.checkpoints import checkpoint_named

_SEVERITIES = [severity.value for severity in Severity]
_STATES = [state.value for state in FindingState]


class FindingOut(serializers.ModelSerializer):
    checkpoint = serializers.SlugRelatedField(slug_field="name", read_only=True)
    reporter = serializers.SlugRelatedField(slug_field="name", read_only=True, allow_null=True)
    owner = serializers.StringRelatedField(read_only=True, allow_null=True)
    opened_by = serializers.StringRelatedField(read_only=True)
    confirmed_by = serializers.StringRelatedField(read_only=True, allow_null=True)
    closed_by = serializers.StringRelatedField(read_only=True, allow_null=True)
    reconfirmed_by = serializers.StringRelatedField(read_only=True, allow_null=True)
    reconfirmed_with = serializers.StringRelatedField(read_only=True, allow_null=True)
    fixed_in = serializers.SlugRelatedField(slug_field="name", read_only=True, allow_null=True)
    feedback = serializers.PrimaryKeyRelatedField(many=True, read_only=True)

    class Meta:
        model = Finding
        fields = (
            "id", "title", "text", "severity", "state", "checkpoint", "owner", "reporter", "labels",
            "opened_by", "opened_at", "confirmed_by", "confirmed_at", "component", "probe_id",
            "tried", "detectable_rate", "fixed_in", "closed_by", "closed_at", "close_reason",
            "reconfirmed_by", "reconfirmed_with", "reconfirmed_at", "feedback",
        )  # fmt: skip
        read_only_fields = fields


class FindingIn(serializers.Serializer):
    """A weakness. The checkpoint and the reporter are the first remark's where none are named."""

    title = serializers.CharField(max_length=findings.TITLE_LENGTH)
    severity = serializers.ChoiceField(choices=_SEVERITIES)
    text = serializers.CharField(max_length=20_000, required=False, allow_blank=True, default="")
    checkpoint = serializers.CharField(max_length=120, required=False)
    reporter = serializers.SlugField(max_length=80, required=False)
    owner = serializers.EmailField(max_length=254, required=False)
    feedback = serializers.ListField(
        child=serializers.UUIDField(), max_length=500, required=False, default=list
    )


class LinkIn(serializers.Serializer):
    """A remark that speaks of the finding."""

    feedback = serializers.UUIDField()


class ConfirmIn(ReasonIn):
    """Why it is a weakness, and how bad it is where that was graded wrongly."""

    severity = serializers.ChoiceField(choices=_SEVERITIES, required=False)


class Filters(serializers.Serializer):
    state = serializers.ChoiceField(choices=_STATES, required=False)
    severity = serializers.ChoiceField(choices=_SEVERITIES, required=False)
    checkpoint = serializers.CharField(max_length=120, required=False)


class Findings(ListAPIView):
    """Findings, newest first; POST opens one."""

    serializer_class = FindingOut

    def get_queryset(self) -> QuerySet[Finding]:
        filters = Filters(data=self.request.query_params)
        filters.is_valid(raise_exception=True)
        found = selectors.findings(**filters.validated_data)
        related = found.select_related(
            "confirmed_by", "closed_by", "reconfirmed_by", "reconfirmed_with", "fixed_in"
        )
        return related.prefetch_related("feedback")

    @extend_schema(
        parameters=[
            OpenApiParameter("state", enum=_STATES),
            OpenApiParameter("severity", enum=_SEVERITIES),
            OpenApiParameter("checkpoint", {"type": "string", "maxLength": 120}),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=FindingIn, responses={201: FindingOut})
    def post(self, request: Request) -> Response:
        data = checked(FindingIn, request.data)
        remarks = [_remark(identifier) for identifier in data["feedback"]]
        weakness = Weakness(
            title=data["title"],
            severity=Severity(data["severity"]),
            text=data["text"],
            owner=people.person_named(data["owner"]) if "owner" in data else None,
            reporter=selectors.partner_named(data["reporter"]) if "reporter" in data else None,
        )
        opened = findings.open_finding(
            actor=actor_of(request),
            checkpoint=checkpoint_named(data["checkpoint"]) if "checkpoint" in data else None,
            weakness=weakness,
            feedback=remarks,
        )
        return Response(FindingOut(opened).data, status=201)


class FindingDetail(APIView):
    @extend_schema(responses=FindingOut)
    def get(self, request: Request, finding_id: UUID) -> Response:
        return Response(FindingOut(selectors.finding_of(finding_id)).data)


class LinkFeedback(APIView):
    """Records that a remark speaks of the finding."""

    @extend_schema(request=LinkIn, responses=FindingOut)
    def post(self, request: Request, finding_id: UUID) -> Response:
        data = checked(LinkIn, request.data)
        finding = selectors.finding_of(finding_id)
        findings.link_feedback(
            actor=actor_of(request), finding=finding, feedback=_remark(data["feedback"])
        )
        return Response(FindingOut(finding).data)


class ConfirmFinding(APIView):
    """A person has looked: it is a weakness. Of a closed one: it is not gone."""

    @extend_schema(request=ConfirmIn, responses=FindingOut)
    def post(self, request: Request, finding_id: UUID) -> Response:
        data = checked(ConfirmIn, request.data)
        moved = findings.confirm_finding(
            actor=actor_of(request),
            finding=selectors.finding_of(finding_id),
            reason=data["reason"],
            severity=Severity(data["severity"]) if "severity" in data else None,
        )
        return Response(FindingOut(moved).data)


class ReconfirmFinding(APIView):
    """Its reporter confirmed that it is gone; the reason says how that was learnt."""

    @extend_schema(request=ReasonIn, responses=FindingOut)
    def post(self, request: Request, finding_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        finding = selectors.finding_of(finding_id)
        moved = reconfirmations.reconfirm_finding(actor=actor_of(request), finding=finding, **data)
        return Response(FindingOut(moved).data)


def _remark(identifier: UUID) -> Feedback:
    return get_object_or_404(
        Feedback.objects.select_related("partner", "checkpoint"), pk=identifier
    )
