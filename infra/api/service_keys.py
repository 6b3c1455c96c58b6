"""Keys of pipelines and CI over the management API: made, shown once, revoked."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra import service_keys
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from infra.models import ServiceKey
from infra.roles import Scope


class ServiceKeyIn(serializers.Serializer):
    """Who uses it, and what it may do; a key never approves."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=[scope.value for scope in Scope]), min_length=1
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class ServiceKeyOut(serializers.ModelSerializer):
    """A key without its secret, of which only a digest is kept."""

    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)
    created_by = serializers.CharField(source="created_by.name", default="", read_only=True)

    class Meta:
        model = ServiceKey
        fields = (
            "id",
            "name",
            "public",
            "scopes",
            "created_by",
            "created_at",
            "expires_at",
            "revoked_at",
        )
        read_only_fields = fields


class MadeServiceKeyOut(ServiceKeyOut):
    """A new key; this answer is the only place where its text stands."""

    key = serializers.CharField()

    class Meta(ServiceKeyOut.Meta):
        fields = (*ServiceKeyOut.Meta.fields, "key")
        read_only_fields = fields


class ServiceKeys(ListAPIView):
    """All service keys, newest first; POST makes one."""

    serializer_class = ServiceKeyOut

    def get_queryset(self) -> QuerySet[ServiceKey]:
        return service_keys.keys()

    @extend_schema(request=ServiceKeyIn, responses={201: MadeServiceKeyOut})
    def post(self, request: Request) -> Response:
        data = checked(ServiceKeyIn, request.data)
        key, text = service_keys.make_service_key(
            actor=actor_of(request),
            name=data["name"],
            scopes=[Scope(scope) for scope in data["scopes"]],
            expires_at=data.get("expires_at"),
        )
        answer = Response({**ServiceKeyOut(key).data, "key": text}, status=201)
        answer["Cache-Control"] = "no-store"
        return answer


class RevokeServiceKey(APIView):
    """Ends the key: its next request is refused."""

    @extend_schema(request=ReasonIn, responses=ServiceKeyOut)
    def post(self, request: Request, key_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        key = service_keys.key_with_id(key_id)
        service_keys.revoke_service_key(actor=actor_of(request), key=key, **data)
        return Response(ServiceKeyOut(service_keys.key_with_id(key_id)).data)


urlpatterns = [
    path("service-keys/", ServiceKeys.as_view(), name="service-keys"),
    path(
        "service-keys/<uuid:key_id>/revoke/", RevokeServiceKey.as_view(), name="service-key-revoke"
    ),
]
