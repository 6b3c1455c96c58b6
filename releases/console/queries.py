"""What the pages of `releases` show, each in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from infra import clock
from infra.actors import Actor
from infra.roles import Role, role_named
from releases.models import Checkpoint, Codename, Hold, Promotion, Release, Stage
from releases.promotions import APPROVALS, Decision, GateReason
from releases.selectors.blocks import holds_in_force
from releases.selectors.facts import decisions_of
from releases.selectors.nearness import near_to_all
from releases.selectors.promotions import open_promotions
from releases.selectors.ramps import RampView, ramp_views
from releases.selectors.releases import BoardFamily, BoardStage, Queued, board
from releases.services.releases import would_return


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One size of one stage: who occupies it, what moves there, and what partners call it."""

    size: str
    releases: Sequence[Release]
    ramp: RampView | None
    codenames: Sequence[Codename]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One stage of a family's way, from left to right."""

    stage: Stage
    cells: Sequence[Cell]
    queue: Sequence[Queued]
    holds: Sequence[Hold]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """A family's stages in order."""

    family: str
    lanes: Sequence[Lane]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An open promotion as one person sees it."""

    promotion: Promotion
    reason: GateReason | None
    """What this person is asked for, or else the first thing in the way."""
    is_mine: bool


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


def queued() -> list[Queued]:
    """Every open promotion, oldest first, with what it waits for."""
    found = list(open_promotions())
    decisions = decisions_of(found, clock.now())
    return [
        Queued(promotion=row, waits_for=next(iter(decisions[row.pk].unmet), None)) for row in found
    ]


def is_asked(actor: Actor, reason: GateReason) -> bool:
    """Whether the reason waits for one of this person's roles."""
    return any(_role(name) in actor.roles for name in reason.owner.split(","))


def _role(name: str) -> Role | None:
    try:
        return role_named(name.strip())
    except ValueError:
        return None


def waiting(actor: Actor) -> list[Waiting]:
    """Every open promotion, those that this person can move first."""
    found = list(open_promotions())
    decisions, near = decisions_of(found, clock.now()), near_to_all(found)
    me = str(actor.person_id)
    rows = [_waiting(actor, row, decisions[row.pk], me in near[row.pk]) for row in found]
    return sorted(rows, key=lambda row: not row.is_mine)


def _waiting(actor: Actor, promotion: Promotion, decision: Decision, is_near: bool) -> Waiting:
    for reason in decision.unmet:
        may = reason.kind != APPROVALS or not is_near
        if decision.machine_clear and reason.human and may and is_asked(actor, reason):
            return Waiting(promotion=promotion, reason=reason, is_mine=True)
    first = next(iter(decision.unmet), None)
    return Waiting(promotion=promotion, reason=first, is_mine=False)


def lanes() -> list[Lanes]:
    """The board with its sizes, codenames and holds."""
    names: dict[UUID, list[Codename]] = defaultdict(list)
    for codename in _open_codenames(Codename.objects.order_by("name")):
        names[codename.stage_id].append(codename)
    holds: dict[UUID | None, list[Hold]] = defaultdict(list)
    for hold in holds_in_force():
        holds[hold.stage_id].append(hold)
    families = board()
    live = [release for f in families for item in f.stages for release in item.releases]
    ramps = ramp_views(live, clock.now())
    return [_lanes(family, names, holds, ramps) for family in families]


def _lanes(
    family: BoardFamily,
    names: dict[UUID, list[Codename]],
    holds: dict[UUID | None, list[Hold]],
    ramps: Mapping[UUID, RampView],
) -> Lanes:
    met = {release.size for item in family.stages for release in item.releases}
    met |= {name.size for item in family.stages for name in names[item.stage.pk]}
    sizes = sorted(met)
    found = [
        Lane(
            stage=item.stage,
            cells=[_cell(size, item, names[item.stage.pk], ramps) for size in sizes],
            queue=item.queued,
            holds=holds[item.stage.pk],
        )
        for item in family.stages
    ]
    return Lanes(family=family.family, lanes=found)


def _cell(
    size: str, item: BoardStage, names: Iterable[Codename], ramps: Mapping[UUID, RampView]
) -> Cell:
    releases = [release for release in item.releases if release.size == size]
    return Cell(
        size=size,
        releases=releases,
        ramp=_ramp_among(releases, ramps),
        codenames=[name for name in names if name.size == size],
    )


def _ramp_among(releases: Iterable[Release], ramps: Mapping[UUID, RampView]) -> RampView | None:
    return next((ramps[row.pk] for row in releases if row.pk in ramps), None)


def _open_codenames(names: Iterable[Codename]) -> list[Codename]:
    now = clock.now()
    return [n for n in names if n.opens_at <= now and (n.ends_at is None or n.ends_at > now)]


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
            ramp=_ramp_among(found, ramps),
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
