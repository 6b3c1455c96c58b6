"""What the pages of `releases` show, each in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from infra import clock
from releases.models import Checkpoint, Release, Stage
from releases.selectors.board import ramp_among
from releases.selectors.ramps import RampView, ramp_views
from releases.services.releases import would_return


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """A size of one stage with its ramp, and what a roll back would bring back."""

    size: str
    releases: Sequence[Release]
    ramp: RampView | None
    returning: Release | None

    @property
    def has_candidate(self) -> bool:
        return len(self.releases) > 1

    @property
    def leaving(self) -> list[Release]:
        """What a roll back ends, and holds."""
        return [row for row in self.releases if self.returning and row.pk != self.returning.pk]


def current_by_size(stage: Stage) -> list[Current]:
    """What is live (or halted) in the stage, and what each size would roll back to."""
    rows = Release.objects.filter(stage=stage, ended_at=None).select_related("checkpoint")
    by_size: dict[str, list[Release]] = defaultdict(list)
    for row in rows.order_by("size", "-arm"):
        by_size[row.size].append(row)
    ramps = ramp_views([row for found in by_size.values() for row in found], clock.now())
    return [
        Current(
            size=size,
            releases=found,
            ramp=ramp_among(found, ramps),
            returning=would_return(stage, size, found),
        )
        for size, found in by_size.items()
    ]


def ancestors(checkpoint: Checkpoint) -> list[Checkpoint]:
    """The checkpoints it was made from, nearest first; at most 20 steps back."""
    found: list[Checkpoint] = []
    parent = checkpoint.parent
    while parent is not None and len(found) < 20:
        found.append(parent)
        parent = parent.parent
    return found
