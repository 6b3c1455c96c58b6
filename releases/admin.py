"""Records of checkpoints, pipelines, promotions and releases: to read, never to edit."""

from __future__ import annotations

from django.contrib import admin

from infra.admin import RecordAdmin
from releases.models import (
    Approval,
    Checkpoint,
    Codename,
    DecisionRecord,
    Deployment,
    Evaluation,
    Guardrail,
    Hold,
    Pipeline,
    PipelineVersion,
    Price,
    Promotion,
    Ramp,
    Release,
    ShareChange,
    Stage,
    Waiver,
)


@admin.register(Checkpoint)
class CheckpointAdmin(RecordAdmin):
    list_display = ("name", "family", "size", "kind", "owner", "registered_at")
    list_filter = ("family", "kind")
    search_fields = ("name", "checkpoint_digest")
    list_select_related = ("family", "owner")


@admin.register(Deployment)
class DeploymentAdmin(RecordAdmin):
    list_display = ("checkpoint", "base_url", "upstream_model", "state", "weight", "identity")
    list_filter = ("state", "identity")
    search_fields = ("checkpoint__name", "base_url", "upstream_model")
    list_select_related = ("checkpoint",)


@admin.register(Price)
class PriceAdmin(RecordAdmin):
    list_display = (
        "checkpoint",
        "currency",
        "input_micros_per_million",
        "cached_input_micros_per_million",
        "output_micros_per_million",
        "effective_at",
    )
    search_fields = ("checkpoint__name",)
    list_select_related = ("checkpoint",)


@admin.register(Pipeline)
class PipelineAdmin(RecordAdmin):
    list_display = ("name", "family", "created_at")
    list_select_related = ("family",)


@admin.register(PipelineVersion)
class PipelineVersionAdmin(RecordAdmin):
    list_display = ("__str__", "applied_by", "applied_at", "digest")
    list_filter = ("pipeline",)
    list_select_related = ("pipeline",)


@admin.register(Stage)
class StageAdmin(RecordAdmin):
    list_display = ("name", "pipeline", "position", "retired_at")
    list_filter = ("pipeline",)
    list_select_related = ("pipeline",)


@admin.register(Codename)
class CodenameAdmin(RecordAdmin):
    list_display = ("name", "stage", "size", "opens_at", "ends_at")
    search_fields = ("name",)
    list_select_related = ("stage__pipeline",)


@admin.register(Promotion)
class PromotionAdmin(RecordAdmin):
    list_display = ("checkpoint", "stage", "state", "requester_name", "requested_at", "decided_at")
    list_filter = ("state",)
    search_fields = ("checkpoint__name", "requester_name")
    list_select_related = ("checkpoint", "stage__pipeline")


@admin.register(Evaluation)
class EvaluationAdmin(RecordAdmin):
    list_display = ("promotion", "number", "evaluated_at", "machine_clear", "admits")
    list_select_related = ("promotion__checkpoint", "promotion__stage__pipeline")


@admin.register(Approval)
class ApprovalAdmin(RecordAdmin):
    list_display = ("promotion", "person", "vote", "voted_at", "voided_at")
    list_filter = ("vote",)
    list_select_related = ("promotion__checkpoint", "promotion__stage__pipeline", "person")


@admin.register(Waiver)
class WaiverAdmin(RecordAdmin):
    list_display = ("gate_id", "checkpoint", "stage", "asked_by", "confirmed_by", "expires_at")
    list_select_related = ("checkpoint", "stage__pipeline", "asked_by", "confirmed_by")


@admin.register(DecisionRecord)
class DecisionRecordAdmin(RecordAdmin):
    list_display = ("promotion", "decided_at", "document_hash")
    search_fields = ("promotion__checkpoint__name", "document_hash")
    list_select_related = ("promotion__checkpoint", "promotion__stage__pipeline")


@admin.register(Release)
class ReleaseAdmin(RecordAdmin):
    list_display = (
        "checkpoint",
        "stage",
        "size",
        "arm",
        "share",
        "state",
        "started_at",
        "ended_at",
    )
    list_filter = ("state", "arm")
    search_fields = ("checkpoint__name",)
    list_select_related = ("checkpoint", "stage__pipeline")


@admin.register(ShareChange)
class ShareChangeAdmin(RecordAdmin):
    list_display = ("release", "arm", "share", "at")
    list_filter = ("arm",)
    list_select_related = ("release__checkpoint", "release__stage__pipeline")


@admin.register(Ramp)
class RampAdmin(RecordAdmin):
    list_display = ("release", "state", "step", "step_ends_at", "blocked_reason")
    list_filter = ("state",)
    list_select_related = ("release__checkpoint", "release__stage__pipeline")


@admin.register(Guardrail)
class GuardrailAdmin(RecordAdmin):
    list_display = ("guardrail_id", "release", "action", "watch", "looked_at", "fired_at")
    list_filter = ("watch", "action")
    list_select_related = ("release__checkpoint", "release__stage__pipeline")


@admin.register(Hold)
class HoldAdmin(RecordAdmin):
    list_display = ("__str__", "owner", "reason", "placed_at", "lifted_at")
    list_select_related = ("checkpoint", "stage__pipeline", "owner")
