"""Stages, releases and holds over the management API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import prefetch_related_objects
from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra import clock
from infra.api.authentication import DECIDES, actor_of
from infra.api.bodies import ReasonIn, checked
from releases.api.promotion_bodies import STAGE_PATTERN
from releases.api.ramp_bodies import GuardrailOut, RampOut, ramp_body
from releases.models import Hold, Release, Stage
from releases.registration import NAME_PATTERN
from releases.selectors import releases as selectors
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.pipelines import stage_named
from releases.selectors.ramps import ramp_views
from releases.services import holds as hold_services
from releases.services import releases as services
from releases.states import Arm, ReleaseState


class ReleasesQuery(serializers.Serializer):
    """Which releases to list."""

    state = serializers.ChoiceField([state.value for state in ReleaseState], required=False)
    checkpoint = serializers.CharField(max_length=120, required=False)
    stage = serializers.CharField(max_length=60, required=False, help_text="The stage's name.")


class HoldsQuery(serializers.Serializer):
    """Which holds to list."""

    in_force = serializers.BooleanField(required=False, help_text="Only those nobody lifted.")


class RollbackIn(ReasonIn):
    """What is rolled back, and why."""

    size = serializers.CharField(max_length=40)


class HoldIn(ReasonIn):
    """A hold on a checkpoint or on a stage: one of the two."""

    checkpoint = serializers.RegexField(f"^{NAME_PATTERN}$", required=False)
    stage = serializers.RegexField(STAGE_PATTERN, required=False)


class ReleaseOut(serializers.ModelSerializer):
    """A checkpoint live in a stage, from–to."""

    stage = serializers.SerializerMethodField()
    family = serializers.CharField(source="family.name")
    checkpoint = serializers.CharField(source="checkpoint.name")
    promotion = serializers.UUIDField(source="promotion_id", allow_null=True)
    state = serializers.ChoiceField([state.value for state in ReleaseState])
    arm = serializers.ChoiceField([arm.value for arm in Arm])
    ramp = serializers.SerializerMethodField()
    guardrails = GuardrailOut(many=True)

    class Meta:
        model = Release
        fields = (
            "id",
            "stage",
            "stage_id",
            "family",
            "size",
            "arm",
            "share",
            "checkpoint",
            "promotion",
            "state",
            "started_at",
            "halted_at",
            "ended_at",
            "end_reason",
            "verified",
            "ramp",
            "guardrails",
        )

    def get_stage(self, release: Release) -> str:
        return str(release.stage)

    @extend_schema_field(RampOut(allow_null=True))
    def get_ramp(self, release: Release) -> Any:
        view = self.context["ramps"].get(release.pk)
        return ramp_body(view, release.share) if view else None


def with_ramps(releases: Sequence[Release]) -> dict[str, Any]:
    """The context of `ReleaseOut`: ramps and guardrails of all these in a few queries."""
    prefetch_related_objects(releases, "guardrails")
    return {"ramps": ramp_views(releases, clock.now())}


def body_of(release: Release) -> Response:
    """The answer with one release."""
    return Response(ReleaseOut(release, context=with_ramps([release])).data)


class StageOut(serializers.ModelSerializer):
    """A stage and what is live in it."""

    pipeline = serializers.CharField(source="pipeline.name")
    family = serializers.CharField(source="pipeline.family.name")
    releases = serializers.SerializerMethodField()

    class Meta:
        model = Stage
        fields = ("id", "pipeline", "family", "name", "position", "policy_digest", "releases")

    @extend_schema_field(ReleaseOut(many=True))
    def get_releases(self, stage: Stage) -> Any:
        current = stage.current_releases  # type: ignore[attr-defined]
        return ReleaseOut(current, many=True, context=self.context).data


class HoldOut(serializers.ModelSerializer):
    """A hold; without an owner Slipway placed it."""

    checkpoint = serializers.CharField(source="checkpoint.name", allow_null=True, default=None)
    stage = serializers.SerializerMethodField()
    owner = serializers.CharField(source="owner.name", allow_null=True, default=None)
    lifted_by = serializers.CharField(source="lifted_by.name", allow_null=True, default=None)

    class Meta:
        model = Hold
        fields = (
            "id",
            "checkpoint",
            "stage",
            "owner",
            "reason",
            "placed_at",
            "lifted_at",
            "lifted_by",
            "lift_reason",
        )

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_stage(self, hold: Hold) -> str | None:
        return str(hold.stage) if hold.stage else None


class Stages(ListAPIView):
    """Every stage that is not retired, with its occupants."""

    serializer_class = StageOut

    def get_queryset(self) -> Any:
        return selectors.stages()

    def get_serializer(self, rows: Any = (), **kwargs: Any) -> Any:
        current = [release for stage in rows for release in stage.current_releases]
        return StageOut(rows, **{"context": with_ramps(current), **kwargs})


class RollBackStage(APIView):
    """Returns a stage to its last verified release."""

    @extend_schema(request=RollbackIn, responses=ReleaseOut)
    def post(self, request: Request, stage_id: UUID) -> Response:
        """The release that serves now; what failed gets a hold."""
        stage = selectors.stage_with_id(stage_id)
        asked = checked(RollbackIn, request.data)
        release = services.roll_back(actor=actor_of(request), stage=stage, **asked)
        return body_of(release)


class Releases(ListAPIView):
    """What is live where, and what was; newest first."""

    serializer_class = ReleaseOut

    def get_serializer(self, rows: Any = (), **kwargs: Any) -> Any:
        return ReleaseOut(rows, **{"context": with_ramps(rows), **kwargs})

    def get_queryset(self) -> Any:
        asked = checked(ReleasesQuery, self.request.query_params)
        names = {"state": "state", "checkpoint": "checkpoint__name", "stage": "stage__name"}
        found = selectors.releases()
        return found.filter(**{names[key]: value for key, value in asked.items()})

    @extend_schema(parameters=[ReleasesQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class MoveRelease(APIView):
    """One change of one release."""

    move: Callable[..., Release]

    @extend_schema(request=ReasonIn, responses=ReleaseOut)
    def post(self, request: Request, release_id: UUID) -> Response:
        release = selectors.release_with_id(release_id)
        asked = checked(ReasonIn, request.data)
        moved = self.move(actor=actor_of(request), release=release, **asked)
        return body_of(moved)


class HaltRelease(MoveRelease):
    """Stops a release from serving, at once."""

    move = staticmethod(services.halt_release)


class ResumeRelease(MoveRelease):
    """Lets a halted release serve again, as a release of its own."""

    permission_classes = DECIDES
    move = staticmethod(services.resume_release)


class DemoteRelease(MoveRelease):
    """Ends a release; only a new promotion brings its checkpoint back."""

    permission_classes = DECIDES
    move = staticmethod(services.demote_release)


class OneRelease(APIView):
    """One release with its ramp and its guardrails."""

    @extend_schema(responses=ReleaseOut)
    def get(self, request: Request, release_id: UUID) -> Response:
        return body_of(selectors.release_with_id(release_id))


class Holds(ListAPIView):
    """Places holds and lists them, newest first."""

    serializer_class = HoldOut

    def get_queryset(self) -> Any:
        asked = checked(HoldsQuery, self.request.query_params)
        found = selectors.holds()
        return found.filter(lifted_at__isnull=True) if asked.get("in_force") else found

    @extend_schema(parameters=[HoldsQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=HoldIn, responses={201: HoldOut})
    def post(self, request: Request) -> Response:
        """The hold; forward moves of its subject stop until it is lifted."""
        asked = checked(HoldIn, request.data)
        checkpoint, stage = asked.get("checkpoint"), asked.get("stage")
        hold = hold_services.place_hold(
            actor=actor_of(request),
            reason=asked["reason"],
            checkpoint=checkpoint_named(checkpoint) if checkpoint else None,
            stage=stage_named(stage) if stage else None,
        )
        return Response(HoldOut(selectors.hold_with_id(hold.pk)).data, status=201)


class LiftHold(APIView):
    """Lifts a hold."""

    @extend_schema(request=ReasonIn, responses=HoldOut)
    def post(self, request: Request, hold_id: UUID) -> Response:
        """By its owner; a hold of Slipway's own by a release manager."""
        hold = selectors.hold_with_id(hold_id)
        asked = checked(ReasonIn, request.data)
        hold_services.lift_hold(actor=actor_of(request), hold=hold, **asked)
        return Response(HoldOut(selectors.hold_with_id(hold_id)).data)


_RELEASE = "releases/<uuid:release_id>/"
urlpatterns = [
    path("stages/", Stages.as_view(), name="stages"),
    path("stages/<uuid:stage_id>/rollback/", RollBackStage.as_view(), name="stage-rollback"),
    path("releases/", Releases.as_view(), name="releases"),
    path(_RELEASE, OneRelease.as_view(), name="release"),
    path(f"{_RELEASE}halt/", HaltRelease.as_view(), name="release-halt"),
    path(f"{_RELEASE}resume/", ResumeRelease.as_view(), name="release-resume"),
    path(f"{_RELEASE}demote/", DemoteRelease.as_view(), name="release-demote"),
    path("holds/", Holds.as_view(), name="holds"),
    path("holds/<uuid:hold_id>/lift/", LiftHold.as_view(), name="hold-lift"),
]
