"""What a promotion changes, and what its approval would do, over the management API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra import clock
from releases.models import Promotion
from releases.selectors.changes import Changes, changes_of
from releases.selectors.effects import effect_of
from releases.selectors.promotions import promotion_with_id
from releases.states import OPEN_PROMOTIONS, PromotionState


class ChangedFactOut(serializers.Serializer):
    """One property of both checkpoints, as text for people."""

    name = serializers.CharField()
    current = serializers.CharField()
    incoming = serializers.CharField()
    differs = serializers.BooleanField()


class PieceOut(serializers.Serializer):
    """A run of a text; `changed`: the other text does not have it there."""

    text = serializers.CharField()
    changed = serializers.BooleanField()


class ChangedPromptOut(serializers.Serializer):
    """Both system prompts in pieces."""

    old = PieceOut(many=True)
    new = PieceOut(many=True)


class EffectOut(serializers.Serializer):
    """What follows once the promotion goes through."""

    sentence = serializers.CharField()
    partners = serializers.ListField(child=serializers.CharField())
    codenames = serializers.ListField(child=serializers.CharField())
    share = serializers.IntegerField(help_text="Percent that it begins with.")


class PromotionChangesOut(serializers.Serializer):
    """The incoming checkpoint beside the one that serves there, as of the decision or of now."""

    incoming = serializers.CharField(source="incoming.name")
    current = serializers.SerializerMethodField(help_text="Null: the first of its size there.")
    summary = serializers.CharField()
    lineage = serializers.CharField()
    facts = ChangedFactOut(many=True)
    prompt = ChangedPromptOut()
    effect = serializers.SerializerMethodField(help_text="Null once the promotion has ended.")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_current(self, changes: Changes) -> str | None:
        return changes.current.name if changes.current else None

    @extend_schema_field(EffectOut(allow_null=True))
    def get_effect(self, changes: Changes) -> Any:
        promotion: Promotion = self.context["promotion"]
        if PromotionState(promotion.state) not in OPEN_PROMOTIONS:
            return None
        return EffectOut(effect_of(promotion, clock.now())).data


class PromotionChanges(APIView):
    """The difference that a promotion makes."""

    @extend_schema(responses=PromotionChangesOut)
    def get(self, request: Request, promotion_id: UUID) -> Response:
        promotion = promotion_with_id(promotion_id)
        found = changes_of(promotion, clock.now())
        return Response(PromotionChangesOut(found, context={"promotion": promotion}).data)


urlpatterns = [
    path(
        "promotions/<uuid:promotion_id>/changes/",
        PromotionChanges.as_view(),
        name="promotion-changes",
    ),
]
