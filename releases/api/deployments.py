"""Deployments over the management API."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.api.authentication import actor_of
from releases.api.parameters import NAME
from releases.models import Deployment
from releases.selectors.checkpoints import checkpoint_named, deployment_with_id
from releases.services.deployments import (
    MAX_WEIGHT,
    MIN_REASON,
    add_deployment,
    disable_deployment,
    enable_deployment,
)
from releases.states import DeploymentState, Identity


class DeploymentIn(serializers.Serializer):
    """Where a checkpoint answers; the upstream is asked before it is believed."""

    base_url = serializers.CharField(max_length=500, help_text="With /v1, without credentials.")
    upstream_model = serializers.CharField(max_length=200)
    secret_ref = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="env:NAME or file:/path."
    )
    weight = serializers.IntegerField(min_value=0, max_value=MAX_WEIGHT, required=False)
    skip_probe_reason = serializers.CharField(
        max_length=2000,
        min_length=MIN_REASON,
        required=False,
        help_text="Why the upstream may stay unasked.",
    )


class DisableIn(serializers.Serializer):
    """Why."""

    reason = serializers.CharField(max_length=2000)


class EnableIn(DisableIn):
    """Why, and why the upstream may stay unasked."""

    skip_probe_reason = serializers.CharField(
        max_length=2000, min_length=MIN_REASON, required=False
    )


class FingerprintOut(serializers.Serializer):
    """What the identity probe was answered."""

    model = serializers.CharField()
    text = serializers.CharField(allow_blank=True)
    texts = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False)
    finish_reason = serializers.CharField(allow_null=True)
    system_fingerprint = serializers.CharField(allow_null=True)
    tokens_in = serializers.IntegerField(allow_null=True)
    request = serializers.DictField()


class DeploymentOut(serializers.ModelSerializer):
    """A deployment; its secret stays where `secret_ref` points."""

    checkpoint = serializers.CharField(source="checkpoint.name")
    state = serializers.ChoiceField([state.value for state in DeploymentState])
    fingerprint = FingerprintOut(allow_null=True)
    identity = serializers.ChoiceField([identity.value for identity in Identity])

    class Meta:
        model = Deployment
        fields = (
            "id",
            "checkpoint",
            "base_url",
            "upstream_model",
            "secret_ref",
            "weight",
            "state",
            "fingerprint",
            "probe_skipped_reason",
            "probed_at",
            "identity",
            "identity_sentence",
            "identity_asked_at",
            "created_at",
        )


class CheckpointDeployments(APIView):
    """Adds a deployment of a checkpoint."""

    @extend_schema(parameters=[NAME], request=DeploymentIn, responses={201: DeploymentOut})
    def post(self, request: Request, name: str) -> Response:
        """The deployment, added now or the same one before."""
        asked = DeploymentIn(data=request.data)
        asked.is_valid(raise_exception=True)
        checkpoint = checkpoint_named(name)
        added = add_deployment(
            actor=actor_of(request), checkpoint=checkpoint, **asked.validated_data
        )
        return Response(DeploymentOut(added).data, status=201)


class DisableDeployment(APIView):
    """Takes a deployment out of the traffic."""

    @extend_schema(request=DisableIn, responses=DeploymentOut)
    def post(self, request: Request, deployment_id: UUID) -> Response:
        asked = DisableIn(data=request.data)
        asked.is_valid(raise_exception=True)
        deployment = disable_deployment(
            actor=actor_of(request),
            deployment=deployment_with_id(deployment_id),
            **asked.validated_data,
        )
        return Response(DeploymentOut(deployment).data)


class EnableDeployment(APIView):
    """Puts a deployment back into the traffic, after asking it who it is."""

    @extend_schema(request=EnableIn, responses=DeploymentOut)
    def post(self, request: Request, deployment_id: UUID) -> Response:
        asked = EnableIn(data=request.data)
        asked.is_valid(raise_exception=True)
        deployment = enable_deployment(
            actor=actor_of(request),
            deployment=deployment_with_id(deployment_id),
            **asked.validated_data,
        )
        return Response(DeploymentOut(deployment).data)


urlpatterns = [
    path(
        "checkpoints/<checkpoint:name>/deployments/",
        CheckpointDeployments.as_view(),
        name="checkpoint-deployments",
    ),
    path(
        "deployments/<uuid:deployment_id>/disable/",
        DisableDeployment.as_view(),
        name="deployment-disable",
    ),
    path(
        "deployments/<uuid:deployment_id>/enable/",
        EnableDeployment.as_view(),
        name="deployment-enable",
    ),
]
