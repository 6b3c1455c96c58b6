"""The board: each family's stages as a graph, who occupies them, and what is queued where."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from releases.graph import Graph, Node, Wanted, layout, wanted_of
from releases.models import Codename, Hold, Release, Stage
from releases.selectors.blocks import holds_in_force
from releases.selectors.freezes import FreezeNow, as_it_stands, standing_freezes
from releases.selectors.promotions import open_promotions
from releases.selectors.ramps import RampView, ramp_views
from releases.selectors.releases import releases

FREEZE_AHEAD = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One size of one stage: who occupies it, what moves there, and what partners call it."""

    size: str
    releases: Sequence[Release]
    ramp: RampView | None
    codenames: Sequence[Codename]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardNode:
    """One stage of a family's graph."""

    stage: Stage
    place: Node
    wanted: Wanted
    cells: Sequence[Cell]
    n_queued: int
    holds: Sequence[Hold]
    freezes: Sequence[FreezeNow]
    """In force, or opening within seven days."""

    @property
    def is_frozen(self) -> bool:
        return any(freeze.in_force for freeze in self.freezes)


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyBoard:
    """A family's stages in the order of its pipeline, and where they stand."""

    family: str
    graph: Graph
    nodes: Sequence[BoardNode]

    @property
    def ramps(self) -> list[RampView]:
        return [cell.ramp for node in self.nodes for cell in node.cells if cell.ramp is not None]


def family_boards(now: datetime, family: str = "") -> list[FamilyBoard]:
    """Every family, or that one, in a constant number of queries however much is on the board.

    What queued promotions wait for is not judged here: `selectors.releases.queued` does, for as
    many as are shown.
    """
    wanted = Q(retired_at__isnull=True) & (Q(pipeline__family__name=family) if family else Q())
    stages = Stage.objects.filter(wanted).select_related("pipeline__family")
    by_family: dict[str, list[Stage]] = defaultdict(list)
    for stage in stages.order_by("pipeline__family__name", "position"):
        by_family[stage.pipeline.family.name].append(stage)
    around = _around(now)
    return [_board(name, found, around) for name, found in by_family.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """Everything about all stages, by stage."""

    live: Mapping[UUID, Sequence[Release]]
    ramps: Mapping[UUID, RampView]
    names: Mapping[UUID, Sequence[Codename]]
    n_queued: Mapping[UUID, int]
    holds: Mapping[UUID, Sequence[Hold]]
    freezes: Sequence[FreezeNow]


def _around(now: datetime) -> _Around:
    live: dict[UUID, list[Release]] = defaultdict(list)
    for release in releases().filter(ended_at__isnull=True).order_by("size", "-arm"):
        live[release.stage_id].append(release)
    names: dict[UUID, list[Codename]] = defaultdict(list)
    for codename in _open_codenames(now):
        names[codename.stage_id].append(codename)
    holds: dict[UUID, list[Hold]] = defaultdict(list)
    for hold in holds_in_force().filter(stage__isnull=False):
        holds[hold.stage_id].append(hold)
    return _Around(
        live=live,
        ramps=ramp_views([row for found in live.values() for row in found], now),
        names=names,
        n_queued=Counter(open_promotions().values_list("stage_id", flat=True)),
        holds=holds,
        freezes=[found for found in _standing(now) if _is_near(found, now)],
    )


def _standing(now: datetime) -> list[FreezeNow]:
    return [as_it_stands(row, now) for row in standing_freezes()]


def _is_near(found: FreezeNow, now: datetime) -> bool:
    ahead = found.following is not None and found.following.opens_at <= now + FREEZE_AHEAD
    return found.in_force or ahead


def _open_codenames(now: datetime) -> Iterable[Codename]:
    is_open = Q(ends_at__isnull=True) | Q(ends_at__gt=now)
    return Codename.objects.filter(is_open, opens_at__lte=now).order_by("name")


def _board(family: str, stages: Sequence[Stage], around: _Around) -> FamilyBoard:
    graph = layout([(stage.name, stage.policy.get("after") or {}) for stage in stages])
    met = {release.size for stage in stages for release in around.live[stage.pk]}
    met |= {codename.size for stage in stages for codename in around.names[stage.pk]}
    nodes = [
        BoardNode(
            stage=stage,
            place=place,
            wanted=wanted_of(stage.policy.get("after") or {}),
            cells=[_cell(size, stage, around) for size in sorted(met)],
            n_queued=around.n_queued[stage.pk],
            holds=around.holds[stage.pk],
            freezes=[freeze for freeze in around.freezes if freeze.covers(stage)],
        )
        for stage, place in zip(stages, graph.nodes, strict=True)
    ]
    return FamilyBoard(family=family, graph=graph, nodes=nodes)


def _cell(size: str, stage: Stage, around: _Around) -> Cell:
    found = [release for release in around.live[stage.pk] if release.size == size]
    return Cell(
        size=size,
        releases=found,
        ramp=ramp_among(found, around.ramps),
        codenames=[name for name in around.names[stage.pk] if name.size == size],
    )


def ramp_among(found: Iterable[Release], ramps: Mapping[UUID, RampView]) -> RampView | None:
    """The ramp of the one that has one."""
    return next((ramps[row.pk] for row in found if row.pk in ramps), None)
