"""What became of each sample of a run, over the management API."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from evals import outputs
from evals.models import Result
from evals.selectors import probes, runs
from evals.states import ResultState
from infra.api.bodies import checked


class OutputOut(serializers.Serializer):
    """What the checkpoint answered."""

    text = serializers.CharField(allow_blank=True)
    tool_calls = serializers.ListField(child=serializers.JSONField())
    finish_reason = serializers.CharField(allow_null=True)


class ResultOut(serializers.ModelSerializer):
    """What became of one (case, repeat)."""

    case_id = serializers.CharField(source="case.case_id", read_only=True)
    output = serializers.SerializerMethodField()

    class Meta:
        model = Result
        fields = (
            "case_id",
            "repeat",
            "state",
            "score",
            "components",
            "explanation",
            "output",
            "error_code",
            "error_message",
            "n_calls",
            "tokens_in",
            "tokens_out",
            "cost_micros",
            "latency_ms",
            "n_grader_calls",
            "grader_tokens_in",
            "grader_tokens_out",
            "grader_cost_micros",
            "recorded_at",
        )
        read_only_fields = fields

    @extend_schema_field(OutputOut(allow_null=True))
    def get_output(self, result: Result) -> Any:
        kept = outputs.unpack(result.output)
        return None if kept is None else OutputOut(kept).data


class ResultFilters(serializers.Serializer):
    state = serializers.ChoiceField([state.value for state in ResultState], required=False)


class Results(ListAPIView):
    """A run's results in the suite's order, with what was answered.

    409 while people rate them blind.
    """

    serializer_class = ResultOut
    queryset = Result.objects.none()

    def get_queryset(self) -> QuerySet[Result]:
        state = checked(ResultFilters, self.request.query_params).get("state")
        run = runs.run_with_id(self.kwargs["run_id"])
        probes.must_not_unblind(run.pk)
        found = runs.results(run)
        return found.filter(state=state) if state else found

    @extend_schema(
        parameters=[OpenApiParameter("state", enum=[state.value for state in ResultState])]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)
