"""The inbox of what partners said."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors
from alpha.models import Feedback
from alpha.services import feedback
from alpha.states import FeedbackState
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from releases.gates.severity import Severity


class FeedbackOut(serializers.ModelSerializer):
    partner = serializers.SlugRelatedField(slug_field="name", read_only=True)
    checkpoint = serializers.SlugRelatedField(slug_field="name", read_only=True, allow_null=True)
    stage = serializers.StringRelatedField(read_only=True, allow_null=True)
    assignee = serializers.StringRelatedField(read_only=True, allow_null=True)

    class Meta:
        model = Feedback
        exclude = ("key", "idempotency_key", "entered_by", "indexed_at")
        read_only_fields = [f.name for f in Feedback._meta.fields]


class FeedbackIn(serializers.Serializer):
    """What a partner said by e-mail or in a call."""

    partner = serializers.SlugField(max_length=80)
    comment = serializers.CharField(max_length=20_000)
    request_id = serializers.UUIDField(required=False, allow_null=True)
    thumbs_up = serializers.BooleanField(required=False, allow_null=True)
    rating = serializers.IntegerField(
        required=False, allow_null=True, min_value=-1000, max_value=1000
    )
    correction = serializers.CharField(
        max_length=20_000, required=False, allow_blank=True, default=""
    )


class Filters(serializers.Serializer):
    state = serializers.ChoiceField(choices=[s.value for s in FeedbackState], required=False)
    partner = serializers.SlugField(max_length=80, required=False)
    checkpoint = serializers.CharField(max_length=120, required=False)
    severity = serializers.ChoiceField(choices=[s.value for s in Severity], required=False)
    label = serializers.CharField(max_length=100, required=False)
    assignee = serializers.CharField(max_length=254, required=False)
    q = serializers.CharField(max_length=200, required=False)


class Inbox(ListAPIView):
    """Feedback, newest first; POST enters it on behalf of a partner."""

    serializer_class = FeedbackOut

    def get_queryset(self) -> QuerySet[Feedback]:
        filters = Filters(data=self.request.query_params)
        filters.is_valid(raise_exception=True)
        return selectors.inbox(**filters.validated_data)

    @extend_schema(
        parameters=[
            OpenApiParameter("state", enum=[s.value for s in FeedbackState]),
            OpenApiParameter("partner", {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"}),
            OpenApiParameter("checkpoint", {"type": "string", "maxLength": 120}),
            OpenApiParameter("severity", enum=[s.value for s in Severity]),
            OpenApiParameter("label", {"type": "string", "maxLength": 100}),
            OpenApiParameter("assignee", {"type": "string", "maxLength": 254}),
            OpenApiParameter("q", {"type": "string", "maxLength": 200}),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=FeedbackIn, responses={201: FeedbackOut})
    def post(self, request: Request) -> Response:
        data = checked(FeedbackIn, request.data)
        values = dict(data)
        partner = selectors.partner_named(values.pop("partner"))
        entered = feedback.enter_feedback(actor=actor_of(request), partner=partner, **values)
        return Response(FeedbackOut(entered).data, status=201)


class FeedbackDetail(APIView):
    @extend_schema(responses=FeedbackOut)
    def get(self, request: Request, feedback_id: UUID) -> Response:
        return Response(FeedbackOut(get_object_or_404(Feedback, pk=feedback_id)).data)


class Dismiss(APIView):
    """Puts the remark aside, with a reason."""

    @extend_schema(request=ReasonIn, responses=FeedbackOut)
    def post(self, request: Request, feedback_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        row = get_object_or_404(Feedback, pk=feedback_id)
        feedback.dismiss(actor=actor_of(request), feedback=row, **data)
        return Response(FeedbackOut(row).data)


class Reopen(APIView):
    """Takes a dismissed remark up again."""

    @extend_schema(request=ReasonIn, responses=FeedbackOut)
    def post(self, request: Request, feedback_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        row = get_object_or_404(Feedback, pk=feedback_id)
        feedback.reopen(actor=actor_of(request), feedback=row, **data)
        return Response(FeedbackOut(row).data)
