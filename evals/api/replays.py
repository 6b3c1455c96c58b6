"""Replays over the management API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.parameters import SUITE_NAME
from evals.api.runs import CapsIn, RunOut
from evals.caps import Caps
from evals.catalogues import catalogue_of
from evals.models import ReplaySet
from evals.selectors import replays as reads
from evals.selectors import runs as run_reads
from evals.services import replays as services
from evals.services import runs as run_services
from evals.services.comparisons import compare
from evals.services.replays import Sampling
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.errors import InvalidInput
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.pipelines import stage_named

AGAINST = OpenApiParameter(
    "against", {"type": "string", "maxLength": 120}, description="A checkpoint to compare with."
)


class ReplayWindowIn(serializers.Serializer):
    """Which conversations are drawn."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    n = serializers.IntegerField(min_value=1, max_value=services.MOST_CONVERSATIONS, default=500)
    seed = serializers.IntegerField(min_value=0, max_value=run_services.MOST_SEED, default=1)
    partner_cap = serializers.IntegerField(min_value=1, required=False)


class ReplayDrawIn(serializers.Serializer):
    """A set of partners' conversations of a stage."""

    name = serializers.RegexField(f"^{SUITE_NAME}$")
    stage = serializers.CharField(max_length=120)
    pipeline = serializers.CharField(max_length=120, default="", allow_blank=True)
    sampling = ReplayWindowIn()
    catalogue = serializers.JSONField(help_text='{"modes": [{mode, sentence, severity, grader}]}')
    checkpoint = serializers.CharField(max_length=120, required=False)


class ReplayImportIn(serializers.Serializer):
    """A public set: each conversation an object with `messages`."""

    name = serializers.RegexField(f"^{SUITE_NAME}$")
    lines = serializers.CharField(max_length=8_000_000, help_text="JSONL.")
    catalogue = serializers.JSONField(help_text='{"modes": [{mode, sentence, severity, grader}]}')


