"""Freezes over the management API."""

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
from infra.api.bodies import ReasonIn, checked
from releases.api.promotion_bodies import STAGE_PATTERN
from releases.freezes import Schedule, Window
from releases.models import Freeze, FreezeWaiver
from releases.selectors.freezes import (
    FreezeNow,
    as_it_stands,
    freeze_with_id,
    freezes,
)
from releases.selectors.pipelines import pipeline_named, stage_named
from releases.selectors.promotions import promotion_with_id
from releases.services import freezes as services

_SLUG = r"^[a-z0-9][a-z0-9_-]{0,59}$"
_LOCAL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$"


class FreezeIn(serializers.Serializer):
    """A freeze of a stage, of a pipeline, or of all."""

    name = serializers.RegexField(_SLUG)
    stage = serializers.RegexField(STAGE_PATTERN, required=False)
    pipeline = serializers.RegexField(_SLUG, required=False)
    starts = serializers.RegexField(_LOCAL, help_text="Local time, 2026-12-20T00:00:00.")
    lasts = serializers.RegexField(
        r"^[0-9]{1,9}[smhd]$", help_text="36h is exact; 2d are two days on the wall's clock."
    )
    rule = serializers.CharField(
        max_length=500, required=False, allow_blank=True, help_text="RRULE of RFC 5545."
    )
    except_dates = serializers.ListField(
        child=serializers.RegexField(r"^[0-9T:-]{10,19}$"), max_length=200, required=False
    )
    time_zone = serializers.CharField(max_length=60)
    reason = serializers.CharField(max_length=2000)


class FreezeWaiverIn(serializers.Serializer):
    """One promotion goes through a freeze."""

    freeze = serializers.UUIDField()
    reason = serializers.CharField(min_length=services.WAIVER_REASON, max_length=4000)


class FreezesQuery(serializers.Serializer):
    """Which freezes to list."""

    ended = serializers.BooleanField(required=False, help_text="Those that were ended, too.")


class WindowOut(serializers.Serializer):
    """From just when until just before."""

    opens_at = serializers.DateTimeField()
    closes_at = serializers.DateTimeField()


class FreezeOut(serializers.ModelSerializer):
    """A freeze with the window that is open now and the one that opens next."""

    stage = serializers.SerializerMethodField()
    pipeline = serializers.CharField(source="pipeline.name", allow_null=True, default=None)
    owner = serializers.CharField(source="owner.name", allow_null=True, default=None)
    except_dates = serializers.ListField(child=serializers.CharField())
    in_force = serializers.SerializerMethodField()
    window = serializers.SerializerMethodField()
    next_window = serializers.SerializerMethodField()

    class Meta:
        model = Freeze
        fields = (
            "id",
            "name",
            "stage",
            "pipeline",
            "starts",
            "lasts",
            "rule",
            "except_dates",
            "time_zone",
            "reason",
            "owner",
            "from_file",
            "placed_at",
            "ended_at",
            "end_reason",
            "in_force",
            "window",
            "next_window",
        )

    def _now(self, freeze: Freeze) -> FreezeNow:
        return as_it_stands(freeze, clock.now())

    def get_stage(self, freeze: Freeze) -> str | None:
        return str(freeze.stage) if freeze.stage else None

    def get_in_force(self, freeze: Freeze) -> bool:
        return self._now(freeze).in_force

    @extend_schema_field(WindowOut(allow_null=True))
    def get_window(self, freeze: Freeze) -> Any:
        return _window(self._now(freeze).window)

    @extend_schema_field(WindowOut(allow_null=True))
    def get_next_window(self, freeze: Freeze) -> Any:
        return _window(self._now(freeze).following)


class FreezeWaiverOut(serializers.ModelSerializer):
    """A promotion that a freeze lets through."""

    freeze = serializers.UUIDField(source="freeze_id")
    promotion = serializers.UUIDField(source="promotion_id")
    person = serializers.CharField(source="person.name")

    class Meta:
        model = FreezeWaiver
        fields = ("id", "freeze", "promotion", "person", "reason", "waived_at")


def _window(window: Window | None) -> Any:
    return WindowOut(window).data if window else None


class Freezes(ListAPIView):
    """Places freezes and lists them by name."""

    serializer_class = FreezeOut

    def get_queryset(self) -> Any:
        asked = checked(FreezesQuery, self.request.query_params)
        return freezes() if asked.get("ended") else freezes().filter(ended_at__isnull=True)

    @extend_schema(parameters=[FreezesQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=FreezeIn, responses={201: FreezeOut})
    def post(self, request: Request) -> Response:
        """The freeze; 400 with everything that is wrong with its schedule."""
        asked = checked(FreezeIn, request.data)
        stage, pipeline = asked.get("stage"), asked.get("pipeline")
        row = services.place_freeze(
            actor=actor_of(request),
            name=asked["name"],
            schedule=Schedule(
                starts=asked["starts"],
                lasts=asked["lasts"],
                rule=asked.get("rule", ""),
                except_dates=tuple(asked.get("except_dates", ())),
                time_zone=asked["time_zone"],
            ),
            reason=asked["reason"],
            stage=stage_named(stage) if stage else None,
            pipeline=pipeline_named(pipeline) if pipeline else None,
        )
        return Response(FreezeOut(row).data, status=201)


class EndFreeze(APIView):
    """Ends a freeze for good."""

    permission_classes = DECIDES

    @extend_schema(request=ReasonIn, responses=FreezeOut)
    def post(self, request: Request, freeze_id: UUID) -> Response:
        """By its owner; one of a pipeline's file ends with the file alone."""
        row = services.end_freeze(
            actor=actor_of(request),
            freeze=freeze_with_id(freeze_id),
            **checked(ReasonIn, request.data),
        )
        return Response(FreezeOut(row).data)


class WaiveFreeze(APIView):
    """Lets one promotion through a freeze."""

    permission_classes = DECIDES

    @extend_schema(request=FreezeWaiverIn, responses={201: FreezeWaiverOut})
    def post(self, request: Request, promotion_id: UUID) -> Response:
        """By the freeze's owner; everything else about the promotion stays as asked."""
        asked = checked(FreezeWaiverIn, request.data)
        row = services.waive_freeze(
            actor=actor_of(request),
            freeze=freeze_with_id(asked["freeze"]),
            promotion=promotion_with_id(promotion_id),
            reason=asked["reason"],
        )
        return Response(FreezeWaiverOut(row).data, status=201)


urlpatterns = [
    path("freezes/", Freezes.as_view(), name="freezes"),
    path("freezes/<uuid:freeze_id>/end/", EndFreeze.as_view(), name="freeze-end"),
    path(
        "promotions/<uuid:promotion_id>/freeze-waivers/",
        WaiveFreeze.as_view(),
        name="promotion-freeze-waivers",
    ),
]
