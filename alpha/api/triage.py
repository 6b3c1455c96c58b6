"""Triage of feedback: assigned, labelled, laid beside what was said before; saved filters."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors
from alpha.api.feedback import FeedbackOut
from alpha.models import Feedback, InboxFilter
from alpha.received_mail import COMMENT_LENGTH, LIMIT_BYTES
from alpha.services import feedback, imports, triage
from alpha.services.findings import LABEL_LENGTH, MAX_LABELS
from alpha.services.transcripts import attachment_of
from alpha.similarity import propose_groups, suggest_duplicates
from infra import people
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from infra.api.downloads import bytes_as_file
from releases.gates.severity import Severity


class TriageFeedbackIn(serializers.Serializer):
    """Who looks at it (null: nobody), how bad it is, which components it concerns.

    What is absent stays.
    """

    assignee = serializers.EmailField(max_length=254, required=False, allow_null=True)
    severity = serializers.ChoiceField(choices=[s.value for s in Severity], required=False)
    labels = serializers.ListField(
        child=serializers.CharField(max_length=LABEL_LENGTH), max_length=MAX_LABELS, required=False
    )


class DuplicateIn(ReasonIn):
    """The remark that it says again."""

    of = serializers.UUIDField()


class AlikeOut(serializers.Serializer):
    """An earlier remark; `score` in 0..1 is half alike in meaning, half in letters."""

    feedback = FeedbackOut()
    score = serializers.FloatField()


class GroupOut(serializers.Serializer):
    """Remarks that seem to be about one thing; nothing counts them before a person does."""

    sentence = serializers.CharField()
    n_partners = serializers.IntegerField()
    feedback = FeedbackOut(many=True, source="remarks")


class MessageContentIn(serializers.Serializer):
    """A mail as its .eml text, or a pasted text."""

    content = serializers.CharField(max_length=LIMIT_BYTES, trim_whitespace=False)
    partner = serializers.SlugField(max_length=80, required=False)


class ImportIn(MessageContentIn):
    """The same content once more, confirmed by who looked at its preview."""

    partner = serializers.SlugField(max_length=80)
    request_id = serializers.UUIDField(required=False, allow_null=True)
    thumbs_up = serializers.BooleanField(required=False, allow_null=True)


class PreviewOut(serializers.Serializer):
    """What would be written down; `is_bound`: the request id is a call of that partner."""

    is_mail = serializers.BooleanField(source="received.is_mail")
    sender = serializers.CharField(source="received.sender")
    subject = serializers.CharField(source="received.subject")
    comment = serializers.CharField(source="received.comment", max_length=COMMENT_LENGTH)
    request_id = serializers.UUIDField(source="received.request_id", allow_null=True)
    partner = serializers.StringRelatedField(read_only=True, allow_null=True)
    is_bound = serializers.BooleanField()
    known = serializers.UUIDField(source="known.pk", default=None, allow_null=True)


class FilterOut(serializers.ModelSerializer):
    class Meta:
        model = InboxFilter
        fields = ("name", "query", "saved_at")
        read_only_fields = fields


class FilterIn(serializers.Serializer):
    name = serializers.CharField(max_length=triage.FILTER_NAME_LENGTH)
    query = serializers.CharField(
        max_length=triage.QUERY_LENGTH, help_text="Such as state=new&severity=major."
    )


class FilterNameIn(serializers.Serializer):
    name = serializers.CharField(max_length=triage.FILTER_NAME_LENGTH)


class TriageFeedback(APIView):
    """Sets assignee, severity or labels."""

    @extend_schema(request=TriageFeedbackIn, responses=FeedbackOut)
    def post(self, request: Request, feedback_id: UUID) -> Response:
        data = checked(TriageFeedbackIn, request.data)
        row = triage.triage_feedback(
            actor=actor_of(request),
            feedback=get_object_or_404(Feedback, pk=feedback_id),
            assignee=people.person_named(data["assignee"]) if data.get("assignee") else None,
            unassign="assignee" in data and data["assignee"] is None,
            severity=Severity(data["severity"]) if "severity" in data else None,
            labels=data.get("labels"),
        )
        return Response(FeedbackOut(row).data)


class MarkDuplicate(APIView):
    """Says that the remark repeats an earlier one."""

    @extend_schema(request=DuplicateIn, responses=FeedbackOut)
    def post(self, request: Request, feedback_id: UUID) -> Response:
        data = checked(DuplicateIn, request.data)
        row = get_object_or_404(Feedback, pk=feedback_id)
        of = get_object_or_404(Feedback, pk=data["of"])
        feedback.mark_duplicate(actor=actor_of(request), feedback=row, of=of, reason=data["reason"])
        return Response(FeedbackOut(row).data)


class AlikeFeedback(APIView):
    """Earlier remarks that say much the same, best first: proposals."""

    @extend_schema(responses=AlikeOut(many=True))
    def get(self, request: Request, feedback_id: UUID) -> Response:
        row = get_object_or_404(Feedback, pk=feedback_id)
        return Response(AlikeOut(suggest_duplicates(row.comment, row.pk), many=True).data)


class FeedbackGroups(APIView):
    """New remarks as proposed groups, largest first."""

    @extend_schema(responses=GroupOut(many=True))
    def get(self, request: Request) -> Response:
        return Response(GroupOut(propose_groups(), many=True).data)


class PreviewMessage(APIView):
    """Reads a mail or a text and keeps nothing."""

    @extend_schema(request=MessageContentIn, responses=PreviewOut)
    def post(self, request: Request) -> Response:
        data = checked(MessageContentIn, request.data)
        name = data.get("partner")
        preview = imports.preview_import(
            actor=actor_of(request),
            content=data["content"].encode(),
            partner=selectors.partner_named(name) if name else None,
        )
        return Response(PreviewOut(preview).data)


class ImportMessage(APIView):
    """Writes a mail or a text down, once."""

    @extend_schema(request=ImportIn, responses={201: FeedbackOut})
    def post(self, request: Request) -> Response:
        data = checked(ImportIn, request.data)
        partner, actor = selectors.partner_named(data["partner"]), actor_of(request)
        preview = imports.preview_import(
            actor=actor, content=data["content"].encode(), partner=partner
        )
        row = imports.import_feedback(
            actor=actor,
            partner=partner,
            received=preview.received,
            thumbs_up=data.get("thumbs_up"),
            request_id=data.get("request_id"),
        )
        return Response(FeedbackOut(row).data, status=201)


class InboxFilters(ListAPIView):
    """One's own filters; POST saves one."""

    serializer_class = FilterOut
    pagination_class = None

    def get_queryset(self) -> QuerySet[InboxFilter]:
        return InboxFilter.objects.filter(person=actor_of(self.request).person_id)

    @extend_schema(request=FilterIn, responses={201: FilterOut})
    def post(self, request: Request) -> Response:
        row = triage.save_filter(actor=actor_of(request), **checked(FilterIn, request.data))
        return Response(FilterOut(row).data, status=201)


