"""Labels for judges over the management API: drawn, handed out blind, given."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.judges import NAME
from evals.judging import LONGEST_CHOICE
from evals.models import LabelItem
from evals.selectors import judges as reads
from evals.selectors import runs
from evals.services import labels
from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.api.fields import JSONValue


class DrawIn(serializers.Serializer):
    """Outputs of a completed run to label."""

    run = serializers.UUIDField()
    n_cases = serializers.IntegerField(min_value=1, max_value=labels.MOST_CASES)


class DrawnOut(serializers.Serializer):
    """How many outputs were added."""

    n_new = serializers.IntegerField()


class ItemOut(serializers.ModelSerializer):
    """An output to label, blind: no verdict, no label of others, no checkpoint."""

    question = serializers.CharField(source="judge.question", read_only=True)
    choices = serializers.SerializerMethodField()
    input = JSONValue()
    target = JSONValue(allow_null=True)

    class Meta:
        model = LabelItem
        fields = ("id", "question", "choices", "input", "target", "output")
        read_only_fields = fields

    def get_choices(self, item: LabelItem) -> list[str]:
        return list(item.judge.scores)


class NextOut(serializers.Serializer):
    """The next output for this rater; null when nothing is left."""

    item = ItemOut(allow_null=True)
    n_items = serializers.IntegerField()
    n_mine = serializers.IntegerField()


class LabelIn(serializers.Serializer):
    """One of the judge's choices."""

    choice = serializers.CharField(max_length=LONGEST_CHOICE)


class LabelOut(serializers.Serializer):
    """The label that stands for this rater."""

    item = serializers.UUIDField(source="item_id")
    choice = serializers.CharField()
    labelled_at = serializers.DateTimeField()


class Draw(APIView):
    """Draws outputs of a run at random for people to label."""

    @extend_schema(parameters=[NAME], request=DrawIn, responses=DrawnOut)
    def post(self, request: Request, name: str) -> Response:
        data = checked(DrawIn, request.data)
        judge = reads.judge_named(name)
        rows = labels.draw_items(
            actor=actor_of(request),
            judge=judge,
            run=runs.run_with_id(data["run"]),
            n_cases=data["n_cases"],
        )
        return Response(DrawnOut({"n_new": len(rows)}).data)


class NextItem(APIView):
    """What the signed-in rater labels next."""

    @extend_schema(parameters=[NAME], responses=NextOut)
    def get(self, request: Request, name: str) -> Response:
        actor, judge = actor_of(request), reads.judge_named(name)
        item = labels.item_for(actor=actor, judge=judge)
        progress = reads.progress(judge, actor.person_id)
        body = {"item": item, "n_items": progress.n_items, "n_mine": progress.n_mine}
        return Response(NextOut(body).data)


class GiveLabel(APIView):
    """Keeps the signed-in rater's answer; a later one replaces it, and both are kept."""

    @extend_schema(parameters=[NAME], request=LabelIn, responses=LabelOut)
    def post(self, request: Request, name: str, item_id: UUID) -> Response:
        actor = actor_of(request)
        labels.must_rate(actor)
        item = labels.item_with_id(reads.judge_named(name), item_id)
        data = checked(LabelIn, request.data)
        found = labels.give_label(actor=actor, item=item, choice=data["choice"])
        return Response(LabelOut(found).data)
