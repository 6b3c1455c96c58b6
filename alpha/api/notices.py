"""Notices to partners, and recalls."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import exposure
from alpha.models import Notice
from alpha.services import notices
from alpha.services.notices import Message
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.pipelines import stage_named


class NoticeOut(serializers.ModelSerializer):
    stage = serializers.StringRelatedField(read_only=True, allow_null=True)
    checkpoint = serializers.SlugRelatedField(slug_field="name", read_only=True, allow_null=True)
    sent_by = serializers.StringRelatedField(read_only=True, allow_null=True)
    n_recipients = serializers.IntegerField()
    n_acknowledged = serializers.IntegerField()

    class Meta:
        model = Notice
        fields = (
            "id", "kind", "subject", "text", "stage", "checkpoint", "finding", "sent_by", "sent_at",
            "n_recipients", "n_acknowledged",
        )  # fmt: skip
        read_only_fields = fields


class ServedOut(serializers.Serializer):
    codenames = serializers.ListField(child=serializers.CharField())
    n_calls = serializers.IntegerField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()


class ToldOut(serializers.Serializer):
    """One partner's copy; `exposure` is what a recalled checkpoint has served it."""

    partner = serializers.CharField(source="recipient.partner.name")
    acknowledged_at = serializers.DateTimeField(source="recipient.acknowledged_at", allow_null=True)
    resolved = serializers.BooleanField(source="recipient.resolved", allow_null=True)
    answer = serializers.CharField(source="recipient.answer")
    exposure = ServedOut(allow_null=True)


class NoticeDetailOut(serializers.Serializer):
    notice = NoticeOut()
    told = ToldOut(many=True)


class MessageIn(serializers.Serializer):
    """What partners read. It must not name a checkpoint: they know codenames alone."""

    subject = serializers.CharField(max_length=notices.SUBJECT_LENGTH)
    text = serializers.CharField(max_length=notices.TEXT_LENGTH)


class NoticeIn(MessageIn):
    stage = serializers.CharField(max_length=200, help_text="Such as chat/closed-alpha.")


class RecallIn(MessageIn):
    checkpoint = serializers.CharField(max_length=120)


class Notices(ListAPIView):
    """Notices, newest first; POST tells every partner with a grant to a stage."""

    serializer_class = NoticeOut

    def get_queryset(self) -> QuerySet[Notice]:
        return exposure.notices()

    @extend_schema(request=NoticeIn, responses={201: NoticeOut})
    def post(self, request: Request) -> Response:
        data = checked(NoticeIn, request.data)
        made = notices.send_notice(
            actor=actor_of(request), stage=stage_named(data["stage"]), message=_message(data)
        )
        return Response(NoticeOut(exposure.notice_of(made.pk)).data, status=201)


class ExposedOut(ServedOut):
    """What a checkpoint served one partner."""

    partner = serializers.CharField(source="partner.name")


class RecallPreview(APIView):
    @extend_schema(responses=ExposedOut(many=True))
    def get(self, request: Request, name: str) -> Response:
        """Whom a recall of the checkpoint would tell, and what it served them."""
        exposed = exposure.exposed_to(checkpoint_named(name))
        return Response(ExposedOut(exposed, many=True).data)


class Recalls(APIView):
    @extend_schema(request=RecallIn, responses={201: NoticeOut})
    def post(self, request: Request) -> Response:
        """Takes a checkpoint out of every stage, and tells all whom it has served."""
        data = checked(RecallIn, request.data)
        made = notices.recall(
            actor=actor_of(request),
            checkpoint=checkpoint_named(data["checkpoint"]),
            message=_message(data),
        )
        return Response(NoticeOut(exposure.notice_of(made.pk)).data, status=201)


class NoticeDetail(APIView):
    @extend_schema(responses=NoticeDetailOut)
    def get(self, request: Request, notice_id: UUID) -> Response:
        """One notice, and who acknowledged it."""
        notice = exposure.notice_of(notice_id)
        found = {"notice": notice, "told": exposure.told(notice)}
        return Response(NoticeDetailOut(found).data)


def _message(data: dict[str, str]) -> Message:
    return Message(subject=data["subject"], text=data["text"])
