"""Search over the management API; the console's palette asks it too."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.api.authentication import actor_of
from infra.api.bodies import checked
from infra.search.compose import LONGEST, MOST_OF_A_KIND, search
from infra.search.kinds import HitKind


class SearchQuery(serializers.Serializer):
    """What to look for."""

    q = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=LONGEST,
        help_text="Words, each a part of a name; or an id. Empty: pages and actions.",
    )
    most = serializers.IntegerField(
        required=False, default=MOST_OF_A_KIND, min_value=1, max_value=50, help_text="Of a kind."
    )


class HitOut(serializers.Serializer):
    """One thing that was found."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in HitKind])
    title = serializers.CharField()
    detail = serializers.CharField()
    address = serializers.CharField(help_text="Path within the console.")


class SearchOut(serializers.Serializer):
    """What was found, the nearest first, the hits of a kind side by side."""

    text = serializers.CharField(help_text="What was looked for.")
    hits = HitOut(many=True)


class SearchView(APIView):
    """Checkpoints, promotions, stages, suites, runs, partners, findings, calls, pages, actions."""

    @extend_schema(parameters=[SearchQuery], responses=SearchOut)
    def get(self, request: Request) -> Response:
        asked = checked(SearchQuery, request.query_params)
        return Response(SearchOut(search(actor_of(request), asked["q"], asked["most"])).data)
