"""What applying a pipeline file changes: stages, freezes, what partners call, open promotions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from infra.errors import InvalidMove, Reason
from releases.models import Codename, Freeze, Pipeline, Release, Stage
from releases.policy import PipelineSpec
from releases.policy.advice import Advice
from releases.policy.changes import Change, changes, freeze_changes
from releases.selectors.pipelines import (
    current_releases_in,
    current_version,
    file_freezes,
    live_stages,
)
from releases.selectors.promotions import open_promotions
from releases.selectors.staleness import NewPolicy, Stale, stale_by_policies


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePlan:
    """What one pipeline's file changes; `number` is the version that stands afterwards."""

    name: str
    family: str
    before: int | None
    number: int
    changes: tuple[Change, ...]
    availability: tuple[str, ...]
    """A sentence for each live checkpoint that partners would call otherwise, or not at all."""
    promotions: tuple[Stale, ...] = ()
    """Open promotions that take the new policy: which outcomes go stale, whose approval is void."""
    advice: tuple[Advice, ...] = ()
    """What each eval and live gate can settle."""

    @property
    def changed(self) -> bool:
        return self.before != self.number

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "family": self.family,
            "before": self.before,
            "number": self.number,
            "changed": self.changed,
            "changes": [change.as_dict() for change in self.changes],
            "availability": list(self.availability),
            "promotions": [stale.as_dict() for stale in self.promotions],
            "advice": [advice.as_dict() for advice in self.advice],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an apply changes (`applied`) or would change."""

    applied: bool
    pipelines: tuple[PipelinePlan, ...]

    @property
    def changed(self) -> bool:
        return any(pipeline.changed for pipeline in self.pipelines)

    def as_dict(self) -> dict[str, Any]:
        return {
            "applied": self.applied,
            "changed": self.changed,
            "pipelines": [pipeline.as_dict() for pipeline in self.pipelines],
        }


def plan_of(spec: PipelineSpec, advice: tuple[Advice, ...]) -> PipelinePlan:
    """Compare with what stands; InvalidMove when a stage that would go is occupied."""
    pipeline = Pipeline.objects.filter(name=spec.name).first()
    version = current_version(pipeline.pk) if pipeline else None
    standing = live_stages(pipeline.pk) if pipeline else []
    before = version.number if version else None
    same = version is not None and version.digest == spec.digest
    _refuse_occupied(spec, standing)
    return PipelinePlan(
        name=spec.name,
        family=spec.family,
        before=before,
        number=(before or 0) + (0 if same else 1),
        changes=() if same else tuple(_changes(spec, pipeline, standing)),
        availability=tuple(_availability(spec, standing)),
        promotions=() if same else tuple(stale_by_policies(_new_policies(spec, standing))),
        advice=advice,
    )


def _changes(spec: PipelineSpec, pipeline: Pipeline | None, standing: list[Stage]) -> list[Change]:
    found = changes({stage.name: stage.policy for stage in standing}, _wanted(spec))
    kept = file_freezes(pipeline.pk) if pipeline else []
    subjects = [("", spec.freezes), *((stage.name, stage.freezes) for stage in spec.stages)]
    for name, wanted in subjects:
        before = [_as_kept(row) for row in kept if (row.stage.name if row.stage else "") == name]
        found += freeze_changes(name, before, wanted)
    return found


def _as_kept(row: Freeze) -> dict[str, Any]:
    names = ("name", "starts", "lasts", "rule", "except_dates", "time_zone", "reason")
    return {name: getattr(row, name) for name in names}


def _wanted(spec: PipelineSpec) -> dict[str, Mapping[str, Any]]:
    return {stage.name: stage.policy for stage in spec.stages}


def _new_policies(spec: PipelineSpec, standing: list[Stage]) -> dict[UUID, NewPolicy]:
    wanted = {stage.name: stage for stage in spec.stages}
    return {
        stage.pk: NewPolicy(policy=wanted[stage.name].policy, digest=wanted[stage.name].digest)
        for stage in standing
        if stage.name in wanted
    }


def _refuse_occupied(spec: PipelineSpec, standing: list[Stage]) -> None:
    going = [stage for stage in standing if stage.name not in _wanted(spec)]
    reasons = []
    for stage in going:
        gone = f"Stage {stage.name} is not in {spec.document.file}, but"
        for release in current_releases_in(stage.pk):
            name = release.checkpoint.name
            reasons.append(_occupied(stage, name, f"{gone} {name} is live there: demote it first."))
        for promotion in open_promotions().filter(stage=stage):
            name = promotion.checkpoint.name
            what = f"{gone} {name} waits for promotion into it: withdraw that first."
            reasons.append(_occupied(stage, name, what))
    if reasons:
        raise InvalidMove("stage_occupied", reasons[0].sentence, reasons)


def _occupied(stage: Stage, checkpoint: str, sentence: str) -> Reason:
    observed = {"stage": stage.name, "checkpoint": checkpoint}
    return Reason(code="stage_occupied", sentence=sentence, observed=observed)


def _availability(spec: PipelineSpec, standing: list[Stage]) -> list[str]:
    wanted = _wanted(spec)
    sentences = []
    for stage in standing:
        base = wanted.get(stage.name, {}).get("codenames", {})
        names = list(stage.codenames.all())
        for release in current_releases_in(stage.pk):
            old, new = _called(release, names, base.get(release.size))
            if old != new:
                where = f"{release.checkpoint.name} in {stage.name}"
                sentences.append(_otherwise(where, old, new))
    return sentences


def _called(
    release: Release, names: list[Codename], base: str | None
) -> tuple[list[str], list[str]]:
    """What partners call the release by now, and after `base` is the file's name for its size."""
    open_now = [name for name in names if name.size == release.size and name.ends_at is None]
    own = {name.name for name in open_now if name.checkpoint_id == release.checkpoint_id}
    shared = {name.name for name in open_now if name.checkpoint_id is None}
    of_others = {name.name for name in names if name.checkpoint_id is not None} - own
    after = {base} - of_others if base else set()
    return sorted(own | shared), sorted(own | after)


def _otherwise(where: str, old: list[str], new: list[str]) -> str:
    lost = ", ".join(name for name in old if name not in new)
    gained = ", ".join(name for name in new if name not in old)
    if not new:
        return f"{where} can no longer be called: it loses {lost}."
    if lost and gained:
        return f"{where} is called {gained} instead of {lost}."
    return f"{where} can be called as {gained}." if gained else f"{where} loses the name {lost}."
