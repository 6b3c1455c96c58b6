"""What a person was told, and how it chose to be told, over the management API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.errors import NotFound
from infra.models import Mail
from infra.notifications import choices, mailing, morning, outbox
from infra.notifications.kinds import Kind, MailState, Way


class NotificationOut(serializers.ModelSerializer):
    """One thing that the caller was told, and what became of its e-mail."""

    kind = serializers.ChoiceField(
        source="notification.kind", choices=[kind.value for kind in Kind], read_only=True
    )
    title = serializers.CharField(source="notification.title", read_only=True)
    text = serializers.CharField(source="notification.text", read_only=True)
    link = serializers.SerializerMethodField()
    at = serializers.DateTimeField(source="notification.at", read_only=True)

    class Meta:
        model = Mail
        fields = (
            "id",
            "kind",
            "title",
            "text",
            "link",
            "at",
            "state",
            "n_attempts",
            "sent_at",
            "problem",
        )
        read_only_fields = fields

    def get_link(self, mail: Mail) -> str:
        """The page, with the console's address before it."""
        return outbox.address_of(mail.notification.link) if mail.notification else ""


class ChoicesBody(serializers.Serializer):
    """How the caller hears of each kind."""

    decision = serializers.ChoiceField(choices=[way.value for way in Way], required=False)
    halt = serializers.ChoiceField(choices=[way.value for way in Way], required=False)
    incident = serializers.ChoiceField(choices=[way.value for way in Way], required=False)
    expiry = serializers.ChoiceField(choices=[way.value for way in Way], required=False)
    brief = serializers.ChoiceField(choices=[way.value for way in Way], required=False)


class TestMailOut(serializers.Serializer):
    """Where the test mail went."""

    address = serializers.EmailField()


class SentBriefOut(serializers.Serializer):
    """Where today's Brief goes."""

    address = serializers.EmailField()
    brief_on = serializers.DateField()
    state = serializers.ChoiceField(choices=[state.value for state in MailState])


class Notifications(ListAPIView):
    """What the caller was told, newest first."""

    serializer_class = NotificationOut

    def get_queryset(self) -> QuerySet[Mail]:
        person_id = actor_of(self.request).must_be_person("be told of anything")
        return outbox.told_to(person_id)


class Choices(APIView):
    """How the caller hears of each kind of notification; PUT changes those that it names."""

    @extend_schema(responses=ChoicesBody)
    def get(self, request: Request) -> Response:
        person_id = actor_of(request).must_be_person("choose how to be told")
        return Response(_body(choices.ways_of(person_id)))

    @extend_schema(request=ChoicesBody, responses=ChoicesBody)
    def put(self, request: Request) -> Response:
        data = checked(ChoicesBody, request.data)
        ways = {Kind(kind): Way(way) for kind, way in data.items()}
        return Response(_body(choices.choose_ways(actor=actor_of(request), ways=ways)))


class SendMailAgain(APIView):
    """A mail of the caller's that failed goes out again."""

    @extend_schema(request=None, responses=NotificationOut)
    def post(self, request: Request, mail_id: UUID) -> Response:
        found = Mail.objects.filter(pk=mail_id, notification__isnull=False).first()
        if found is None:
            raise NotFound("no_such_mail", "You have no such mail.")
        return Response(
            NotificationOut(mailing.send_again(actor=actor_of(request), mail=found)).data
        )


class TestMail(APIView):
    """One mail to the caller's own address now."""

    @extend_schema(request=None, responses=TestMailOut)
    def post(self, request: Request) -> Response:
        return Response({"address": mailing.send_test(actor=actor_of(request))})


class SendBrief(APIView):
    """The caller's Brief of today into the outbox, once a day."""

    @extend_schema(request=None, responses=SentBriefOut)
    def post(self, request: Request) -> Response:
        row = morning.write_own(actor=actor_of(request))
        return Response({"address": row.address, "brief_on": row.brief_on, "state": row.state})


def _body(ways: choices.Ways) -> dict[str, Any]:
    return {kind.value: way.value for kind, way in ways.items()}
