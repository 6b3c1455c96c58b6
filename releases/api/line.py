"""The line and rejected checkpoints over the management API."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.api.authentication import DECIDES, actor_of
from infra.api.bodies import ReasonIn, checked
from releases.api.parameters import NAME
from releases.models import LineStop, Rejection
from releases.selectors import controls
from releases.selectors.blocks import line_stop_in_force
from releases.selectors.checkpoints import checkpoint_named
from releases.services import line, rejections

_LIFTED = ("lift_asked_by", "lift_asked_at", "lift_reason", "lifted_by", "lifted_at")


class LiftedOut(serializers.ModelSerializer):
    """What two persons lift: who asked for it and who confirmed."""

    lift_asked_by = serializers.CharField(
        source="lift_asked_by.name", allow_null=True, default=None
    )
    lifted_by = serializers.CharField(source="lifted_by.name", allow_null=True, default=None)


class LineStopOut(LiftedOut):
    """A stop of the line; in force until it was lifted."""

    stopped_by = serializers.CharField(source="stopped_by.name")

    class Meta:
        model = LineStop
        fields = ("id", "stopped_by", "reason", "stopped_at", *_LIFTED)


class LineOut(serializers.Serializer):
    """Whether anything moves forward."""

    is_stopped = serializers.BooleanField()
    stop = LineStopOut(allow_null=True)


class RejectionOut(LiftedOut):
    """A rejection of a checkpoint; in force until it was lifted."""

    checkpoint = serializers.CharField(source="checkpoint.name")
    rejected_by = serializers.CharField(source="rejected_by.name")

    class Meta:
        model = Rejection
        fields = ("id", "checkpoint", "rejected_by", "reason", "rejected_at", *_LIFTED)


class RejectionsQuery(serializers.Serializer):
    """Which rejections to list."""

    in_force = serializers.BooleanField(required=False)


class Line(APIView):
    """The line."""

    @extend_schema(responses=LineOut)
    def get(self, request: Request) -> Response:
        stop = line_stop_in_force()
        return Response(LineOut({"is_stopped": stop is not None, "stop": stop}).data)


class StopTheLine(APIView):
    """Stops everything that moves forward, everywhere."""

    @extend_schema(request=ReasonIn, responses={201: LineStopOut})
    def post(self, request: Request) -> Response:
        """No promotion and no ramp step executes once this has answered; the way back is free."""
        row = line.stop_the_line(actor=actor_of(request), **checked(ReasonIn, request.data))
        return Response(LineStopOut(row).data, status=201)


class StartTheLine(APIView):
    """Asks to start the line again."""

    permission_classes = DECIDES

    @extend_schema(request=ReasonIn, responses=LineStopOut)
    def post(self, request: Request) -> Response:
        """Nothing moves before another release manager confirms."""
        asked = checked(ReasonIn, request.data)
        row = line.ask_to_start_the_line(actor=actor_of(request), **asked)
        return Response(LineStopOut(row).data)


class ConfirmStart(APIView):
    """Starts the line as the second person."""

    permission_classes = DECIDES

    @extend_schema(request=None, responses=LineStopOut)
    def post(self, request: Request) -> Response:
        return Response(LineStopOut(line.confirm_start(actor=actor_of(request))).data)


class Rejections(ListAPIView):
    """Rejected checkpoints, newest first."""

    serializer_class = RejectionOut

    def get_queryset(self) -> Any:
        asked = checked(RejectionsQuery, self.request.query_params)
        found = controls.rejections()
        return found.filter(lifted_at__isnull=True) if asked.get("in_force") else found

    @extend_schema(parameters=[RejectionsQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class RejectCheckpoint(APIView):
    """Takes a checkpoint out of every stage for good."""

    permission_classes = DECIDES

    @extend_schema(parameters=[NAME], request=ReasonIn, responses={201: RejectionOut})
    def post(self, request: Request, name: str) -> Response:
        """Demoted everywhere, its open promotions rejected, in one transaction."""
        row = rejections.reject_checkpoint(
            actor=actor_of(request),
            checkpoint=checkpoint_named(name),
            **checked(ReasonIn, request.data),
        )
        return Response(RejectionOut(row).data, status=201)


class UnrejectCheckpoint(APIView):
    """Asks to take a rejection back."""

    permission_classes = DECIDES

    @extend_schema(parameters=[NAME], request=ReasonIn, responses=RejectionOut)
    def post(self, request: Request, name: str) -> Response:
        """The first of two release managers; the checkpoint's owner is refused."""
        row = rejections.ask_to_unreject(
            actor=actor_of(request),
            checkpoint=checkpoint_named(name),
            **checked(ReasonIn, request.data),
        )
        return Response(RejectionOut(row).data)


class ConfirmUnreject(APIView):
    """Takes a rejection back as the second person."""

    permission_classes = DECIDES

    @extend_schema(parameters=[NAME], request=None, responses=RejectionOut)
    def post(self, request: Request, name: str) -> Response:
        row = rejections.confirm_unreject(
            actor=actor_of(request), checkpoint=checkpoint_named(name)
        )
        return Response(RejectionOut(row).data)


_OF = "checkpoints/<checkpoint:name>/"
urlpatterns = [
    path("line/", Line.as_view(), name="line"),
    path("line/stop/", StopTheLine.as_view(), name="line-stop"),
    path("line/start/", StartTheLine.as_view(), name="line-start"),
    path("line/start/confirm/", ConfirmStart.as_view(), name="line-start-confirm"),
    path("rejections/", Rejections.as_view(), name="rejections"),
    path(f"{_OF}reject/", RejectCheckpoint.as_view(), name="checkpoint-reject"),
    path(f"{_OF}unreject/", UnrejectCheckpoint.as_view(), name="checkpoint-unreject"),
    path(f"{_OF}unreject/confirm/", ConfirmUnreject.as_view(), name="checkpoint-unreject-confirm"),
]
