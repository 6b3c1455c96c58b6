"""Grants: access of a partner or a cohort to a stage."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors
from alpha.api.shapes import LimitsIn, quotas_in
from alpha.models import Grant
from alpha.services import grants
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from releases.models import Stage


class GrantIn(LimitsIn):
    stage = serializers.UUIDField()
    partner = serializers.SlugField(max_length=80, required=False)
    cohort = serializers.SlugField(max_length=80, required=False)
    opens_at = serializers.DateTimeField(required=False)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)
    terms_version = serializers.CharField(max_length=40, required=False)
    terms_accepted_by = serializers.CharField(max_length=200, required=False)
    transcript_consent = serializers.BooleanField(required=False, default=False)
    transcript_days = serializers.IntegerField(
        min_value=1, max_value=3650, required=False, default=30
    )


class GrantOut(serializers.ModelSerializer):
    partner = serializers.SlugRelatedField(slug_field="name", read_only=True, allow_null=True)
    cohort = serializers.SlugRelatedField(slug_field="name", read_only=True, allow_null=True)
    stage = serializers.StringRelatedField(read_only=True)

    class Meta:
        model = Grant
        exclude = ("created_by", "limited_since")
        read_only_fields = [f.name for f in Grant._meta.fields]


class TermsIn(serializers.Serializer):
    version = serializers.CharField(max_length=40)
    accepted_by = serializers.CharField(max_length=200)


class GrantEndIn(serializers.Serializer):
    """Another end; null is none."""

    ends_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(max_length=4000)


def _arguments(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "stage": get_object_or_404(Stage, pk=data["stage"]),
        "partner": selectors.partner_named(data["partner"]) if "partner" in data else None,
        "cohort": selectors.cohort_named(data["cohort"]) if "cohort" in data else None,
        "opens_at": data.get("opens_at"),
        "ends_at": data.get("ends_at"),
        "quotas": quotas_in(data),
        "consent": grants.Consent(
            terms_version=data.get("terms_version", ""),
            accepted_by=data.get("terms_accepted_by", ""),
            transcripts=data["transcript_consent"],
            transcript_days=data["transcript_days"],
        ),
    }


class Grants(ListAPIView):
    """All grants; a new one by POST."""

    serializer_class = GrantOut
    queryset = Grant.objects.select_related("partner", "cohort", "stage__pipeline")

    @extend_schema(request=GrantIn, responses={201: GrantOut})
    def post(self, request: Request) -> Response:
        data = checked(GrantIn, request.data)
        grant = grants.make_grant(actor=actor_of(request), **_arguments(data))
        return Response(GrantOut(grant).data, status=201)


class RevokeGrant(APIView):
    """Ends the access; the gateway refuses the next request."""

    @extend_schema(request=ReasonIn, responses=GrantOut)
    def post(self, request: Request, grant_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        grant = get_object_or_404(Grant, pk=grant_id)
        grants.revoke_grant(actor=actor_of(request), grant=grant, **data)
        return Response(GrantOut(Grant.objects.get(pk=grant_id)).data)


class MoveGrantEnd(APIView):
    """Lets the access end at another moment ahead; in force within a second."""

    @extend_schema(request=GrantEndIn, responses=GrantOut)
    def post(self, request: Request, grant_id: UUID) -> Response:
        data = checked(GrantEndIn, request.data)
        grant = get_object_or_404(Grant, pk=grant_id)
        grants.move_end(actor=actor_of(request), grant=grant, **data)
        return Response(GrantOut(Grant.objects.get(pk=grant_id)).data)


class AcceptTerms(APIView):
    """Records that somebody at the partner accepted the terms."""

    @extend_schema(request=TermsIn, responses=GrantOut)
    def post(self, request: Request, grant_id: UUID) -> Response:
        data = checked(TermsIn, request.data)
        grant = get_object_or_404(Grant, pk=grant_id)
        grants.accept_terms(actor=actor_of(request), grant=grant, **data)
        return Response(GrantOut(Grant.objects.get(pk=grant_id)).data)
