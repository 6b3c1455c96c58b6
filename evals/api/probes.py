"""Probes over the management API: designed, reviewed, started, concluded."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.models import Probe, ProbeHypothesis, ProbePair
from evals.probes.changes import TEMPLATES
from evals.probes.planning import design_sentence
from evals.selectors import probes as reads
from evals.services.probes import concluding, design, documents, review, running
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from infra.api.fields import JSONValue

FINDING = OpenApiParameter("finding", {"type": "string", "format": "uuid"})


class ProbeOut(serializers.ModelSerializer):
    """A probe with how large it is, and what it came to."""

    created_by = serializers.SlugRelatedField(slug_field="name", read_only=True)
    n_prompts = serializers.IntegerField(read_only=True)
    n_hypotheses = serializers.IntegerField(read_only=True)
    n_checkpoints = serializers.IntegerField(read_only=True)
    n_unreviewed = serializers.IntegerField(read_only=True)

    class Meta:
        model = Probe
        fields = (
            *("id", "finding", "title", "state", "verdict", "sentence", "repeats"),
            *("n_prompts", "n_hypotheses", "n_checkpoints", "n_unreviewed"),
            *("created_by", "created_at", "started_at", "ended_at"),
        )
        read_only_fields = fields


class ProbeHypothesisOut(serializers.ModelSerializer):
    """A hypothesis of a probe."""

    class Meta:
        model = ProbeHypothesis
        fields = ("id", "name", "component", "sentence", "source")
        read_only_fields = fields


class ProbeRunOut(serializers.Serializer):
    """A checkpoint and its run; null before the start."""

    checkpoint = serializers.CharField(source="checkpoint.name")
    run = serializers.UUIDField(source="run_id", allow_null=True)
    state = serializers.CharField(source="run.state", default=None, allow_null=True)


class ProbeDetailOut(ProbeOut):
    """As in the list, with the design, its runs, and all that was worked out."""

    graders = JSONValue()
    request = JSONValue()
    result = JSONValue(allow_null=True)
    hypotheses = ProbeHypothesisOut(many=True, read_only=True)
    runs = ProbeRunOut(many=True, read_only=True, source="probe_runs")
    design = serializers.SerializerMethodField()

    class Meta(ProbeOut.Meta):
        fields = (
            *ProbeOut.Meta.fields,
            *("question", "graders", "request", "seed", "may_stop_early", "most_cost_micros"),
            *("most_tokens", "most_seconds", "hypotheses", "runs", "design", "result"),
        )
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_design(self, probe: Probe) -> str:
        return design_sentence(reads.design_of(probe))


class ProbePairOut(serializers.ModelSerializer):
    """An original request and its changed version."""

    hypothesis = serializers.SlugRelatedField(slug_field="name", read_only=True)
    prompt = serializers.IntegerField(source="prompt.number", read_only=True)
    original = JSONValue(source="prompt.asked")
    changed = JSONValue()
    reviewed_by = serializers.SlugRelatedField(slug_field="name", read_only=True)

    class Meta:
        model = ProbePair
        fields = (
            *("id", "hypothesis", "prompt", "original", "changed", "state", "was_edited"),
            *("reviewed_by", "reviewed_at"),
        )
        read_only_fields = fields


class ProbeTemplateOut(serializers.Serializer):
    """A kind of hypothesis that pairs are generated from."""

    name = serializers.CharField()
    component = serializers.CharField()
    sentence = serializers.CharField()


class ProbeIn(serializers.Serializer):
    """A probe's document, as `manage.py probe create` reads it."""

    probe = JSONValue(help_text="finding, title, checkpoints, prompts, templates, graders, …")


class ReviewIn(serializers.Serializer):
    """Which pairs, and whether they run."""

    pairs = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=6000)
    approve = serializers.BooleanField()


class EditPairIn(serializers.Serializer):
    """Some of messages, tools, request and serving; the rest of the pair stays."""

    changed = serializers.DictField(child=JSONValue())


class ReviewedOut(serializers.Serializer):
    """How many pairs were reviewed, and how many wait."""

    n_reviewed = serializers.IntegerField()
    n_unreviewed = serializers.IntegerField()


