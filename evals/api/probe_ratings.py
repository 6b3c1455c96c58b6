"""A probe's answers over the management API, rated blind."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals import outputs
from evals.models import ProbeAnswer
from evals.selectors import probes as reads
from evals.services.probes import rating
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.api.fields import JSONValue


class ProbeAnswerOut(serializers.ModelSerializer):
    """An answer to rate: the original question and the text, no arm and no checkpoint."""

    messages = JSONValue(source="prompt.asked.messages")
    output = serializers.SerializerMethodField()

    class Meta:
        model = ProbeAnswer
        fields = ("id", "messages", "output")
        read_only_fields = fields

    def get_output(self, answer: ProbeAnswer) -> str:
        found = outputs.unpack(answer.result.output)
        return found.text if found else ""


class NextProbeAnswerOut(serializers.Serializer):
    """The next answer for this rater; null when nothing is left."""

    question = serializers.CharField()
    answer = ProbeAnswerOut(allow_null=True)
    n_answers = serializers.IntegerField()
    n_mine = serializers.IntegerField()


class RateIn(serializers.Serializer):
    """Whether the answer fails."""

    failed = JSONValue(help_text="true or false")


class ProbeRatingOut(serializers.Serializer):
    """What was kept."""

    answer = serializers.UUIDField(source="answer_id")
    failed = serializers.BooleanField()
    rated_at = serializers.DateTimeField()


class NextProbeAnswer(APIView):
    """What this rater is asked next."""

    @extend_schema(responses=NextProbeAnswerOut)
    def get(self, request: Request, probe_id: UUID) -> Response:
        actor = actor_of(request)
        probe = reads.probe_with_id(probe_id)
        answer = rating.next_answer(actor=actor, probe=probe)
        progress = reads.rating_progress(probe, actor.person_id)
        body = {
            "question": probe.question,
            "answer": answer,
            "n_answers": progress.n_answers,
            "n_mine": progress.n_mine,
        }
        return Response(NextProbeAnswerOut(body).data)


class RateProbeAnswer(APIView):
    """Keeps one rater's judgement of one answer."""

    @extend_schema(request=RateIn, responses={201: ProbeRatingOut})
    def post(self, request: Request, probe_id: UUID, answer_id: UUID) -> Response:
        failed = checked(RateIn, request.data)["failed"]
        made = rating.rate_answer(
            actor=actor_of(request),
            probe=reads.probe_with_id(probe_id),
            answer_id=answer_id,
            failed=failed,
        )
        return Response(ProbeRatingOut(made).data, status=201)
