"""What would happen, over the management API; nothing is written."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.api.schema import ReasonOut
from infra.people import actor_named
from infra.roles import Role
from releases.api.promotion_bodies import GateReasonOut
from releases.registration import NAME_PATTERN
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.releases import stage_with_id
from releases.services.simulation import Simulation, simulate


class SimulationQuery(serializers.Serializer):
    """What is asked into the stage, when, and in whose eyes."""

    checkpoint = serializers.RegexField(f"^{NAME_PATTERN}$")
    at = serializers.DateTimeField(required=False, help_text="Not past; now, when left out.")
    user = serializers.CharField(
        max_length=150,
        required=False,
        help_text="A login whose rights are told instead of the caller's.",
    )


class AskedOut(serializers.Serializer):
    """A question that people would be asked."""

    gate_id = serializers.CharField()
    groups = serializers.ListField(child=serializers.CharField())
    persons = serializers.ListField(child=serializers.CharField())


class LiveOut(serializers.Serializer):
    """What is live there now."""

    release = serializers.UUIDField(source="pk")
    checkpoint = serializers.CharField(source="checkpoint.name")
    arm = serializers.CharField()
    share = serializers.IntegerField()


class PlannedStepOut(serializers.Serializer):
    """A share and when it would begin, at the earliest where it waits for more than time."""

    percent = serializers.IntegerField()
    starts_at = serializers.DateTimeField(allow_null=True)
    after_s = serializers.FloatField()
    waits = serializers.ListField(child=serializers.CharField())


class RightsOut(serializers.Serializer):
    """What a person may do; empty lists: nothing refuses."""

    name = serializers.CharField()
    request = ReasonOut(many=True)
    approve = ReasonOut(many=True)


class SimulationOut(serializers.Serializer):
    """What would happen."""

    checkpoint = serializers.CharField(source="checkpoint.name")
    stage = serializers.CharField()
    at = serializers.DateTimeField()
    sentence = serializers.CharField()
    open_promotion = serializers.UUIDField(
        source="open_promotion.pk", allow_null=True, default=None
    )
    refusals = ReasonOut(many=True)
    admits = serializers.BooleanField(source="decision.admits")
    machine_clear = serializers.BooleanField(source="decision.machine_clear")
    approvals_needed = serializers.IntegerField(source="decision.approvals_needed")
    reasons = GateReasonOut(many=True, source="decision.reasons")
    asked = AskedOut(many=True)
    replaces = LiveOut(many=True)
    supersedes = serializers.ListField(child=serializers.CharField())
    goes_live_at = serializers.DateTimeField(allow_null=True)
    steps = PlannedStepOut(many=True)
    rights = RightsOut(allow_null=True)


def simulation_body(found: Simulation) -> Any:
    """The simulation as API and command tell it."""
    return SimulationOut(found).data


class StageSimulation(APIView):
    """What would happen if a checkpoint were asked into the stage; rows stay as they are."""

    @extend_schema(parameters=[SimulationQuery], responses=SimulationOut)
    def get(self, request: Request, stage_id: UUID) -> Response:
        """All reasons, who would be asked, what would be replaced, and the ramp by time."""
        asked: dict[str, Any] = checked(SimulationQuery, request.query_params)
        viewer = actor_of(request)
        if "user" in asked:
            viewer.must("simulate as somebody else", Role.RELEASE_MANAGER, Role.AUDITOR)
            viewer = actor_named(asked["user"])
        found = simulate(
            checkpoint=checkpoint_named(asked["checkpoint"]),
            stage=stage_with_id(stage_id),
            at=asked.get("at"),
            viewer=viewer,
        )
        return Response(simulation_body(found))


urlpatterns = [
    path("stages/<uuid:stage_id>/simulation/", StageSimulation.as_view(), name="stage-simulation")
]