class Probes(ListAPIView):
    """Every probe, of one finding where it is given; POST designs one."""

    serializer_class = ProbeOut

    def get_queryset(self) -> QuerySet[Probe]:
        given = self.request.query_params.get("finding")
        return reads.probes(serializers.UUIDField().run_validation(given) if given else None)

    @extend_schema(parameters=[FINDING])
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(request=ProbeIn, responses={201: ProbeDetailOut})
    def post(self, request: Request) -> Response:
        document = checked(ProbeIn, request.data)["probe"]
        made = documents.create_from_document(actor=actor_of(request), document=document)
        return Response(_detail(made.pk), status=201)


class ProbeTemplates(APIView):
    """The kinds of hypotheses that pairs are generated from."""

    @extend_schema(responses=ProbeTemplateOut(many=True))
    def get(self, request: Request) -> Response:
        return Response(ProbeTemplateOut(TEMPLATES.values(), many=True).data)


class ProbeDetail(APIView):
    """One probe."""

    @extend_schema(responses=ProbeDetailOut)
    def get(self, request: Request, probe_id: UUID) -> Response:
        return Response(_detail(probe_id))


class ProbePairs(ListAPIView):
    """A probe's pairs, by hypothesis and prompt."""

    serializer_class = ProbePairOut

    def get_queryset(self) -> QuerySet[ProbePair]:
        if getattr(self, "swagger_fake_view", False):
            return ProbePair.objects.none()
        # Prompts may be a partner's words: whoever may design may read them.
        design.must_design(actor_of(self.request))
        return reads.pairs_of(reads.probe_with_id(self.kwargs["probe_id"]))

    def get(self, request: Request, probe_id: UUID) -> Response:
        return self.list(request)


class ReviewPairs(APIView):
    """Approves or drops pairs, all or none."""

    @extend_schema(request=ReviewIn, responses=ReviewedOut)
    def post(self, request: Request, probe_id: UUID) -> Response:
        data = checked(ReviewIn, request.data)
        probe = reads.probe_with_id(probe_id)
        found = review.review_pairs(
            actor=actor_of(request), probe=probe, pair_ids=data["pairs"], approve=data["approve"]
        )
        left = reads.probe_with_id(probe_id).n_unreviewed
        body = {"n_reviewed": len(found), "n_unreviewed": left}
        return Response(ReviewedOut(body).data)


class EditPair(APIView):
    """Puts another changed request in a pair's place, approved by whoever edits it."""

    @extend_schema(request=EditPairIn, responses=ProbePairOut)
    def post(self, request: Request, probe_id: UUID, pair_id: UUID) -> Response:
        changed = checked(EditPairIn, request.data)["changed"]
        pair = reads.pair_with_id(reads.probe_with_id(probe_id), pair_id)
        made = review.edit_pair(actor=actor_of(request), pair=pair, changed=changed)
        return Response(ProbePairOut(made).data)


class StartProbe(APIView):
    """Starts one run a checkpoint."""

    @extend_schema(request=None, responses=ProbeDetailOut)
    def post(self, request: Request, probe_id: UUID) -> Response:
        running.start_probe(actor=actor_of(request), probe=reads.probe_with_id(probe_id))
        return Response(_detail(probe_id))


class ConcludeProbe(APIView):
    """Concludes a probe whose runs are over; answers that nobody rated count as missing."""

    @extend_schema(request=ReasonIn, responses=ProbeDetailOut)
    def post(self, request: Request, probe_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        probe = reads.probe_with_id(probe_id)
        concluding.conclude_probe(actor=actor_of(request), probe=probe, **data)
        return Response(_detail(probe_id))


class AbandonProbe(APIView):
    """Gives a probe up."""

    @extend_schema(request=ReasonIn, responses=ProbeDetailOut)
    def post(self, request: Request, probe_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        probe = reads.probe_with_id(probe_id)
        design.abandon_probe(actor=actor_of(request), probe=probe, **data)
        return Response(_detail(probe_id))


def _detail(probe_id: UUID) -> Any:
    return ProbeDetailOut(reads.probe_with_id(probe_id)).data
