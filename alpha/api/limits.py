"""Limits of keys, partners and grants: replaced as a whole, with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors
from alpha.api.grants import GrantOut
from alpha.api.keys import KeyOut
from alpha.api.partners import PartnerOut
from alpha.api.shapes import LimitsIn, quotas_in
from alpha.models import Grant, Key
from alpha.services import limits
from infra.api.authentication import actor_of
from infra.api.bodies import checked


class NewLimitsIn(LimitsIn):
    """Every limit anew: one that is left out is lifted."""

    reason = serializers.CharField(max_length=4000)


def _asked(request: Request) -> Mapping[str, Any]:
    data = checked(NewLimitsIn, request.data)
    return {"actor": actor_of(request), "quotas": quotas_in(data), "reason": data["reason"]}


class KeyLimits(APIView):
    """Replaces the limits of a key; in force on every gateway worker within a second."""

    @extend_schema(request=NewLimitsIn, responses=KeyOut)
    def post(self, request: Request, key_id: UUID) -> Response:
        key = get_object_or_404(Key.objects.select_related("partner"), pk=key_id)
        return Response(KeyOut(limits.set_key_limits(key=key, **_asked(request))).data)


class PartnerLimits(APIView):
    """Replaces the limits of a partner, which hold for its keys and grants together."""

    @extend_schema(request=NewLimitsIn, responses=PartnerOut)
    def post(self, request: Request, name: str) -> Response:
        partner = selectors.partner_named(name)
        limits.set_partner_limits(partner=partner, **_asked(request))
        return Response(PartnerOut(selectors.partner_named(name)).data)


class GrantLimits(APIView):
    """Replaces the limits of a grant; a cohort's hold for each of its partners alone."""

    @extend_schema(request=NewLimitsIn, responses=GrantOut)
    def post(self, request: Request, grant_id: UUID) -> Response:
        grant = get_object_or_404(Grant, pk=grant_id)
        limits.set_grant_limits(grant=grant, **_asked(request))
        return Response(GrantOut(Grant.objects.get(pk=grant_id)).data)
