"""Comparisons of two checkpoints over the management API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evals.api.parameters import REFERENCE, suite_reference
from evals.api.results import OutputOut
from evals.models import Comparison
from evals.selectors import method_inputs, runs, suites
from evals.selectors.comparisons import comparison_with_id, pairs_of
from evals.selectors.flipped import Side, Way, moved_cases
from evals.selectors.judged_comparisons import shown
from evals.selectors.tries import tries_of
from evals.selectors.uncompared import partial_sentences, uncompared
from evals.services import comparisons
from infra import clock
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
    n_beyond = serializers.IntegerField(
        default=0, help_text="Cases after those that decided an early stop: not counted in."
    )
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
    note = serializers.CharField(
        allow_blank=True,
        help_text="How a judge's scores were corrected; empty where none has a part.",
    )


class TriesOut(serializers.Serializer):
    """The candidate among the checkpoints of its parent and size that ran on the suite."""

    n_tried = serializers.IntegerField()
    p_corrected = number()
    sentence = serializers.CharField(allow_blank=True)


class ComparisonOut(serializers.ModelSerializer):
    """Candidate against baseline, component by component."""

    suite = serializers.CharField(source="candidate.version.suite.name", read_only=True)
    version = serializers.IntegerField(source="candidate.version.number", read_only=True)
    candidate = serializers.CharField(source="candidate.checkpoint.name", read_only=True)
    baseline = serializers.CharField(source="baseline.checkpoint.name", read_only=True)
    candidate_run = serializers.UUIDField(source="candidate_id", read_only=True)
    baseline_run = serializers.UUIDField(source="baseline_id", read_only=True)
    nodes = serializers.SerializerMethodField(
        help_text="What rests on a judge is corrected by people's labels, or null."
    )
    judges = serializers.SerializerMethodField(help_text="That some of the scores come from.")
    partial = serializers.SerializerMethodField(
        help_text="Of runs that ended before their last case: which, and why."
    )
    tries = serializers.SerializerMethodField(
        help_text="How many variants were tried on the suite, and the correction for it."
    )

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
            "partial",
            "judges",
            "nodes",
            "tries",
            "compared_at",
        )
        read_only_fields = fields

    def to_representation(self, comparison: Comparison) -> Any:
        self._seen = shown(comparison, clock.now())
        return super().to_representation(comparison)

    @extend_schema_field(NodeOut(many=True))
    def get_nodes(self, comparison: Comparison) -> Any:
        return NodeOut(self._seen.nodes, many=True).data

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_judges(self, comparison: Comparison) -> Any:
        return list(self._seen.judges)

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_partial(self, comparison: Comparison) -> Any:
        return partial_sentences(comparison)

    @extend_schema_field(TriesOut)
    def get_tries(self, comparison: Comparison) -> Any:
        return TriesOut(tries_of(comparison, self._seen.nodes)).data


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
        checkpoints = (checkpoint_named(asked[name]) for name in ("candidate", "baseline"))
        candidate_run, baseline_run = runs.completed_pair(version, *checkpoints)
        made = comparisons.compare(
            candidate_run=candidate_run,
            baseline_run=baseline_run,
            margin=asked["margin"],
            confidence=asked["confidence"],
        )
        return Response(ComparisonOut(made).data)


class SideOut(serializers.Serializer):
    """One arm's answer, its score the mean over the repeats at the node."""

    score = serializers.FloatField()
    state = serializers.CharField()
    explanation = serializers.CharField(allow_blank=True)
    output = serializers.SerializerMethodField()

    @extend_schema_field(OutputOut(allow_null=True))
    def get_output(self, side: Side) -> Any:
        return OutputOut(side.output).data if side.output else None


class FlippedOut(serializers.Serializer):
    """A case on which the arms differ."""

    case_id = serializers.CharField()
    delta = serializers.FloatField()
    candidate = SideOut()
    baseline = SideOut()


class FlippedPageOut(serializers.Serializer):
    """Cases that moved one way, the largest moves first."""

    count = serializers.IntegerField()
    results = FlippedOut(many=True)


class NodeQuery(serializers.Serializer):
    """Which component; empty: the whole suite."""

    node = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class FlippedQuery(NodeQuery):
    """Which cases, and which page of them."""

    way = serializers.ChoiceField([way.value for way in Way])
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    offset = serializers.IntegerField(min_value=0, max_value=10**9, default=0)


class FlippedCases(APIView):
    """Cases that the candidate lost or gained, side by side."""

    @extend_schema(parameters=[FlippedQuery], responses=FlippedPageOut)
    def get(self, request: Request, comparison_id: UUID) -> Response:
        asked = checked(FlippedQuery, request.query_params)
        found = comparison_with_id(comparison_id)
        pairs = pairs_of(found, asked["node"])
        moved = moved_cases(found, pairs, asked["node"])[Way(asked["way"])]
        page = moved[asked["offset"] : asked["offset"] + asked["limit"]]
        return Response(FlippedPageOut({"count": len(moved), "results": page}).data)


class ArmOut(serializers.Serializer):
    """One run's results by state."""

    name = serializers.CharField()
    counts = serializers.ListField(child=serializers.IntegerField())


class LostOut(serializers.Serializer):
    """What became of a case in the arm that has no score for it."""

    case_id = serializers.CharField()
    arm = serializers.CharField()
    state = serializers.CharField()
    why = serializers.CharField(allow_blank=True)


class UncomparedOut(serializers.Serializer):
    """What a node's numbers leave out; `counts` are in the order of `states`."""

    states = serializers.ListField(child=serializers.CharField())
    arms = ArmOut(many=True)
    n_lost = serializers.IntegerField()
    n_unmatched = serializers.IntegerField()
    n_beyond = serializers.IntegerField()
    n_shown = serializers.IntegerField()
    lost = LostOut(many=True)


class UncomparedCases(APIView):
    """Unmatched, errored and ungraded cases: counted, and never a zero."""

    @extend_schema(parameters=[NodeQuery], responses=UncomparedOut)
    def get(self, request: Request, comparison_id: UUID) -> Response:
        node = checked(NodeQuery, request.query_params)["node"]
        found = comparison_with_id(comparison_id)
        return Response(UncomparedOut(uncompared(found, pairs_of(found, node), node)).data)


class InputQuery(NodeQuery):
    """Which numbers of a comparison."""

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
