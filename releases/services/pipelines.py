"""Applies pipeline files: a new version with its stages and codenames, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from django.db import connection, transaction

from infra import audit, clock
from infra.actors import Actor
from infra.roles import Role
from releases.documents import Problem, refuse
from releases.gates.registry import kinds
from releases.models import Checkpoint, Codename, Family, Pipeline, PipelineVersion
from releases.policy import PipelineSpec, reading_of
from releases.services.pipeline_plans import PipelinePlan, Plan, plan_of
from releases.services.policy_sources import advice_on, unknown_names
from releases.services.promotions import policy_changed
from releases.services.stages import write_stages

__all__ = ["PipelinePlan", "Plan", "apply_pipelines"]

_APPLY_LOCK = 0x511B0A72


def apply_pipelines(*, actor: Actor, files: Mapping[str, str], plan: bool = False) -> Plan:
    """Apply the files (name -> YAML text), all or none; with `plan` only say what would change.

    Applying the same again changes nothing. InvalidInput with every mistake of every file and its
    line; InvalidMove when a stage that would go is occupied.
    """
    actor.must("apply pipelines", Role.RELEASE_MANAGER)
    specs = _read(files)
    advice = [advice_on(spec) for spec in specs]
    with transaction.atomic():
        _one_at_a_time()
        refuse("invalid_pipeline", _names(files), _conflicts(specs))
        planned = [plan_of(spec, given) for spec, given in zip(specs, advice, strict=True)]
        if not plan:
            planned = [
                _write(actor, spec, pipeline_plan) if pipeline_plan.changed else pipeline_plan
                for spec, pipeline_plan in zip(specs, planned, strict=True)
            ]
    return Plan(applied=not plan, pipelines=tuple(planned))


def _one_at_a_time() -> None:
    """Two applies at once would both write the next version."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_APPLY_LOCK])


def _names(files: Mapping[str, str]) -> str:
    return ", ".join(files) or "no file"


def _read(files: Mapping[str, str]) -> list[PipelineSpec]:
    readings = [reading_of(text, name, kinds()) for name, text in files.items()]
    specs = [spec for reading in readings for spec in reading.specs]
    problems: list[Problem] = []
    if not files:
        problems.append(Problem(file="no file", sentence="name at least one pipeline file"))
    for reading in readings:
        problems += [*reading.problems, *unknown_names(reading.documents, kinds())]
    problems += [*_repeated(specs), *_conflicts(specs)]
    order = list(files)
    problems.sort(key=lambda p: (order.index(p.file) if p.file in order else -1, p.line or 0))
    refuse("invalid_pipeline", _names(files), problems)
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


def _write(actor: Actor, spec: PipelineSpec, planned: PipelinePlan) -> PipelinePlan:
    """Carry it out; the plan, with what it really did to open promotions."""
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
    touched = policy_changed(actor=actor, stages=changed)
    audit.record(
        actor=actor,
        action="pipeline.applied",
        subject=pipeline,
        before={"number": planned.before},
        after={
            "number": planned.number,
            "digest": spec.digest,
            "changes": [change.sentence for change in planned.changes],
            "promotions": [stale.sentence for stale in touched],
        },
        evidence_hash=spec.digest,
    )
    return replace(planned, promotions=tuple(touched))
