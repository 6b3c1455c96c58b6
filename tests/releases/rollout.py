"""A stage with a ramp, and candidates on their way up, for stories about ramps."""

from __future__ import annotations

from typing import Any

from releases.digests import sha256_of
from releases.models import Checkpoint, Promotion, Release, ShareChange, Stage
from releases.states import Arm
from tests import builders
from tests.builders import Cast
from tests.releases import story

STEPS = [{"percent": 10, "for": "2h"}, {"percent": 50, "for": "6h"}, {"percent": 90, "for": "4h"}]
SIZE = "nano"


def named(name: str) -> Checkpoint:
    return builders.checkpoint(name, checkpoint_digest=sha256_of(name))


def stage(*steps: dict[str, Any], name: str = "closed-alpha", **settings: Any) -> Stage:
    """A stage that asks one question and ramps by `steps`; three timed ones by default."""
    return story.stage(story.MANUAL, name=name, ramp=list(steps or STEPS), **settings)


def begun(cast: Cast, to: Stage, *names: str) -> Promotion:
    """Each checkpoint promoted in turn; the last one is the candidate."""
    return [story.promoted(cast, named(name), to) for name in names][-1]


def current(to: Stage, arm: Arm) -> Release | None:
    rows = Release.objects.filter(stage=to, size=SIZE, arm=arm.value, ended_at=None)
    return rows.select_related("checkpoint", "stage__pipeline", "promotion").first()


def incumbent(to: Stage) -> Release:
    found = current(to, Arm.INCUMBENT)
    assert found is not None
    return found


def candidate(to: Stage) -> Release:
    found = current(to, Arm.CANDIDATE)
    assert found is not None
    return found


def shares(to: Stage) -> dict[str, tuple[str, int]]:
    """Checkpoint -> its arm and share now."""
    rows = Release.objects.filter(stage=to, ended_at=None).select_related("checkpoint")
    return {row.checkpoint.name: (row.arm, row.share) for row in rows}


def history(to: Stage) -> list[tuple[str, str, int]]:
    """Every change of an arm or a share, in order: checkpoint, arm, share."""
    rows = ShareChange.objects.filter(release__stage=to).order_by("at", "pk")
    return list(rows.values_list("release__checkpoint__name", "arm", "share"))
