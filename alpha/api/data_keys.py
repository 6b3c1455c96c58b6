"""The keys that a partner's text is encrypted with; never the keys themselves."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors
from alpha.models import PartnerDataKey
from alpha.services import data_keys
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked


class DataKeyOut(serializers.ModelSerializer):
    n_texts = serializers.IntegerField(help_text="Texts that lie under it.")

    class Meta:
        model = PartnerDataKey
        fields = ("number", "created_at", "dropped_at", "n_texts")
        read_only_fields = fields


class ErasedOut(serializers.Serializer):
    n_texts = serializers.IntegerField(help_text="Texts that nobody can read any more.")


class DataKeys(APIView):
    """The partner's data keys, newest first."""

    @extend_schema(responses=DataKeyOut(many=True))
    def get(self, request: Request, name: str) -> Response:
        rows = data_keys.data_keys_of(selectors.partner_named(name))
        return Response(DataKeyOut(rows, many=True).data)


class RotateDataKey(APIView):
    """A new key seals what comes; what is kept stays readable and is sealed anew."""

    @extend_schema(request=ReasonIn, responses=DataKeyOut(many=True))
    def post(self, request: Request, name: str) -> Response:
        data = checked(ReasonIn, request.data)
        partner = selectors.partner_named(name)
        data_keys.rotate_data_key(actor=actor_of(request), partner=partner, **data)
        return Response(DataKeyOut(data_keys.data_keys_of(partner), many=True).data)


class DropDataKeys(APIView):
    """Erases all text that was kept of the partner, for good."""

    @extend_schema(request=ReasonIn, responses=ErasedOut)
    def post(self, request: Request, name: str) -> Response:
        data = checked(ReasonIn, request.data)
        partner = selectors.partner_named(name)
        n_texts = data_keys.drop_data_keys(actor=actor_of(request), partner=partner, **data)
        return Response(ErasedOut({"n_texts": n_texts}).data)
