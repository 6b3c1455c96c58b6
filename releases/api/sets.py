"""Sets of sizes, and the follow-ups of hotfixes, over the management API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra import clock
from infra.api.authentication import DECIDES, actor_of
from infra.api.bodies import checked
from releases.api.promotion_bodies import STAGE_PATTERN, PromotionOut
from releases.models import FollowUp, Promotion
from releases.registration import NAME_PATTERN
from releases.selectors import controls
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.pipelines import stage_named
from releases.services.follow_ups import MIN_NOTE, complete_follow_up
from releases.services.promotions import request_set


class SetIn(serializers.Serializer):
    """Sizes that go into a stage together."""

    checkpoints = serializers.ListField(
        child=serializers.RegexField(f"^{NAME_PATTERN}$"), min_length=2, max_length=20
    )
    stage = serializers.RegexField(STAGE_PATTERN, help_text="pipeline/stage, or stage alone.")
    reason = serializers.CharField(max_length=4000)
    hotfix = serializers.BooleanField(default=False)


class SetOut(serializers.Serializer):
    """A set with its promotions; all of them move, or none does."""

    id = serializers.UUIDField()
    stage = serializers.CharField()
    promotions = PromotionOut(many=True)


class FollowUpsQuery(serializers.Serializer):
    """Which follow-ups to list."""

    owed = serializers.BooleanField(required=False, help_text="Those that nobody has done yet.")


class NoteIn(serializers.Serializer):
    """What was looked at afterwards."""

    note = serializers.CharField(min_length=MIN_NOTE, max_length=4000)


class FollowUpOut(serializers.ModelSerializer):
    """What a hotfix owes; missed, it blocks the next promotion into its stage."""

    promotion = serializers.UUIDField(source="promotion_id")
    checkpoint = serializers.CharField(source="promotion.checkpoint.name")
    stage = serializers.SerializerMethodField()
    done_by = serializers.CharField(source="done_by.name", allow_null=True, default=None)
    is_missed = serializers.SerializerMethodField()

    class Meta:
        model = FollowUp
        fields = (
            "id",
            "promotion",
            "checkpoint",
            "stage",
            "due_at",
            "is_missed",
            "done_at",
            "done_by",
            "note",
        )

    def get_stage(self, row: FollowUp) -> str:
        return str(row.promotion.stage)

    @extend_schema_field(serializers.BooleanField())
    def get_is_missed(self, row: FollowUp) -> bool:
        return row.done_at is None and row.due_at <= clock.now()


class PromotionSets(APIView):
    """Requests promotions of several sizes as one."""

    @extend_schema(request=SetIn, responses={201: SetOut})
    def post(self, request: Request) -> Response:
        """The set, each member evaluated once; 409 with every reason why it can't be."""
        asked = checked(SetIn, request.data)
        members = request_set(
            actor=actor_of(request),
            checkpoints=[checkpoint_named(name) for name in asked["checkpoints"]],
            stage=stage_named(asked["stage"]),
            reason=asked["reason"],
            hotfix=asked["hotfix"],
        )
        return Response(_set_body(controls.members_of_set(members[0].together_id)), status=201)


class OnePromotionSet(APIView):
    """One set."""

    @extend_schema(responses=SetOut)
    def get(self, request: Request, set_id: UUID) -> Response:
        return Response(_set_body(controls.members_of_set(set_id)))


class FollowUps(ListAPIView):
    """What hotfixes owe, what is due first."""

    serializer_class = FollowUpOut

    def get_queryset(self) -> Any:
        asked = checked(FollowUpsQuery, self.request.query_params)
        found = controls.follow_ups()
        return found.filter(done_at__isnull=True) if asked.get("owed") else found

    @extend_schema(parameters=[FollowUpsQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class CompleteFollowUp(APIView):
    """Does what a hotfix owed."""

    permission_classes = DECIDES

    @extend_schema(request=NoteIn, responses=FollowUpOut)
    def post(self, request: Request, follow_up_id: UUID) -> Response:
        row = complete_follow_up(
            actor=actor_of(request),
            follow_up=controls.follow_up_with_id(follow_up_id),
            **checked(NoteIn, request.data),
        )
        return Response(FollowUpOut(row).data)


def _set_body(members: Any) -> Any:
    first: Promotion = members[0]
    found = {"id": first.together_id, "stage": str(first.stage), "promotions": members}
    return SetOut(found).data


urlpatterns = [
    path("promotion-sets/", PromotionSets.as_view(), name="promotion-sets"),
    path("promotion-sets/<uuid:set_id>/", OnePromotionSet.as_view(), name="promotion-set"),
    path("follow-ups/", FollowUps.as_view(), name="follow-ups"),
    path(
        "follow-ups/<uuid:follow_up_id>/complete/",
        CompleteFollowUp.as_view(),
        name="follow-up-complete",
    ),
]
