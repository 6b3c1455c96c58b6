"""Webhook endpoints and their deliveries over the management API."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra import webhooks
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from infra.delivery_states import DeliveryState
from infra.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint

NAME = "^[a-z0-9][a-z0-9_-]{0,79}$"


class EndpointIn(serializers.Serializer):
    """An address to tell; the secret itself is not kept."""

    name = serializers.RegexField(NAME)
    url = serializers.CharField(max_length=500)
    secret_ref = serializers.CharField(max_length=300)


class EndpointOut(serializers.ModelSerializer):
    """An address that is told."""

    class Meta:
        model = WebhookEndpoint
        fields = ("id", "name", "url", "secret_ref", "is_enabled", "created_by", "created_at")
        read_only_fields = fields


class AttemptOut(serializers.ModelSerializer):
    """One call."""

    class Meta:
        model = WebhookAttempt
        fields = ("at", "status", "problem", "duration_ms")
        read_only_fields = fields


class DeliveryOut(serializers.ModelSerializer):
    """One message for one endpoint, with every call that was made."""

    endpoint = serializers.CharField(source="endpoint.name", read_only=True)
    attempts = AttemptOut(many=True, read_only=True)

    class Meta:
        model = WebhookDelivery
        fields = (
            "id",
            "endpoint",
            "event",
            "subject",
            "ordered_by",
            "state",
            "n_attempts",
            "next_attempt_at",
            "created_at",
            "delivered_at",
            "attempts",
        )
        read_only_fields = fields


class DeliveryDetailOut(DeliveryOut):
    """One message with the very body that is signed and sent."""

    body = serializers.CharField(read_only=True)

    class Meta(DeliveryOut.Meta):
        fields = (*DeliveryOut.Meta.fields, "body")
        read_only_fields = fields


class SwitchIn(ReasonIn):
    """On or off."""

    enabled = serializers.BooleanField()


class Endpoints(ListAPIView):
    """Addresses that are told; POST adds one."""

    serializer_class = EndpointOut
    queryset = WebhookEndpoint.objects.all()

    @extend_schema(request=EndpointIn, responses={201: EndpointOut})
    def post(self, request: Request) -> Response:
        data = checked(EndpointIn, request.data)
        made = webhooks.add_endpoint(actor=actor_of(request), **data)
        return Response(EndpointOut(made).data, status=201)


class Switch(APIView):
    """Tells the address again, or no longer."""

    @extend_schema(request=SwitchIn, responses=EndpointOut)
    def post(self, request: Request, name: str) -> Response:
        data = checked(SwitchIn, request.data)
        row = webhooks.enable_endpoint(
            actor=actor_of(request), endpoint=webhooks.endpoint_named(name), **data
        )
        return Response(EndpointOut(row).data)


class SendTest(APIView):
    """One signed message to the address now, tried once."""

    @extend_schema(request=None, responses=DeliveryOut)
    def post(self, request: Request, name: str) -> Response:
        """What came of it, with the call."""
        actor = actor_of(request)
        found = webhooks.send_test(actor=actor, endpoint=webhooks.endpoint_named(name))
        return Response(DeliveryOut(found).data)


class SecretOut(serializers.Serializer):
    """A secret that is kept nowhere: put it where the endpoint's reference points."""

    secret = serializers.CharField()


class NewSecret(APIView):
    """Makes a secret that can sign; this answer is the only place where it stands."""

    @extend_schema(request=None, responses=SecretOut)
    def post(self, request: Request) -> Response:
        actor_of(request).must("make webhook secrets", *webhooks.KEEPERS)
        answer = Response({"secret": webhooks.new_secret()})
        answer["Cache-Control"] = "no-store"
        return answer


class DeliveryFilters(serializers.Serializer):
    """Which of the messages."""

    subject = serializers.UUIDField(required=False)
    endpoint = serializers.RegexField(NAME, required=False)
    state = serializers.ChoiceField(choices=[s.value for s in DeliveryState], required=False)


class Deliveries(ListAPIView):
    """What was told, newest first; of one subject, such as a set of runs, when given."""

    serializer_class = DeliveryOut

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        asked = checked(DeliveryFilters, self.request.query_params)
        return webhooks.deliveries(**{name: str(value) for name, value in asked.items()})

    @extend_schema(parameters=[DeliveryFilters])
    def get(self, request: Request, *args: object, **kwargs: object) -> Response:
        return super().get(request, *args, **kwargs)


class DeliveryView(RetrieveAPIView):
    """One message: its body, and every call with its answer."""

    serializer_class = DeliveryDetailOut

    def get_object(self) -> WebhookDelivery:
        return webhooks.delivery_with_id(self.kwargs["delivery_id"])


class SendAgain(APIView):
    """The same message under the same id."""

    @extend_schema(request=ReasonIn, responses=DeliveryOut)
    def post(self, request: Request, delivery_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        found = webhooks.delivery_with_id(delivery_id)
        webhooks.send_again(actor=actor_of(request), delivery=found, **data)
        return Response(DeliveryOut(webhooks.delivery_with_id(delivery_id)).data)
