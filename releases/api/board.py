"""The board over the management API: the graph, who occupies it, and what is queued."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra import clock
from infra.api.bodies import checked
from infra.api.schema import ReasonOut
from releases.selectors.board import BoardNode, FamilyBoard, family_boards
from releases.selectors.promotions import as_refusal_reason, open_promotions
from releases.selectors.releases import Queued, queued

MOST_QUEUED = 200


class BoardQuery(serializers.Serializer):
    """Which part of it."""

    family = serializers.CharField(required=False, default="", max_length=80)


class OccupantOut(serializers.Serializer):
    """A release that is current."""

    release = serializers.UUIDField()
    size = serializers.CharField()
    checkpoint = serializers.CharField()
    arm = serializers.CharField()
    share = serializers.IntegerField(help_text="Percent of the units.")
    state = serializers.CharField()
    started_at = serializers.DateTimeField()
    ramp = serializers.CharField(help_text="Where its ramp stands; empty: it has none.")


class BoardStageOut(serializers.Serializer):
    """A node of the graph."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    after = serializers.CharField(help_text="What it waits for, in words; empty: nothing.")
    column = serializers.IntegerField(help_text="From 0: the longest way that leads here.")
    row = serializers.IntegerField()
    is_held = serializers.BooleanField()
    is_frozen = serializers.BooleanField()
    n_queued = serializers.IntegerField()
    occupants = OccupantOut(many=True)


class BoardFamilyOut(serializers.Serializer):
    """One pipeline."""

    family = serializers.CharField()
    stages = BoardStageOut(many=True)


class BoardQueuedOut(serializers.Serializer):
    """An open promotion, and why it waits."""

    promotion = serializers.UUIDField()
    checkpoint = serializers.CharField()
    into = serializers.CharField()
    state = serializers.CharField()
    waits_for = ReasonOut(allow_null=True, help_text="The first reason; null: it is about to go.")
    n_unmet = serializers.IntegerField()
    earliest = serializers.DateTimeField(
        allow_null=True, help_text="When time alone clears all; null: something else is wanted."
    )


class BoardOut(serializers.Serializer):
    """Everything that is on the board."""

    families = BoardFamilyOut(many=True)
    queue = BoardQueuedOut(many=True, help_text="The oldest 200.")


def as_dict(family: str = "") -> dict[str, Any]:
    """The board as API and command line tell it; of one family when given."""
    now = clock.now()
    rows = open_promotions()
    if family:
        rows = rows.filter(checkpoint__family__name=family)
    return {
        "families": [_family(board) for board in family_boards(now, family)],
        "queue": [_queued(item) for item in queued(list(rows[:MOST_QUEUED]), now)],
    }


def _family(board: FamilyBoard) -> dict[str, Any]:
    return {"family": board.family, "stages": [_stage(node) for node in board.nodes]}


def _stage(node: BoardNode) -> dict[str, Any]:
    return {
        "id": str(node.stage.pk),
        "name": node.stage.name,
        "after": node.wanted.sentence,
        "column": node.place.column,
        "row": node.place.row,
        "is_held": bool(node.holds),
        "is_frozen": node.is_frozen,
        "n_queued": node.n_queued,
        "occupants": [
            {
                "release": str(release.pk),
                "size": cell.size,
                "checkpoint": release.checkpoint.name,
                "arm": release.arm,
                "share": release.share,
                "state": release.state,
                "started_at": release.started_at,
                "ramp": cell.ramp.sentence
                if cell.ramp and cell.ramp.ramp.release_id == release.pk
                else "",
            }
            for cell in node.cells
            for release in cell.releases
        ],
    }


def _queued(item: Queued) -> dict[str, Any]:
    promotion, reason = item.promotion, item.waits_for
    return {
        "promotion": str(promotion.pk),
        "checkpoint": promotion.checkpoint.name,
        "into": str(promotion.stage),
        "state": promotion.state,
        "waits_for": ReasonOut(as_refusal_reason(reason)).data if reason else None,
        "n_unmet": item.n_unmet,
        "earliest": item.earliest,
    }


class BoardView(APIView):
    """Stages as a graph with their occupants, and why each open promotion waits."""

    @extend_schema(parameters=[BoardQuery], responses=BoardOut)
    def get(self, request: Request) -> Response:
        return Response(as_dict(checked(BoardQuery, request.query_params)["family"]))


urlpatterns = [path("board/", BoardView.as_view(), name="board")]
