"""Applies pipeline files: a new version with its stages and codenames, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidMove, Reason
from infra.roles import Role
from releases.documents import Problem, refuse
from releases.gates.registry import kinds
from releases.models import Checkpoint, Codename, Family, Pipeline, PipelineVersion, Stage
from releases.policy import PipelineSpec, read_pipelines
from releases.policy.changes import Change, changes
from releases.selectors.pipelines import current_releases_in, current_version, live_stages
from releases.selectors.promotions import open_promotions
from releases.services.promotions import policy_changed
from releases.services.stages import write_stages

_APPLY_LOCK = 0x511B0A72


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePlan:
    """What one pipeline's file changes; `number` is the version that stands afterwards."""

    name: str
    family: str
    before: int | None
    number: int
    changes: tuple[Change, ...]
    availability: tuple[str, ...]

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


def apply_pipelines(*, actor: Actor, files: Mapping[str, str], plan: bool = False) -> Plan:
    """Apply the files (name -> YAML text), all or none; with `plan` only say what would change.

    Applying the same again changes nothing. InvalidInput with every mistake of every file and its
    line; InvalidMove when a stage that would go is occupied.
    """
    actor.must("apply pipelines", Role.RELEASE_MANAGER)
    specs = _read(files)
    with transaction.atomic():
        _one_at_a_time()
        refuse("invalid_pipeline", _names(files), _conflicts(specs))
        planned = [_plan(spec) for spec in specs]
        if not plan:
            for spec, pipeline_plan in zip(specs, planned, strict=True):
                if pipeline_plan.changed:
                    _write(actor, spec, pipeline_plan)
    return Plan(applied=not plan, pipelines=tuple(planned))


def _one_at_a_time() -> None:
    """Two applies at once would both write the next version."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_APPLY_LOCK])


def _names(files: Mapping[str, str]) -> str:
    return ", ".join(files) or "no file"


def _read(files: Mapping[str, str]) -> list[PipelineSpec]:
    specs: list[PipelineSpec] = []
    problems: list[Problem] = []
    if not files:
        problems.append(Problem(file="no file", sentence="name at least one pipeline file"))
    for name, text in files.items():
        found, wrong = read_pipelines(text, name, kinds())
        specs += found
        problems += wrong
    refuse("invalid_pipeline", _names(files), problems + _repeated(specs))
    return specs


def _repeated(specs: list[PipelineSpec]) -> list[Problem]:
    """A pipeline, family or codename that two documents of one apply both claim."""
    problems, owners = [], dict[tuple[str, str], str]()
    for spec in specs:
        claims: list[tuple[tuple[str, str], tuple[str | int, ...]]] = [
            (("pipeline", spec.name), ("name",)),
            (("family", spec.family), ("family",)),
        ]
        claims += [
            (("codename", name), ("stages", stage.position, "codenames", size))
            for stage in spec.stages
            for size, name in stage.policy["codenames"].items()
        ]
        for claim, path in claims:
            if claim in owners:
                sentence = f"the {claim[0]} {claim[1]} is in {owners[claim]} too"
                problems.append(spec.document.problem(path, sentence))
            owners[claim] = f"{spec.document.file} (pipeline {spec.name})"
    return problems


def _conflicts(specs: list[PipelineSpec]) -> list[Problem]:
    """What the files claim and something that exists already has."""
    problems: list[Problem] = []
    for spec in specs:
        standing = Pipeline.objects.filter(name=spec.name).select_related("family").first()
        if standing and standing.family.name != spec.family:
            sentence = f"{spec.name} is the pipeline of {standing.family.name}; that can't change"
            problems.append(spec.document.problem(["family"], sentence))
        other = Pipeline.objects.filter(family__name=spec.family).exclude(name=spec.name).first()
        if other:
            sentence = f"the family {spec.family} has the pipeline {other.name} already"
            problems.append(spec.document.problem(["family"], sentence))
        for stage in spec.stages:
            for size, name in stage.policy["codenames"].items():
                taken = _codename_taken(spec.name, stage.name, size, name)
                if taken:
                    path = ["stages", stage.position, "codenames", size]
                    problems.append(spec.document.problem(path, taken))
    return problems


def _codename_taken(pipeline: str, stage: str, size: str, name: str) -> str:
    row = Codename.objects.filter(name=name).select_related("stage__pipeline").first()
    if row and (row.stage.pipeline.name, row.stage.name, row.size) != (pipeline, stage, size):
        return f"{name} is the codename of {row.size} in {row.stage}; a codename never moves"
    if Checkpoint.objects.filter(name=name).exists():
        return f"{name} is a checkpoint's name, which partners must not learn"
    return ""


def _plan(spec: PipelineSpec) -> PipelinePlan:
    """Compare with what stands."""
    pipeline = Pipeline.objects.filter(name=spec.name).first()
    version = current_version(pipeline.pk) if pipeline else None
    standing = live_stages(pipeline.pk) if pipeline else []
    before = version.number if version else None
    same = version is not None and version.digest == spec.digest
    found = [] if same else changes(_policies(standing), _wanted(spec))
    _refuse_occupied(spec, standing)
    return PipelinePlan(
        name=spec.name,
        family=spec.family,
        before=before,
        number=(before or 0) + (0 if same else 1),
        changes=tuple(found),
        availability=tuple(_availability(spec, standing)),
    )


def _policies(stages: list[Stage]) -> dict[str, Any]:
    return {stage.name: stage.policy for stage in stages}


def _wanted(spec: PipelineSpec) -> dict[str, Any]:
    return {stage.name: stage.policy for stage in spec.stages}


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
    """A sentence for each live checkpoint that partners would call otherwise, or not at all."""
    wanted = _wanted(spec)
    sentences = []
    for stage in standing:
        old = stage.policy.get("codenames", {})
        new = wanted.get(stage.name, {}).get("codenames", {})
        for release in current_releases_in(stage.pk):
            size, where = release.size, f"{release.checkpoint.name} in {stage.name}"
            if old.get(size) == new.get(size):
                continue
            if not new.get(size):
                sentences.append(f"{where} can no longer be called: it loses {old[size]}.")
            elif old.get(size):
                sentences.append(f"{where} is called {new[size]} instead of {old[size]}.")
            else:
                sentences.append(f"{where} can be called as {new[size]}.")
    return sentences


def _write(actor: Actor, spec: PipelineSpec, planned: PipelinePlan) -> None:
    now = clock.now()
    family, _ = Family.objects.get_or_create(name=spec.family)
    pipeline, _ = Pipeline.objects.get_or_create(name=spec.name, defaults={"family": family})
    version = PipelineVersion.objects.create(
        pipeline=pipeline,
        number=planned.number,
        document=spec.document.value,
        digest=spec.digest,
        applied_by=actor.name,
        applied_at=now,
    )
    changed = write_stages(pipeline=pipeline, version=version, spec=spec, now=now)
    policy_changed(actor=actor, stages=changed)
    audit.record(
        actor=actor,
        action="pipeline.applied",
        subject=pipeline,
        before={"number": planned.before},
        after={
            "number": planned.number,
            "digest": spec.digest,
            "changes": [change.sentence for change in planned.changes],
        },
        evidence_hash=spec.digest,
    )
