"""Which freezes are in force, on which moves, and until when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from infra.errors import NotFound
from releases.freezes import Window, next_window, window_at
from releases.models import Freeze, FreezeWaiver, Stage
from releases.wording import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeNow:
    """A freeze as it stands now; `problem` when its schedule can't be read, and it stays closed."""

    freeze: Freeze
    window: Window | None
    following: Window | None = None
    problem: str = ""
    let_through: frozenset[UUID] = frozenset()

    @property
    def in_force(self) -> bool:
        return self.window is not None or bool(self.problem)

    @property
    def owner(self) -> str:
        return str(self.freeze.owner) if self.freeze.owner else "release-managers"

    @property
    def clears_at(self) -> datetime | None:
        return self.window.closes_at if self.window else None

    def covers(self, stage: Stage) -> bool:
        """Whether it is a freeze of the stage, of its pipeline, or of all."""
        freeze = self.freeze
        if freeze.stage_id is None and freeze.pipeline_id is None:
            return True
        return stage.pk == freeze.stage_id or stage.pipeline_id == freeze.pipeline_id

    def lets(self, promotion_id: UUID) -> bool:
        return promotion_id in self.let_through

    def sentence_on(self, stage: Stage) -> str:
        """What it says to whoever wants to move something into the stage."""
        freeze = self.freeze
        if self.window is None:
            return (
                f"{stage} is frozen, because the freeze {freeze} can't be read ({self.problem}): "
                "end it and place it anew."
            )
        until = self.window.closes_at.astimezone(ZoneInfo(freeze.time_zone))
        return (
            f"{stage} is frozen until {until:%Y-%m-%d %H:%M} ({freeze.time_zone}) by {freeze}: "
            f"{quoted(freeze.reason)} {self.owner} may let a promotion through."
        )


def freezes_on(
    stages: Collection[Stage], promotion_ids: Collection[UUID], now: datetime
) -> list[FreezeNow]:
    """The freezes in force on any of these stages, and which of the promotions each lets through.

    By name.
    """
    covering = standing_freezes().filter(
        Q(stage__in={stage.pk for stage in stages})
        | Q(pipeline__in={stage.pipeline_id for stage in stages})
        | Q(stage__isnull=True, pipeline__isnull=True)
    )
    waivers = _waivers(promotion_ids) if promotion_ids else {}
    found = [_now(row, now, waivers.get(row.pk, frozenset())) for row in covering]
    return [freeze for freeze in found if freeze.in_force]


def freezes_ahead(stage: Stage, now: datetime) -> list[FreezeNow]:
    """The freezes of a stage that nobody ended, with the window now and the following one."""
    found = [as_it_stands(row, now) for row in standing_freezes()]
    return [freeze for freeze in found if freeze.covers(stage)]


def as_it_stands(row: Freeze, now: datetime) -> FreezeNow:
    """The freeze with its windows; one that was ended has none."""
    if row.ended_at is not None:
        return FreezeNow(freeze=row, window=None)
    return _now(row, now, frozenset(), ahead=True)


def freezes() -> QuerySet[Freeze]:
    """Every freeze by name, ended ones too."""
    rows = Freeze.objects.order_by("name", "placed_at", "pk")
    return rows.select_related("owner", "pipeline", "stage__pipeline")


def standing_freezes() -> QuerySet[Freeze]:
    """Freezes that nobody ended, by name."""
    return freezes().filter(ended_at__isnull=True)


def freeze_with_id(freeze_id: UUID | str) -> Freeze:
    """That freeze; NotFound."""
    found = freezes().filter(pk=freeze_id).first()
    if found is None:
        raise NotFound("no_such_freeze", f"There is no freeze {freeze_id}.")
    return found


def freeze_named(name: str) -> Freeze:
    """The standing freeze of that name; NotFound, also when several have it."""
    found = list(standing_freezes().filter(name=name)[:2])
    if len(found) != 1:
        known = ", ".join(standing_freezes().values_list("name", flat=True)) or "none"
        what = "No freeze has" if not found else "More than one freeze has"
        raise NotFound("no_such_freeze", f"{what} the name {name!r}; in place: {known}.")
    return found[0]


def _waivers(promotion_ids: Collection[UUID]) -> dict[UUID, frozenset[UUID]]:
    found: dict[UUID, set[UUID]] = defaultdict(set)
    rows = FreezeWaiver.objects.filter(promotion__in=promotion_ids, freeze__ended_at__isnull=True)
    for freeze_id, promotion_id in rows.values_list("freeze", "promotion"):
        found[freeze_id].add(promotion_id)
    return {freeze_id: frozenset(promotions) for freeze_id, promotions in found.items()}


def _now(row: Freeze, now: datetime, let: frozenset[UUID], *, ahead: bool = False) -> FreezeNow:
    try:
        window = window_at(row, now)
        following = next_window(row, now) if ahead else None
    except ValueError as error:
        # A time zone that this machine does not know must not open what was closed.
        return FreezeNow(freeze=row, window=None, problem=str(error), let_through=let)
    return FreezeNow(freeze=row, window=window, following=following, let_through=let)
