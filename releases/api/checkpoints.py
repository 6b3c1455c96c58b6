"""Checkpoints, families and prices over the management API."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra import clock
from infra.api.authentication import actor_of
from infra.api.fields import JSONValue
from releases.api.deployments import DeploymentOut
from releases.api.parameters import NAME
from releases.models import Checkpoint, Family, Price
from releases.registration import NAME_PATTERN
from releases.selectors import checkpoints as selectors
from releases.services import checkpoints as services
from releases.services.prices import MAX_MICROS, set_price
from releases.states import CheckpointKind


class ManifestFileIn(serializers.Serializer):
    """One file of a manifest."""

    path = serializers.CharField(max_length=1000)
    size = serializers.IntegerField(min_value=0, max_value=2**53)
    sha256 = serializers.RegexField(r"^[0-9a-fA-F]{64}$")


class SamplingIn(serializers.Serializer):
    """Sampling defaults; other keys are refused."""

    temperature = serializers.FloatField(min_value=0, max_value=2, required=False)
    top_p = serializers.FloatField(min_value=0, max_value=1, required=False)
    top_k = serializers.IntegerField(min_value=0, max_value=1_000_000, required=False)
    min_p = serializers.FloatField(min_value=0, max_value=1, required=False)
    seed = serializers.IntegerField(min_value=-(2**63), max_value=2**63 - 1, required=False)
    max_tokens = serializers.IntegerField(min_value=1, max_value=10_000_000, required=False)
    max_completion_tokens = serializers.IntegerField(
        min_value=1, max_value=10_000_000, required=False
    )
    presence_penalty = serializers.FloatField(min_value=-2, max_value=2, required=False)
    frequency_penalty = serializers.FloatField(min_value=-2, max_value=2, required=False)
    repeat_penalty = serializers.FloatField(min_value=0, max_value=10, required=False)
    stop = JSONValue(required=False, help_text="A text, or a list of at most 16.")


class ServingIn(serializers.Serializer):
    """What a checkpoint brings to every request."""

    system_prompt = serializers.CharField(
        required=False, allow_blank=True, max_length=200_000, trim_whitespace=False
    )
    sampling = SamplingIn(required=False)
    template = serializers.CharField(
        required=False, allow_blank=True, max_length=100_000, trim_whitespace=False
    )


class CheckpointIn(serializers.Serializer):
    """A registration; unknown keys are refused, and every file is read before it is believed."""

    family = serializers.RegexField(r"^[a-z0-9][a-z0-9_-]{0,59}$")
    size = serializers.RegexField(r"^[a-z0-9][a-z0-9._-]{0,39}$")
    name = serializers.RegexField(f"^{NAME_PATTERN}$")
    kind = serializers.ChoiceField([kind.value for kind in CheckpointKind])
    artifact_uri = serializers.CharField(
        max_length=490, help_text="The folder: s3://bucket/prefix or file:///folder."
    )
    context_window = serializers.IntegerField(min_value=1, max_value=100_000_000)
    owner = serializers.CharField(
        required=False, max_length=254, help_text="Login or e-mail; default: whoever registers."
    )
    parent = serializers.CharField(required=False, max_length=120, help_text="A checkpoint's name.")
    manifest = ManifestFileIn(
        many=True, required=False, help_text="Made from the stored files when left out."
    )
    serving = ServingIn(required=False)
    notes = serializers.CharField(
        required=False, allow_blank=True, max_length=20_000, trim_whitespace=False
    )


class PriceIn(serializers.Serializer):
    """A price from a moment on, in micro-units of the currency per million tokens."""

    currency = serializers.RegexField(r"^[A-Z]{3}$")
    input_micros_per_million = serializers.IntegerField(min_value=0, max_value=MAX_MICROS)
    cached_input_micros_per_million = serializers.IntegerField(
        min_value=0, max_value=MAX_MICROS, required=False, help_text="Default: as input."
    )
    output_micros_per_million = serializers.IntegerField(min_value=0, max_value=MAX_MICROS)
    effective_at = serializers.DateTimeField(required=False, help_text="Default: now.")


class PriceOut(serializers.ModelSerializer):
    """A price."""

    class Meta:
        model = Price
        fields = (
            "id",
            "currency",
            "input_micros_per_million",
            "cached_input_micros_per_million",
            "output_micros_per_million",
            "effective_at",
        )


class FamilyOut(serializers.ModelSerializer):
    """A family."""

    n_checkpoints = serializers.IntegerField(read_only=True)

    class Meta:
        model = Family
        fields = ("id", "name", "created_at", "n_checkpoints")


class ManifestFileOut(serializers.Serializer):
    """One file of a manifest."""

    path = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()


class ServingOut(serializers.Serializer):
    """What a checkpoint brings to every request."""

    system_prompt = serializers.CharField()
    sampling = serializers.DictField()
    template = serializers.CharField()


class CheckpointOut(serializers.ModelSerializer):
    """A checkpoint without its manifest."""

    family = serializers.CharField(source="family.name")
    owner = serializers.CharField(source="owner.email")
    parent = serializers.CharField(source="parent.name", allow_null=True, default=None)

    class Meta:
        model = Checkpoint
        fields = (
            "id",
            "family",
            "size",
            "name",
            "owner",
            "parent",
            "kind",
            "artifact_uri",
            "manifest_digest",
            "context_window",
            "notes",
            "checkpoint_digest",
            "registered_at",
        )


class CheckpointDetailOut(CheckpointOut):
    """A checkpoint with its files, serving defaults, deployments and the price in force."""

    manifest = ManifestFileOut(many=True)
    serving = serializers.SerializerMethodField()
    deployments = DeploymentOut(many=True)
    price = serializers.SerializerMethodField()

    class Meta(CheckpointOut.Meta):
        fields = (*CheckpointOut.Meta.fields, "manifest", "serving", "deployments", "price")

    @extend_schema_field(ServingOut)
    def get_serving(self, checkpoint: Checkpoint) -> dict[str, Any]:
        return checkpoint.serving

    @extend_schema_field(PriceOut(allow_null=True))
    def get_price(self, checkpoint: Checkpoint) -> Any:
        price = selectors.price_at(checkpoint.pk, clock.now())
        return None if price is None else PriceOut(price).data


class CheckpointFilter(serializers.Serializer):
    """Which checkpoints are listed."""

    family = serializers.CharField(required=False, allow_blank=True, max_length=60)
    size = serializers.CharField(required=False, allow_blank=True, max_length=40)


class Checkpoints(ListAPIView):
    """Registers checkpoints and lists them, newest first."""

    serializer_class = CheckpointOut

    def get_queryset(self) -> Any:
        asked = CheckpointFilter(data=self.request.query_params)
        asked.is_valid(raise_exception=True)
        return selectors.checkpoints(**asked.validated_data)

    @extend_schema(parameters=[CheckpointFilter])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=CheckpointIn, responses={201: CheckpointDetailOut, 200: CheckpointDetailOut}
    )
    def post(self, request: Request) -> Response:
        """201: registered. 200: the very same checkpoint was registered before."""
        CheckpointIn(data=request.data).is_valid(raise_exception=True)
        done = services.register_checkpoint(actor=actor_of(request), document=request.data)
        body = CheckpointDetailOut(done.checkpoint).data
        return Response(body, status=201 if done.created else 200)


class CheckpointDetail(APIView):
    """One checkpoint."""

    @extend_schema(parameters=[NAME], responses=CheckpointDetailOut)
    def get(self, request: Request, name: str) -> Response:
        return Response(CheckpointDetailOut(selectors.checkpoint_named(name)).data)


class CheckpointPrices(APIView):
    """Sets what a checkpoint costs."""

    @extend_schema(parameters=[NAME], request=PriceIn, responses={201: PriceOut})
    def post(self, request: Request, name: str) -> Response:
        """The price, set now or the same one before."""
        asked = PriceIn(data=request.data)
        asked.is_valid(raise_exception=True)
        checkpoint = selectors.checkpoint_named(name)
        price = set_price(actor=actor_of(request), checkpoint=checkpoint, **asked.validated_data)
        return Response(PriceOut(price).data, status=201)


class Families(ListAPIView):
    """Every family."""

    serializer_class = FamilyOut

    def get_queryset(self) -> Any:
        return selectors.families()


urlpatterns = [
    path("families/", Families.as_view(), name="families"),
    path("checkpoints/", Checkpoints.as_view(), name="checkpoints"),
    path("checkpoints/<checkpoint:name>/", CheckpointDetail.as_view(), name="checkpoint"),
    path(
        "checkpoints/<checkpoint:name>/prices/",
        CheckpointPrices.as_view(),
        name="checkpoint-prices",
    ),
]
