"""The audit log over the management API."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra import audit
from infra.api.bodies import checked
from infra.models import AuditEntry
from releases.selectors.releases import audit_entries


class AuditQuery(serializers.Serializer):
    """Which entries to list."""

    actor = serializers.CharField(max_length=200, required=False, help_text="Id or name.")
    object = serializers.CharField(max_length=300, required=False, help_text="Id or name.")
    action = serializers.CharField(
        max_length=80, required=False, help_text="`promotion.promoted`, or `promotion` for all."
    )


class AuditEntryOut(serializers.ModelSerializer):
    """One transition: who, what, why, before and after, chained to the entry before."""

    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)

    class Meta:
        model = AuditEntry
        fields = (
            "seq",
            "at",
            "actor_kind",
            "actor_id",
            "actor_name",
            "on_behalf_of",
            "action",
            "object_type",
            "object_id",
            "object_name",
            "reason",
            "before",
            "after",
            "evidence_hash",
            "mac",
        )


class Audit(ListAPIView):
    """The audit log, newest first."""

    serializer_class = AuditEntryOut

    def get_queryset(self) -> Any:
        asked = checked(AuditQuery, self.request.query_params)
        return audit_entries(
            actor=asked.get("actor", ""),
            subject=asked.get("object", ""),
            action=asked.get("action", ""),
        )

    @extend_schema(parameters=[AuditQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class VerificationOut(serializers.Serializer):
    """What walking the chain found; `problem` is null for a whole one."""

    n_entries = serializers.IntegerField()
    head = serializers.CharField()
    problem = serializers.CharField(allow_null=True)
    seq = serializers.IntegerField(allow_null=True, help_text="The first entry that is wrong.")


class AuditVerification(APIView):
    """Walks the whole chain and holds its head against the anchor."""

    @extend_schema(responses=VerificationOut)
    def get(self, request: Request) -> Response:
        return Response(VerificationOut(audit.verify()).data)


urlpatterns = [
    path("audit/", Audit.as_view(), name="audit"),
    path("audit/verify/", AuditVerification.as_view(), name="audit-verify"),
]
