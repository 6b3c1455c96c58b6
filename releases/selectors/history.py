"""What was live where at any past moment, with the arm and share it had then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.db.models import Prefetch, Q
from django.utils.module_loading import import_string

from infra.errors import NotFound
from releases.models import Checkpoint, Release, ShareChange, Stage
from releases.states import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmThen:
    """A release as it was at one moment."""

    release: Release
    arm: Arm
    share: int
    """Percent that it was given."""
    since: datetime
    """From when it had that arm and share."""
    is_halted: bool

    @property
    def checkpoint(self) -> Checkpoint:
        return self.release.checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerExposure:
    """One partner's requests that one release served."""

    partner: str
    release_id: UUID
    n_requests: int
    n_units: int
    first_at: datetime
    last_at: datetime


class ExposureSource(Protocol):
    """Who was served by what; named by dotted path in settings, as partners live above."""

    def exposed(self, release_ids: Iterable[UUID]) -> Sequence[PartnerExposure]: ...

    def granted(self, stage_id: UUID, at: datetime) -> Sequence[str]: ...


def exposure_source() -> ExposureSource:
    source: ExposureSource = import_string(settings.EXPOSURE_SOURCE)()
    return source


def stage_ever_named(name: str) -> Stage:
    """The stage `pipeline/stage` (or `stage`, where one pipeline had it), retired or not."""
    pipeline, slash, rest = name.partition("/")
    found = Stage.objects.select_related("pipeline").filter(name=rest if slash else name)
    rows = list((found.filter(pipeline__name=pipeline) if slash else found)[:2])
    if len(rows) == 1:
        return rows[0]
    known = ", ".join(str(stage) for stage in Stage.objects.select_related("pipeline")[:50])
    problem = "was in several pipelines: write pipeline/stage" if rows else "never existed"
    raise NotFound("no_such_stage", f"Stage {name!r} {problem}; there are: {known or 'none'}.")


def arms_at(stage: Stage, at: datetime, size: str = "") -> list[ArmThen]:
    """What was live in the stage at `at`, each size's incumbent first; a halted release too."""
    then = Release.objects.filter(Q(ended_at=None) | Q(ended_at__gt=at), started_at__lte=at)
    there = with_shares(then.filter(stage=stage, **({"size": size} if size else {})))
    arms = [_arm_then(release, at) for release in there]
    return sorted(arms, key=lambda arm: (arm.release.size, arm.arm is Arm.CANDIDATE))


def with_shares(releases: Iterable[Release]) -> list[Release]:
    """The releases with `share_changes`, oldest first, in a constant number of queries."""
    changes = Prefetch("shares", ShareChange.objects.order_by("at", "pk"), to_attr="share_changes")
    rows = Release.objects.filter(pk__in=[release.pk for release in releases])
    related = rows.select_related("checkpoint", "stage__pipeline", "family")
    return list(related.prefetch_related(changes).order_by("-started_at", "-pk"))


def _arm_then(release: Release, at: datetime) -> ArmThen:
    arm, share, since = Arm(release.arm), release.share, release.started_at
    for change in release.share_changes:  # type: ignore[attr-defined]
        if change.at <= at:
            arm, share, since = Arm(change.arm), change.share, change.at
    return ArmThen(
        release=release,
        arm=arm,
        share=share,
        since=since,
        is_halted=release.halted_at is not None and release.halted_at <= at,
    )


def stays_of(checkpoint: Checkpoint) -> list[Release]:
    """Every release that the checkpoint ever had, newest first, with `share_changes`."""
    return with_shares(Release.objects.filter(checkpoint=checkpoint))


def exposure_by_release(
    release_ids: Sequence[UUID],
) -> Mapping[UUID, list[PartnerExposure]]:
    """Who was served by each of those releases."""
    found: dict[UUID, list[PartnerExposure]] = {release_id: [] for release_id in release_ids}
    for row in exposure_source().exposed(release_ids) if release_ids else ():
        found[row.release_id].append(row)
    return found
