"""What the pages of `releases` show, each in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from infra import clock
from releases.console.lineage import Drawing, drawn
from releases.models import Checkpoint, Release, Stage
from releases.selectors.board import ramp_among
from releases.selectors.family_tree import tree_around
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


def lineage_of(checkpoint: Checkpoint) -> Drawing:
    """The graph of what it was made from and what was made from it, with where each is live."""
    tree = tree_around(checkpoint)
    live: dict[UUID, list[str]] = defaultdict(list)
    rows = Release.objects.filter(checkpoint__in=tree.nodes, ended_at=None)
    for checkpoint_id, stage in rows.order_by("stage__position").values_list(
        "checkpoint_id", "stage__name"
    ):
        live[checkpoint_id].append(stage)
    return drawn(tree, checkpoint.pk, live)