class ReplaySetOut(serializers.ModelSerializer):
    """A set of recorded conversations."""

    name = serializers.CharField(source="version.suite.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    n_conversations = serializers.IntegerField(source="version.n_cases", read_only=True)
    stage = serializers.CharField(
        source="stage.name", read_only=True, allow_null=True, default=None
    )
    catalogue = serializers.ListField(child=serializers.DictField(), read_only=True)
    sample = serializers.DictField(read_only=True)

    class Meta:
        model = ReplaySet
        fields = (
            *("id", "name", "version", "source", "stage", "since", "until", "sample"),
            *("catalogue", "catalogue_digest", "n_conversations", "n_eligible", "n_unusable"),
            *("n_partners", "made_by", "made_at"),
        )
        read_only_fields = fields


class ReplayMadeOut(serializers.Serializer):
    """The set, and whether it is new."""

    replay_set = ReplaySetOut()
    is_new = serializers.BooleanField()


class ReplayStartIn(serializers.Serializer):
    """Asks a checkpoint the set's last replies again; the same key starts one run."""

    set = serializers.CharField(max_length=100)
    checkpoint = serializers.CharField(max_length=120)
    repeats = serializers.IntegerField(min_value=1, max_value=run_services.MOST_REPEATS, default=1)
    concurrency = serializers.IntegerField(
        min_value=1, max_value=run_services.MOST_CONCURRENCY, default=4
    )
    idempotency_key = serializers.CharField(max_length=200, default="", allow_blank=True)
    caps = CapsIn(required=False)


class ReplayGradeIn(serializers.Serializer):
    """Grades what the record says the checkpoint replied, without a call of it."""

    set = serializers.CharField(max_length=100)
    checkpoint = serializers.CharField(max_length=120)
    idempotency_key = serializers.CharField(max_length=200, default="", allow_blank=True)


class ModeRateOut(serializers.Serializer):
    """One failure mode; the rate is null when nothing was graded."""

    mode = serializers.CharField()
    sentence = serializers.CharField()
    severity = serializers.CharField()
    n = serializers.IntegerField()
    n_missing = serializers.IntegerField()
    predicted_rate = serializers.FloatField(allow_null=True)
    lo = serializers.FloatField(allow_null=True)
    hi = serializers.FloatField(allow_null=True)
    method = serializers.CharField(allow_blank=True)
    n_clusters = serializers.IntegerField()
    blind_below = serializers.IntegerField(
        allow_null=True, help_text="N: rarer than 1 in N would probably not have been seen."
    )


class ModeDeltaOut(serializers.Serializer):
    """A mode's rate less the other's on the same prefixes; above 0 is worse."""

    mode = serializers.CharField()
    delta = serializers.FloatField(allow_null=True)
    lo = serializers.FloatField(allow_null=True)
    hi = serializers.FloatField(allow_null=True)
    verdict = serializers.CharField(help_text="Of the scores, as comparisons tell it.")


class ReplayOut(serializers.Serializer):
    """A replay: its run, what became of the conversations, and every mode."""

    run = RunOut()
    conversations = serializers.DictField(child=serializers.IntegerField())
    modes = ModeRateOut(many=True)
    deltas = ModeDeltaOut(many=True)


class ReplayQuery(serializers.Serializer):
    """What a replay is compared with."""

    against = serializers.CharField(max_length=120, required=False)


class ReplaySets(ListAPIView):
    """Sets of recorded conversations, newest first; POST draws one."""

    serializer_class = ReplaySetOut

    def get_queryset(self) -> QuerySet[ReplaySet]:
        return reads.replay_sets()

    @extend_schema(request=ReplayDrawIn, responses={201: ReplayMadeOut})
    def post(self, request: Request) -> Response:
        """200 when the same draw was made before."""
        data: dict[str, Any] = checked(ReplayDrawIn, request.data)
        only = data.get("checkpoint")
        made = services.draw_set(
            actor=actor_of(request),
            name=data["name"],
            stage=stage_named(data["stage"], data["pipeline"]),
            sampling=Sampling(**data["sampling"]),
            catalogue=catalogue_of(data["catalogue"]),
            checkpoint=checkpoint_named(only) if only else None,
        )
        return Response(ReplayMadeOut(made).data, status=201 if made.is_new else 200)


class ImportReplaySet(APIView):
    """A public set from JSONL."""

    @extend_schema(request=ReplayImportIn, responses={201: ReplayMadeOut})
    def post(self, request: Request) -> Response:
        data: dict[str, Any] = checked(ReplayImportIn, request.data)
        made = services.import_set(
            actor=actor_of(request),
            name=data["name"],
            lines=data["lines"].splitlines(),
            catalogue=catalogue_of(data["catalogue"]),
        )
        return Response(ReplayMadeOut(made).data, status=201 if made.is_new else 200)


class StartReplay(APIView):
    """An ordinary eval run over a set: resumable, capped, started once a key."""

    @extend_schema(request=ReplayStartIn, responses={201: RunOut})
    def post(self, request: Request) -> Response:
        data: dict[str, Any] = checked(ReplayStartIn, request.data)
        run = services.start_replay(
            actor=actor_of(request),
            replay_set=reads.replay_set_named(data.pop("set")),
            checkpoint=checkpoint_named(data.pop("checkpoint")),
            caps=Caps(**data.pop("caps", {})),
            **data,
        )
        return Response(RunOut(run_reads.run_with_id(run.pk)).data, status=201)


class GradeRecorded(APIView):
    """A run that grades recorded replies."""

    @extend_schema(request=ReplayGradeIn, responses={201: RunOut})
    def post(self, request: Request) -> Response:
        data: dict[str, Any] = checked(ReplayGradeIn, request.data)
        run = services.grade_recorded(
            actor=actor_of(request),
            replay_set=reads.replay_set_named(data["set"]),
            checkpoint=checkpoint_named(data["checkpoint"]),
            idempotency_key=data["idempotency_key"],
        )
        return Response(RunOut(run_reads.run_with_id(run.pk)).data, status=201)


class ReplayDetail(APIView):
    """One replay: the rate of every failure mode."""

    @extend_schema(parameters=[AGAINST], responses=ReplayOut)
    def get(self, request: Request, run_id: UUID) -> Response:
        """With `against`, also the difference on the same prefixes."""
        asked: dict[str, Any] = checked(ReplayQuery, request.query_params)
        run = reads.replay_with_id(run_id)
        deltas: list[reads.ModeDelta] = []
        if "against" in asked:
            other = reads.incumbent_run(run, checkpoint_named(asked["against"]).pk)
            if other is None:
                message = f"{asked['against']} has no completed replay of {run.version}."
                raise InvalidInput("no_completed_replay", message)
            deltas = reads.mode_deltas(run, compare(candidate_run=run, baseline_run=other))
        told = {
            "run": run_reads.run_with_id(run.pk),
            "conversations": reads.outcomes_of(run),
            "modes": reads.mode_rates(run),
            "deltas": deltas,
        }
        return Response(ReplayOut(told).data)
