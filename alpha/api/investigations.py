"""How an investigation of a finding goes on and ends, and how often the finding is reported."""

from __future__ import annotations

from uuid import UUID

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors
from alpha.api.findings import FindingOut
from alpha.finding_rates import affected_checkpoints, finding_rates
from alpha.services import findings, investigations
from infra import people
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from releases.gates.severity import Severity
from releases.selectors.checkpoints import checkpoint_named


class TriageFindingIn(serializers.Serializer):
    """Who sees to it (null: nobody), how bad it is, which components it concerns.

    What is absent stays.
    """

    owner = serializers.EmailField(max_length=254, required=False, allow_null=True)
    severity = serializers.ChoiceField(choices=[s.value for s in Severity], required=False)
    labels = serializers.ListField(
        child=serializers.CharField(max_length=findings.LABEL_LENGTH),
        max_length=findings.MAX_LABELS,
        required=False,
    )


class IsolateIn(ReasonIn):
    """What a probe isolated, and which one."""

    component = serializers.CharField(max_length=investigations.COMPONENT_LENGTH)
    probe_id = serializers.UUIDField()


class FixedIn(ReasonIn):
    """The checkpoint that no longer has it."""

    checkpoint = serializers.CharField(max_length=120)


class NotReproducedIn(ReasonIn):
    """What was tried in vain, and the least rate (0 to 1) that would have been seen."""

    tried = serializers.CharField(max_length=investigations.TRIED_LENGTH)
    detectable_rate = serializers.FloatField()


class FindingRateOut(serializers.Serializer):
    """One release; the rate and its ends are per 1,000 answered requests, 95 %."""

    release_id = serializers.UUIDField(source="release.pk")
    checkpoint = serializers.CharField(source="release.checkpoint.name")
    stage = serializers.CharField(source="release.stage")
    n_reports = serializers.IntegerField()
    n_remarks = serializers.IntegerField()
    n_requests = serializers.IntegerField()
    rate = serializers.FloatField(source="interval.rate", allow_null=True)
    lo = serializers.FloatField(source="interval.lo", allow_null=True)
    hi = serializers.FloatField(source="interval.hi", allow_null=True)
    sentence = serializers.CharField()


class FindingRatesOut(serializers.Serializer):
    affected_checkpoints = serializers.ListField(child=serializers.CharField())
    rates = FindingRateOut(many=True)


class TriageFinding(APIView):
    """Sets owner, severity or labels."""

    @extend_schema(request=TriageFindingIn, responses=FindingOut)
    def post(self, request: Request, finding_id: UUID) -> Response:
        data = checked(TriageFindingIn, request.data)
        moved = findings.triage_finding(
            actor=actor_of(request),
            finding=selectors.finding_of(finding_id),
            owner=people.person_named(data["owner"]) if data.get("owner") else None,
            unassign="owner" in data and data["owner"] is None,
            severity=Severity(data["severity"]) if "severity" in data else None,
            labels=data.get("labels"),
        )
        return Response(FindingOut(moved).data)


class IsolateFinding(APIView):
    """A probe has shown which component causes it."""

    @extend_schema(request=IsolateIn, responses=FindingOut)
    def post(self, request: Request, finding_id: UUID) -> Response:
        data = checked(IsolateIn, request.data)
        finding = selectors.finding_of(finding_id)
        moved = investigations.isolate_finding(actor=actor_of(request), finding=finding, **data)
        return Response(FindingOut(moved).data)


class StartFix(APIView):
    """Somebody is at work on what was isolated."""

    @extend_schema(request=ReasonIn, responses=FindingOut)
    def post(self, request: Request, finding_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        finding = selectors.finding_of(finding_id)
        moved = investigations.start_fix(actor=actor_of(request), finding=finding, **data)
        return Response(FindingOut(moved).data)


class FixedFinding(APIView):
    """Another checkpoint no longer has it; its reporters are asked once they can call that."""

    @extend_schema(request=FixedIn, responses=FindingOut)
    def post(self, request: Request, finding_id: UUID) -> Response:
        data = checked(FixedIn, request.data)
        moved = investigations.close_as_fixed(
            actor=actor_of(request),
            finding=selectors.finding_of(finding_id),
            checkpoint=checkpoint_named(data["checkpoint"]),
            reason=data["reason"],
        )
        return Response(FindingOut(moved).data)


class NotReproducedFinding(APIView):
    """It was looked for and not seen."""

    @extend_schema(request=NotReproducedIn, responses=FindingOut)
    def post(self, request: Request, finding_id: UUID) -> Response:
        data = checked(NotReproducedIn, request.data)
        finding = selectors.finding_of(finding_id)
        moved = investigations.close_as_not_reproduced(
            actor=actor_of(request), finding=finding, **data
        )
        return Response(FindingOut(moved).data)


class ByDesignFinding(APIView):
    """It is meant to be so."""

    @extend_schema(request=ReasonIn, responses=FindingOut)
    def post(self, request: Request, finding_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        finding = selectors.finding_of(finding_id)
        moved = investigations.close_by_design(actor=actor_of(request), finding=finding, **data)
        return Response(FindingOut(moved).data)


class FindingRates(APIView):
    """How often it is reported, per release, and which checkpoints have it."""

    @extend_schema(responses=FindingRatesOut)
    def get(self, request: Request, finding_id: UUID) -> Response:
        finding = selectors.finding_of(finding_id)
        affected = [checkpoint.name for checkpoint in affected_checkpoints(finding)]
        rates = FindingRateOut(finding_rates(finding), many=True).data
        return Response({"affected_checkpoints": affected, "rates": rates})


_BELOW = "findings/<uuid:finding_id>/"
urlpatterns: list[URLPattern] = [
    path(f"{_BELOW}triage/", TriageFinding.as_view(), name="finding-triage"),
    path(f"{_BELOW}isolate/", IsolateFinding.as_view(), name="finding-isolate"),
    path(f"{_BELOW}fix/", StartFix.as_view(), name="finding-fix"),
    path(f"{_BELOW}fixed/", FixedFinding.as_view(), name="finding-fixed"),
    path(f"{_BELOW}not-reproduced/", NotReproducedFinding.as_view(), name="finding-not-reproduced"),
    path(f"{_BELOW}by-design/", ByDesignFinding.as_view(), name="finding-by-design"),
    path(f"{_BELOW}rates/", FindingRates.as_view(), name="finding-rates"),
]
