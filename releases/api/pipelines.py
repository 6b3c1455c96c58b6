"""Pipelines over the management API."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.api.authentication import actor_of
from releases.models import Pipeline, PipelineVersion, Stage
from releases.policy.changes import Action, Part
from releases.selectors import pipelines as selectors
from releases.services.pipelines import apply_pipelines

SOURCE = "source"


class PipelineStageOut(serializers.ModelSerializer):
    """A stage; `policy` is what its promotions freeze."""

    policy = serializers.DictField()

    class Meta:
        model = Stage
        fields = ("id", "name", "position", "policy", "policy_digest")


class PipelineVersionOut(serializers.ModelSerializer):
    """One applied version."""

    class Meta:
        model = PipelineVersion
        fields = ("number", "digest", "applied_by", "applied_at")


class PipelineOut(serializers.ModelSerializer):
    """A pipeline with its stages in order and its versions, newest first."""

    family = serializers.CharField(source="family.name")
    stages = PipelineStageOut(many=True, source="live_stages")
    versions = serializers.SerializerMethodField()

    class Meta:
        model = Pipeline
        fields = ("id", "name", "family", "created_at", "stages", "versions")

    @extend_schema_field(PipelineVersionOut(many=True))
    def get_versions(self, pipeline: Pipeline) -> Any:
        newest_first = sorted(pipeline.versions.all(), key=lambda version: -version.number)
        return PipelineVersionOut(newest_first, many=True).data


class ApplyIn(serializers.Serializer):
    """A pipeline file."""

    source = serializers.CharField(
        max_length=500_000, trim_whitespace=False, help_text="YAML; several documents allowed."
    )
    plan = serializers.BooleanField(default=False, help_text="Only say what would change.")


class PipelineChangeOut(serializers.Serializer):
    """One change."""

    part = serializers.ChoiceField([part.value for part in Part])
    action = serializers.ChoiceField([action.value for action in Action])
    stage = serializers.CharField()
    name = serializers.CharField()
    sentence = serializers.CharField()


class StaleOut(serializers.Serializer):
    """What a change does to one open promotion."""

    promotion = serializers.UUIDField()
    checkpoint = serializers.CharField()
    stage = serializers.CharField()
    gates = serializers.ListField(child=serializers.CharField(), help_text="Go stale.")
    removed_gates = serializers.ListField(child=serializers.CharField())
    added_gates = serializers.ListField(child=serializers.CharField())
    voided_approvals = serializers.ListField(
        child=serializers.CharField(), help_text="Persons whose approval is void by it."
    )
    sentence = serializers.CharField()


class AdviceOut(serializers.Serializer):
    """What one gate or guardrail can settle."""

    stage = serializers.CharField()
    gate_id = serializers.CharField()
    kind = serializers.CharField()
    sentence = serializers.CharField()
    numbers = serializers.DictField(help_text="The numbers of the sentence, by name.")


class PipelinePlanOut(serializers.Serializer):
    """What one pipeline's file changes."""

    name = serializers.CharField()
    family = serializers.CharField()
    before = serializers.IntegerField(allow_null=True)
    number = serializers.IntegerField()
    changed = serializers.BooleanField()
    changes = PipelineChangeOut(many=True)
    availability = serializers.ListField(child=serializers.CharField())
    promotions = StaleOut(many=True)
    advice = AdviceOut(many=True)


class ApplyOut(serializers.Serializer):
    """What was applied, or would be."""

    applied = serializers.BooleanField()
    changed = serializers.BooleanField()
    pipelines = PipelinePlanOut(many=True)


class Pipelines(ListAPIView):
    """Every pipeline."""

    serializer_class = PipelineOut

    def get_queryset(self) -> Any:
        return selectors.pipelines()


class PipelineDetail(APIView):
    """One pipeline."""

    @extend_schema(responses=PipelineOut)
    def get(self, request: Request, name: str) -> Response:
        return Response(PipelineOut(selectors.pipeline_named(name)).data)


class ApplyPipelines(APIView):
    """Applies a pipeline file, or plans it."""

    @extend_schema(request=ApplyIn, responses=ApplyOut)
    def post(self, request: Request) -> Response:
        """What changed; nothing when it stood so already."""
        asked = ApplyIn(data=request.data)
        asked.is_valid(raise_exception=True)
        plan = apply_pipelines(
            actor=actor_of(request),
            files={SOURCE: asked.validated_data["source"]},
            plan=asked.validated_data["plan"],
        )
        return Response(ApplyOut(plan.as_dict()).data)


urlpatterns = [
    path("pipelines/", Pipelines.as_view(), name="pipelines"),
    path("pipelines/apply/", ApplyPipelines.as_view(), name="pipelines-apply"),
    path("pipelines/<slug:name>/", PipelineDetail.as_view(), name="pipeline"),
]
