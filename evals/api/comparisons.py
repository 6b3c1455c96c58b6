"""Comparisons of two checkpoints over the management API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.parameters import REFERENCE, suite_reference
from evals.models import Comparison
from evals.selectors import method_inputs, runs, suites
from evals.selectors.comparisons import comparison_with_id
from evals.services import comparisons
from infra.api.bodies import checked
from infra.api.downloads import as_file
from releases.selectors.checkpoints import checkpoint_named

NAME = {"type": "string", "minLength": 1, "maxLength": 120}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}


def number() -> serializers.FloatField:
    return serializers.FloatField(allow_null=True)


class NodeOut(serializers.Serializer):
    """One component; an empty node is the whole suite. Scores and differences are shares of 1."""

    node = serializers.CharField(allow_blank=True)
    n = serializers.IntegerField()
    n_clusters = serializers.IntegerField()
    n_missing = serializers.IntegerField()
    n_unshared = serializers.IntegerField()
    method = serializers.CharField(allow_null=True)
    candidate_mean = number()
    baseline_mean = number()
    delta = number()
    lo = number()
    hi = number()
    se = number()
    p_better = number()
    p_noninferior = number()
    p_worse = number()
    p_regression = number()
    p_worse_holm = number()
    p_regression_holm = number()
    mde = number()
    cases_to_settle = serializers.IntegerField(allow_null=True)
    is_hopeless = serializers.BooleanField()
    verdict = serializers.CharField(help_text="On its own: for the root and for must_prove.")
    corrected_verdict = serializers.CharField(help_text="After Holm over the components.")
    doubt = serializers.CharField(allow_null=True)
    sentence = serializers.CharField()


class ComparisonOut(serializers.ModelSerializer):
    """Candidate against baseline, component by component."""

    suite = serializers.CharField(source="candidate.version.suite.name", read_only=True)
    version = serializers.IntegerField(source="candidate.version.number", read_only=True)
    candidate = serializers.CharField(source="candidate.checkpoint.name", read_only=True)
    baseline = serializers.CharField(source="baseline.checkpoint.name", read_only=True)
    candidate_run = serializers.UUIDField(source="candidate_id", read_only=True)
    baseline_run = serializers.UUIDField(source="baseline_id", read_only=True)
    nodes = NodeOut(many=True, read_only=True)

    class Meta:
        model = Comparison
        fields = (
            "id",
            "suite",
            "version",
            "candidate",
            "baseline",
            "candidate_run",
            "baseline_run",
            "margin",
            "confidence",
            "n_unmatched",
            "n_errored",
            "nodes",
            "compared_at",
        )
        read_only_fields = fields


class Asked(serializers.Serializer):
    candidate = serializers.CharField(max_length=120)
    baseline = serializers.CharField(max_length=120)
    suite = suite_reference()
    margin = serializers.FloatField(min_value=0, max_value=1, default=comparisons.DEFAULT_MARGIN)
    confidence = serializers.FloatField(
        min_value=0.5, max_value=0.9999, default=comparisons.DEFAULT_CONFIDENCE
    )


class Comparisons(APIView):
    """The newest completed runs of two checkpoints on one suite version, compared."""

    @extend_schema(
        parameters=[
            OpenApiParameter("candidate", NAME, required=True),
            OpenApiParameter("baseline", NAME, required=True),
            REFERENCE,
            OpenApiParameter("margin", SHARE),
            OpenApiParameter("confidence", {"type": "number", "minimum": 0.5, "maximum": 0.9999}),
        ],
        responses=ComparisonOut,
    )
    def get(self, request: Request) -> Response:
        asked: dict[str, Any] = checked(Asked, request.query_params)
        version = suites.version_named(asked["suite"])
        made = comparisons.compare(
            candidate_run=runs.completed_run(version, checkpoint_named(asked["candidate"])),
            baseline_run=runs.completed_run(version, checkpoint_named(asked["baseline"])),
            margin=asked["margin"],
            confidence=asked["confidence"],
        )
        return Response(ComparisonOut(made).data)


class InputQuery(serializers.Serializer):
    """Which numbers of a comparison."""

    node = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    whole = serializers.BooleanField(
        default=False, help_text="All nodes at once: `compare_nodes`, Holm included."
    )


class ComparisonInput(APIView):
    """What a node's numbers were computed from: `python -m releases.statistics METHOD < FILE`."""

    @extend_schema(parameters=[InputQuery], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, comparison_id: UUID) -> Response:
        """The file's name is the METHOD's: paired_binary, paired_delta or compare_nodes."""
        asked = checked(InputQuery, request.query_params)
        found = comparison_with_id(comparison_id)
        if asked["whole"]:
            call = method_inputs.whole_comparison_input(found)
        else:
            call = method_inputs.comparison_input(found, asked["node"])
        return as_file(dict(call.given), f"{call.method}.json")
