"""Writes the stages, codenames and freezes of a pipeline's new version, in its transaction."""

from __future__ import annotations

from datetime import datetime

from releases.models import Codename, Pipeline, PipelineVersion, Stage
from releases.policy import PipelineSpec, StageSpec
from releases.services.file_freezes import write_freezes


def write_stages(
    *, pipeline: Pipeline, version: PipelineVersion, spec: PipelineSpec, now: datetime
) -> list[Stage]:
    """Bring the rows to what `spec` says; the stages whose policy changed, retired ones included.

    A stage that is not in `spec` must be unoccupied: the caller has checked.
    """
    standing = {stage.name: stage for stage in pipeline.stages.select_for_update()}
    changed = []
    for wanted in spec.stages:
        stage = standing.get(wanted.name)
        if stage is None:
            stage = _new_stage(pipeline, version, wanted)
        elif _update(stage, version, wanted):
            changed.append(stage)
        _write_codenames(stage, wanted, now)
        write_freezes(
            pipeline=pipeline,
            stage=stage,
            wanted=wanted.freezes,
            version=version.number,
            now=now,
        )
    write_freezes(
        pipeline=pipeline, stage=None, wanted=spec.freezes, version=version.number, now=now
    )
    gone = [s for name, s in standing.items() if name not in {w.name for w in spec.stages}]
    return changed + [stage for stage in gone if _retire(stage, now)]


def _new_stage(pipeline: Pipeline, version: PipelineVersion, wanted: StageSpec) -> Stage:
    return Stage.objects.create(
        pipeline=pipeline,
        name=wanted.name,
        position=wanted.position,
        version=version,
        policy=wanted.policy,
        policy_digest=wanted.digest,
    )


def _update(stage: Stage, version: PipelineVersion, wanted: StageSpec) -> bool:
    """Take the new version; True when the policy is another one."""
    changed = stage.policy_digest != wanted.digest
    stage.version, stage.position, stage.retired_at = version, wanted.position, None
    stage.policy, stage.policy_digest = dict(wanted.policy), wanted.digest
    stage.save(update_fields=["version", "position", "retired_at", "policy", "policy_digest"])
    return changed


def _retire(stage: Stage, now: datetime) -> bool:
    """End the stage and its codenames; False when it ended before."""
    if stage.retired_at is not None:
        return False
    stage.retired_at = now
    stage.save(update_fields=["retired_at"])
    stage.codenames.filter(ends_at__isnull=True).update(ends_at=now)
    stage.freezes.filter(from_file=True, ended_at__isnull=True).update(
        ended_at=now, end_reason="The stage was retired."
    )
    return True


def _write_codenames(stage: Stage, wanted: StageSpec, now: datetime) -> None:
    """Open what the file names, end what it named before; a checkpoint's own codename stays."""
    names: dict[str, str] = wanted.policy["codenames"]
    from_file = stage.codenames.filter(ends_at__isnull=True, checkpoint__isnull=True)
    from_file.exclude(name__in=names.values()).update(ends_at=now)
    for size, name in names.items():
        row = Codename.objects.filter(name=name).first()
        if row is None:
            Codename.objects.create(stage=stage, size=size, name=name, opens_at=now)
        elif row.ends_at is not None and row.checkpoint_id is None:
            row.opens_at, row.ends_at = now, None
            row.save(update_fields=["opens_at", "ends_at"])
