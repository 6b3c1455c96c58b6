"""Pipelines, their stages and what partners call there."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from infra.errors import NotFound
from releases.models import Codename, Freeze, Pipeline, PipelineVersion, Release, Stage


def pipelines() -> QuerySet[Pipeline]:
    """Every pipeline, with `live_stages`: those not retired, in order."""
    stages = Stage.objects.filter(retired_at__isnull=True).order_by("position")
    return Pipeline.objects.select_related("family").prefetch_related(
        Prefetch("stages", stages.select_related("version"), to_attr="live_stages"),
        Prefetch("versions", PipelineVersion.objects.defer("document")),
    )


def pipeline_named(name: str) -> Pipeline:
    """The pipeline of that name; NotFound names the others."""
    found = pipelines().filter(name=name).first()
    if found is None:
        known = ", ".join(Pipeline.objects.values_list("name", flat=True)) or "none"
        raise NotFound("no_such_pipeline", f"No pipeline is named {name!r}; known: {known}.")
    return found


def current_version(pipeline_id: UUID) -> PipelineVersion | None:
    """The newest applied version; None before the first."""
    return PipelineVersion.objects.filter(pipeline_id=pipeline_id).order_by("-number").first()


def live_stages(pipeline_id: UUID) -> list[Stage]:
    """The pipeline's stages that are not retired, in order."""
    found = Stage.objects.filter(pipeline_id=pipeline_id, retired_at__isnull=True)
    return list(found.select_related("pipeline").order_by("position"))


def stage_named(name: str, pipeline: str = "") -> Stage:
    """The stage `pipeline/stage`, or `stage` where only one pipeline has it; NotFound otherwise."""
    family, slash, rest = name.partition("/")
    pipeline, name = (family, rest) if slash else (pipeline, name)
    found = Stage.objects.filter(name=name, retired_at__isnull=True).select_related("pipeline")
    if pipeline:
        found = found.filter(pipeline__name=pipeline)
    rows = list(found[:2])
    if len(rows) == 1:
        return rows[0]
    every = Stage.objects.filter(retired_at__isnull=True).select_related("pipeline")
    known = ", ".join(str(stage) for stage in every[:50]) or "none"
    problem = "is in several pipelines: write pipeline/stage" if rows else "does not exist"
    raise NotFound("no_such_stage", f"The stage {name!r} {problem}; known: {known}.")


def open_codenames(stage_id: UUID) -> QuerySet[Codename]:
    """What partners may call in that stage now."""
    return Codename.objects.filter(stage_id=stage_id, ends_at__isnull=True)


def current_releases_in(stage_id: UUID) -> QuerySet[Release]:
    """What is live (or halted) in that stage."""
    return Release.objects.filter(stage_id=stage_id, ended_at__isnull=True).select_related(
        "checkpoint"
    )


def file_freezes(pipeline_id: UUID) -> list[Freeze]:
    """What pipeline files have placed on the pipeline and its stages, and not ended."""
    of = Q(pipeline_id=pipeline_id) | Q(stage__pipeline_id=pipeline_id)
    rows = Freeze.objects.filter(of, from_file=True, ended_at__isnull=True)
    return list(rows.select_related("stage"))
