"""Looking back over the management API: what was where, and who was exposed to it."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import history
from alpha.selectors import partner_named
from infra import clock
from infra.api.bodies import checked
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.history import stage_ever_named


class StageQuery(serializers.Serializer):
    """A place and a moment."""

    stage = serializers.RegexField(
        r"^[a-z0-9][a-z0-9_-]{0,59}(/[a-z0-9][a-z0-9_-]{0,59})?$",
        help_text="pipeline/stage, or stage alone; retired ones too.",
    )
    at = serializers.DateTimeField(required=False, help_text="Now, when it is left out.")
    partner = serializers.SlugField(max_length=80, required=False)
    size = serializers.CharField(max_length=40, required=False, default="")


class ArmThenOut(serializers.Serializer):
    """A release as it was then."""

    release = serializers.UUIDField(source="release.pk")
    checkpoint = serializers.CharField(source="checkpoint.name")
    checkpoint_digest = serializers.CharField(source="checkpoint.checkpoint_digest")
    size = serializers.CharField(source="release.size")
    arm = serializers.CharField()
    share = serializers.IntegerField(help_text="Percent of the stage's units.")
    since = serializers.DateTimeField(help_text="From when it had that arm and share.")
    is_halted = serializers.BooleanField()
    started_at = serializers.DateTimeField(source="release.started_at")
    ended_at = serializers.DateTimeField(source="release.ended_at", allow_null=True)


class GrantThenOut(serializers.Serializer):
    """What gave the partner access."""

    id = serializers.UUIDField()
    cohort = serializers.CharField(source="cohort.name", allow_null=True, default=None)
    opens_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class LastRequestOut(serializers.Serializer):
    """The partner's last request in the stage before that moment."""

    request_id = serializers.UUIDField()
    at = serializers.DateTimeField()
    checkpoint = serializers.CharField()
    arm = serializers.CharField()
    release = serializers.UUIDField(source="release_id")


class StageThenOut(serializers.Serializer):
    """A stage at one moment."""

    stage = serializers.CharField()
    at = serializers.DateTimeField()
    partner = serializers.CharField(source="partner.name", allow_null=True, default=None)
    sentence = serializers.CharField()
    arms = ArmThenOut(many=True)
    grants = GrantThenOut(many=True)
    last_request = LastRequestOut(allow_null=True)


class CheckpointQuery(serializers.Serializer):
    """Whose exposure is asked for."""

    checkpoint = serializers.CharField(max_length=120)


class ShareOut(serializers.Serializer):
    """The arm and share from a moment on."""

    arm = serializers.CharField()
    share = serializers.IntegerField()
    at = serializers.DateTimeField()


class ExposureOut(serializers.Serializer):
    """One partner's requests that a release served."""

    partner = serializers.CharField()
    n_requests = serializers.IntegerField()
    n_units = serializers.IntegerField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()


class StayOut(serializers.Serializer):
    """One release of the checkpoint, and who called it."""

    release = serializers.UUIDField(source="release.pk")
    stage = serializers.CharField(source="release.stage")
    state = serializers.CharField(source="release.state")
    started_at = serializers.DateTimeField(source="release.started_at")
    halted_at = serializers.DateTimeField(source="release.halted_at", allow_null=True)
    ended_at = serializers.DateTimeField(source="release.ended_at", allow_null=True)
    end_reason = serializers.CharField(source="release.end_reason", allow_blank=True)
    shares = ShareOut(many=True, source="release.share_changes")
    n_requests = serializers.IntegerField()
    exposures = ExposureOut(many=True)


class StageHistory(APIView):
    """Which checkpoint was in a stage at a moment, for everybody or for one partner."""

    @extend_schema(parameters=[StageQuery], responses=StageThenOut)
    def get(self, request: Request) -> Response:
        asked: dict[str, Any] = checked(StageQuery, request.query_params)
        found = history.stage_then(
            stage_ever_named(asked["stage"]),
            asked.get("at") or clock.now(),
            partner_named(asked["partner"]) if "partner" in asked else None,
            asked["size"],
        )
        return Response(StageThenOut(found).data)


class CheckpointHistory(APIView):
    """Who was exposed to a checkpoint: where, when, by how many requests; newest first."""

    @extend_schema(parameters=[CheckpointQuery], responses=StayOut(many=True))
    def get(self, request: Request) -> Response:
        asked = checked(CheckpointQuery, request.query_params)
        stays = history.exposures_of(checkpoint_named(asked["checkpoint"]))
        return Response(StayOut(stays, many=True).data)


urlpatterns = [
    path("history/stage/", StageHistory.as_view(), name="history-stage"),
    path("history/checkpoint/", CheckpointHistory.as_view(), name="history-checkpoint"),
]
