"""What is live where, what was, and the board of both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from infra import clock
from infra.errors import NotFound
from infra.models import AuditEntry
from releases.models import Hold, Promotion, Release, Stage
from releases.promotions import GateReason
from releases.selectors.facts import decisions_of
from releases.selectors.promotions import open_promotions
from releases.states import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A promotion that waits, and the first thing it waits for; None: it is about to go."""

    promotion: Promotion
    waits_for: GateReason | None
    n_unmet: int
    """How many reasons stand in the way, that one among them."""
    earliest: datetime | None
    """When time alone will have cleared all of them; None: something waits for more than time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardStage:
    """One stage: who occupies it, per size, and what is queued."""

    stage: Stage
    releases: Sequence[Release]
    queued: Sequence[Queued]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFamily:
    """One family's stages, in the order of its pipeline."""

    family: str
    stages: Sequence[BoardStage]


def releases() -> QuerySet[Release]:
    """Newest first, with what a line about each of them needs."""
    return Release.objects.select_related(
        "checkpoint", "stage__pipeline", "family", "promotion"
    ).order_by("-started_at", "-pk")


def release_with_id(release_id: UUID | str) -> Release:
    """That release; NotFound."""
    found = releases().filter(pk=release_id).first()
    if found is None:
        raise NotFound("no_such_release", f"There is no release {release_id}.")
    return found


def current_release(stage: Stage, size: str, arm: Arm = Arm.INCUMBENT) -> Release | None:
    """What is live (or halted) there now."""
    return releases().filter(stage=stage, size=size, arm=arm.value, ended_at=None).first()


def release_at(
    stage: Stage, size: str, moment: datetime, arm: Arm = Arm.INCUMBENT
) -> Release | None:
    """What was live there at that moment; None when nothing was, or it was halted."""
    there = releases().filter(stage=stage, size=size, arm=arm.value, started_at__lte=moment)
    return (
        there.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=moment))
        .filter(Q(halted_at__isnull=True) | Q(halted_at__gt=moment))
        .first()
    )


def stages() -> QuerySet[Stage]:
    """Every stage that is not retired, with `current_releases`."""
    current = releases().filter(ended_at__isnull=True).order_by("size", "-arm")
    return (
        Stage.objects.filter(retired_at__isnull=True)
        .select_related("pipeline__family")
        .prefetch_related(Prefetch("releases", current, to_attr="current_releases"))
        .order_by("pipeline__name", "position")
    )


def stage_with_id(stage_id: UUID | str) -> Stage:
    """That stage, retired or not; NotFound."""
    found = Stage.objects.select_related("pipeline__family").filter(pk=stage_id).first()
    if found is None:
        raise NotFound("no_such_stage", f"There is no stage {stage_id}.")
    return found


def holds() -> QuerySet[Hold]:
    """Newest first."""
    return Hold.objects.select_related(
        "checkpoint", "stage__pipeline", "owner", "lifted_by"
    ).order_by("-placed_at")


def hold_with_id(hold_id: UUID | str) -> Hold:
    """That hold; NotFound."""
    found = holds().filter(pk=hold_id).first()
    if found is None:
        raise NotFound("no_such_hold", f"There is no hold {hold_id}.")
    return found


def audit_entries(actor: str = "", subject: str = "", action: str = "") -> QuerySet[AuditEntry]:
    """Newest first; `actor` and `subject` by id or name, `action` whole or up to a dot."""
    found = AuditEntry.objects.order_by("-seq")
    if actor:
        found = found.filter(Q(actor_id=actor) | Q(actor_name=actor))
    if subject:
        found = found.filter(Q(object_id=subject) | Q(object_name=subject))
    if action:
        found = found.filter(Q(action=action) | Q(action__startswith=f"{action}."))
    return found


def board() -> list[BoardFamily]:
    """Families × stages in a constant number of queries."""
    stages = Stage.objects.filter(retired_at__isnull=True).select_related("pipeline__family")
    live, queued = _live_by_stage(), _queued_by_stage()
    families: dict[str, list[BoardStage]] = defaultdict(list)
    for stage in stages.order_by("pipeline__family__name", "position"):
        families[stage.pipeline.family.name].append(
            BoardStage(stage=stage, releases=live[stage.pk], queued=queued[stage.pk])
        )
    return [BoardFamily(family=name, stages=found) for name, found in families.items()]


def _live_by_stage() -> dict[UUID, list[Release]]:
    found: dict[UUID, list[Release]] = defaultdict(list)
    for release in releases().filter(ended_at__isnull=True).order_by("size", "-arm"):
        found[release.stage_id].append(release)
    return found


def queued(found: Sequence[Promotion], now: datetime) -> list[Queued]:
    """Open promotions with what each waits for, in a constant number of queries."""
    decisions = decisions_of(found, now)
    return [_queued(row, decisions[row.pk].unmet) for row in found]


def _queued(promotion: Promotion, unmet: Sequence[GateReason]) -> Queued:
    times = [reason.clears_at for reason in unmet if reason.clears_at is not None]
    return Queued(
        promotion=promotion,
        waits_for=next(iter(unmet), None),
        n_unmet=len(unmet),
        earliest=max(times) if times and len(times) == len(unmet) else None,
    )


def _queued_by_stage() -> dict[UUID, list[Queued]]:
    found: dict[UUID, list[Queued]] = defaultdict(list)
    for item in queued(list(open_promotions()), clock.now()):
        found[item.promotion.stage_id].append(item)
    return found
