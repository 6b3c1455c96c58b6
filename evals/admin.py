"""Records of suites, runs and comparisons: to read, never to edit."""

from __future__ import annotations

from django.contrib import admin

from evals.models import Comparison, Metric, Run, Shard, Suite, SuiteVersion
from infra.admin import RecordAdmin


@admin.register(Suite)
class SuiteAdmin(RecordAdmin):
    list_display = ("name", "owner", "review_by", "shelf_days")
    search_fields = ("name",)
    list_select_related = ("owner",)


@admin.register(SuiteVersion)
class SuiteVersionAdmin(RecordAdmin):
    list_display = ("__str__", "state", "n_cases", "published_at", "digest")
    list_filter = ("state", "suite")
    list_select_related = ("suite",)


@admin.register(Run)
class RunAdmin(RecordAdmin):
    list_display = ("__str__", "state", "n_expected", "started_by", "created_at", "finished_at")
    list_filter = ("state",)
    search_fields = ("checkpoint__name", "version__suite__name")
    list_select_related = ("version__suite", "checkpoint")


@admin.register(Shard)
class ShardAdmin(RecordAdmin):
    list_display = ("run", "index", "state", "holder", "lease_until", "n_claims")
    list_filter = ("state",)
    list_select_related = ("run__version__suite", "run__checkpoint")


@admin.register(Metric)
class MetricAdmin(RecordAdmin):
    list_display = ("run", "node", "mean", "lo", "hi", "n_cases", "n_missing")
    list_select_related = ("run__version__suite", "run__checkpoint")


@admin.register(Comparison)
class ComparisonAdmin(RecordAdmin):
    list_display = ("candidate", "baseline", "margin", "compared_at")
    list_select_related = (
        "candidate__version__suite",
        "candidate__checkpoint",
        "baseline__version__suite",
        "baseline__checkpoint",
    )
