"""Partner keys: issued once, revoked at once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors
from alpha.api.shapes import LimitsIn, quotas_in
from alpha.models import Key
from alpha.quotas import NAMES
from alpha.services import keys
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked


class KeyIn(LimitsIn):
    name = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    allowed_addresses = serializers.ListField(
        child=serializers.CharField(max_length=50), max_length=50, required=False, default=list
    )


class KeyOut(serializers.ModelSerializer):
    partner = serializers.SlugRelatedField(slug_field="name", read_only=True)
    allowed_addresses = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Key
        fields = (
            "id",
            "partner",
            "name",
            "public",
            "allowed_addresses",
            "created_at",
            "expires_at",
            "revoked_at",
            "revoke_reason",
            "replaces",
            *NAMES,
        )
        read_only_fields = fields


class IssuedKeyOut(KeyOut):
    """The only time the key's text is shown."""

    key = serializers.CharField(read_only=True)

    class Meta(KeyOut.Meta):
        fields = (*KeyOut.Meta.fields, "key")
        read_only_fields = fields


class RotationIn(serializers.Serializer):
    """How long the old key works beside the new one."""

    overlap_hours = serializers.IntegerField(min_value=0, max_value=720, default=24)


class PartnerKeys(APIView):
    """A partner's keys; a new one by POST, its text shown this once."""

    @extend_schema(responses=KeyOut(many=True))
    def get(self, request: Request, name: str) -> Response:
        partner = selectors.partner_named(name)
        return Response(KeyOut(partner.keys.select_related("partner"), many=True).data)

    @extend_schema(request=KeyIn, responses={201: IssuedKeyOut})
    def post(self, request: Request, name: str) -> Response:
        data = checked(KeyIn, request.data)
        partner = selectors.partner_named(name)
        own = {name: value for name, value in data.items() if name not in NAMES}
        key, text = keys.issue_key(
            actor=actor_of(request), partner=partner, quotas=quotas_in(data), **own
        )
        return Response({**KeyOut(key).data, "key": text}, status=201)


class RevokeKey(APIView):
    """Ends the key; the gateway refuses its next request."""

    @extend_schema(request=ReasonIn, responses=KeyOut)
    def post(self, request: Request, key_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        key = get_object_or_404(Key, pk=key_id)
        keys.revoke_key(actor=actor_of(request), key=key, **data)
        return Response(KeyOut(Key.objects.get(pk=key_id)).data)


class RotateKey(APIView):
    """A successor with the same limits; the old key ends after the overlap."""

    @extend_schema(request=RotationIn, responses={201: IssuedKeyOut})
    def post(self, request: Request, key_id: UUID) -> Response:
        data = checked(RotationIn, request.data)
        key, text = keys.rotate_key(
            actor=actor_of(request),
            key=get_object_or_404(Key, pk=key_id),
            overlap=timedelta(hours=data["overlap_hours"]),
        )
        return Response({**KeyOut(key).data, "key": text}, status=201)