class DropFilter(APIView):
    """Forgets one's own filter."""

    @extend_schema(request=FilterNameIn, responses={204: None})
    def post(self, request: Request) -> Response:
        triage.drop_filter(actor=actor_of(request), **checked(FilterNameIn, request.data))
        return Response(status=204)


class Attachment(APIView):
    """The file that came with a remark, as it was sent."""

    @extend_schema(responses={200: OpenApiTypes.BINARY})
    def get(self, request: Request, feedback_id: UUID) -> HttpResponse:
        row = get_object_or_404(Feedback, pk=feedback_id)
        kept, content = attachment_of(actor=actor_of(request), feedback=row)
        return bytes_as_file(content, kept.name)


_BELOW = "feedback/<uuid:feedback_id>/"
urlpatterns: list[URLPattern] = [
    path("feedback/groups/", FeedbackGroups.as_view(), name="feedback-groups"),
    path("feedback/preview/", PreviewMessage.as_view(), name="feedback-preview"),
    path("feedback/import/", ImportMessage.as_view(), name="feedback-import"),
    path("feedback/filters/", InboxFilters.as_view(), name="feedback-filters"),
    path("feedback/filters/drop/", DropFilter.as_view(), name="feedback-filter-drop"),
    path(f"{_BELOW}triage/", TriageFeedback.as_view(), name="feedback-triage"),
    path(f"{_BELOW}duplicate/", MarkDuplicate.as_view(), name="feedback-duplicate"),
    path(f"{_BELOW}alike/", AlikeFeedback.as_view(), name="feedback-alike"),
    path(f"{_BELOW}attachment/", Attachment.as_view(), name="feedback-attachment"),
]
