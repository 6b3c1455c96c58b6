"""Sizes on one suite over the management API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.parameters import REFERENCE, suite_reference
from evals.models import SizeFrontier
from evals.selectors import suites
from evals.services.frontier import frontier
from infra.api.bodies import checked


class MeasureOut(serializers.Serializer):
    """One number with its 95% interval."""

    value = serializers.FloatField()
    lo = serializers.FloatField(allow_null=True)
    hi = serializers.FloatField(allow_null=True)


class SizePointOut(serializers.Serializer):
    """One checkpoint; costs in micro-units, latencies in milliseconds, quality a share of 1."""

    checkpoint = serializers.CharField()
    family = serializers.CharField()
    size = serializers.CharField()
    run = serializers.UUIDField()
    quality = MeasureOut()
    cost = MeasureOut(allow_null=True)
    cost_per_solved = MeasureOut(allow_null=True)
    p50 = MeasureOut(allow_null=True)
    p95 = MeasureOut(allow_null=True)
    left_out = serializers.CharField(allow_null=True)
    is_dominated = serializers.BooleanField(allow_null=True)
    p_frontier = serializers.FloatField(allow_null=True)
    standing = serializers.CharField()


class FrontierOut(serializers.ModelSerializer):
    """The checkpoints of one suite version, the best first."""

    suite = serializers.CharField(source="version.suite.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    points = SizePointOut(many=True, read_only=True)
    sentences = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = SizeFrontier
        fields = ("suite", "version", "points", "sentences", "read_at")
        read_only_fields = fields


class FrontierQuery(serializers.Serializer):
    suite = suite_reference()


class Frontier(APIView):
    """Quality against cost and latency, dominated checkpoints marked."""

    @extend_schema(parameters=[REFERENCE], responses=FrontierOut)
    def get(self, request: Request) -> Response:
        asked = checked(FrontierQuery, request.query_params)
        return Response(FrontierOut(frontier(suites.version_named(asked["suite"]))).data)
