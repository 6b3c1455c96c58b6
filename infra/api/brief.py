"""The brief over the management API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.brief.compose import brief_for
from infra.brief.contract import Answer, Tone


class BriefQuery(serializers.Serializer):
    """From when on."""

    since = serializers.DateTimeField(
        required=False,
        help_text="Of the last 14 days. Default: when you last looked at the page.",
    )


class BriefLineOut(serializers.Serializer):
    """One thing that waits, or is at risk."""

    title = serializers.CharField()
    sentence = serializers.CharField()
    address = serializers.CharField(help_text="Path within the console.")
    word = serializers.CharField(help_text="Its state.")
    tone = serializers.ChoiceField(choices=[tone.value for tone in Tone])
    act = serializers.CharField(help_text="What is done there; empty: look.")
    at = serializers.DateTimeField(allow_null=True)


class BriefChangeOut(serializers.Serializer):
    """What happened since, once a kind of event."""

    title = serializers.CharField()
    names = serializers.ListField(child=serializers.CharField(), help_text="The newest.")
    n = serializers.IntegerField()
    n_more = serializers.IntegerField(help_text="Events besides those of the names.")
    by = serializers.ListField(child=serializers.CharField())
    reason = serializers.CharField()
    address = serializers.CharField()
    at = serializers.DateTimeField()
    tone = serializers.ChoiceField(choices=[tone.value for tone in Tone])


class BriefVerdictOut(serializers.Serializer):
    """One component of last night's."""

    component = serializers.CharField()
    answer = serializers.ChoiceField(choices=[answer.value for answer in Answer])
    sentence = serializers.CharField()
    address = serializers.CharField()


class BriefNightOut(serializers.Serializer):
    """A checkpoint on a suite, held against another."""

    title = serializers.CharField()
    against = serializers.CharField()
    address = serializers.CharField()
    problem = serializers.CharField(help_text="Why there is no answer.")
    verdicts = BriefVerdictOut(many=True, help_text="The worse ones first, 8 at most.")
    n_better = serializers.IntegerField()
    n_worse = serializers.IntegerField()
    n_cant_tell = serializers.IntegerField()
    at = serializers.DateTimeField()


class BriefTrafficOut(serializers.Serializer):
    """Today's calls of a codename, since midnight UTC."""

    codename = serializers.CharField()
    checkpoint = serializers.CharField()
    address = serializers.CharField()
    n_requests = serializers.IntegerField()
    n_failed = serializers.IntegerField()
    n_partners = serializers.IntegerField()


class BriefOut(serializers.Serializer):
    """What one person should know this morning."""

    name = serializers.CharField(help_text="Whom it is for.")
    headline = serializers.CharField()
    made_at = serializers.DateTimeField()
    since = serializers.DateTimeField()
    waits = BriefLineOut(many=True, help_text="What this person can move.")
    risks = BriefLineOut(many=True)
    changes = BriefChangeOut(many=True)
    nights = BriefNightOut(many=True)
    next_steps = serializers.ListField(child=serializers.CharField())
    traffic = BriefTrafficOut(many=True)


class BriefView(APIView):
    """What changed, what waits for the caller, what is at risk; asking marks nothing as seen."""

    @extend_schema(parameters=[BriefQuery], responses=BriefOut)
    def get(self, request: Request) -> Response:
        asked = checked(BriefQuery, request.query_params)
        return Response(BriefOut(brief_for(actor_of(request), asked.get("since"))).data)
