"""What stops forward moves now, for many moves in a constant number of queries.

Gates say whether a checkpoint is good enough; blocks say that nothing moves whatever they say.
None of them stops halt, demote, revoke or roll back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from releases.gates.facts import BlockFact
from releases.models import (
    Checkpoint,
    FollowUp,
    Hold,
    LineStop,
    Promotion,
    Ramp,
    Rejection,
    Stage,
)
from releases.selectors.freezes import FreezeNow, freezes_on
from releases.states import Block, RampState
from releases.wording import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A checkpoint on its way into a stage, or up a ramp there; by a promotion, or asked for."""

    checkpoint: Checkpoint
    stage: Stage
    promotion: Promotion | None = None


def move_of(promotion: Promotion) -> Move:
    return Move(checkpoint=promotion.checkpoint, stage=promotion.stage, promotion=promotion)


def blocks_on(moves: Sequence[Move], now: datetime) -> list[tuple[BlockFact, ...]]:
    """What blocks each move, in the order of `Block`; one item a move, in their order."""
    holds, rejections, freezes = _holds(moves), _rejections(moves), _freezes(moves, now)
    stopped, owed, ramps = _line_stop(), _missed(moves, now), _ramps(moves)
    return [
        (
            *holds[move.checkpoint.pk],
            *holds[move.stage.pk],
            *rejections[move.checkpoint.pk],
            *_frozen(move, freezes),
            *stopped,
            *_owed(move, owed),
            *_other_ramp(move, ramps),
        )
        for move in moves
    ]


def _holds(moves: Sequence[Move]) -> dict[UUID, list[BlockFact]]:
    found: dict[UUID, list[BlockFact]] = defaultdict(list)
    on = Q(checkpoint__in={m.checkpoint.pk for m in moves}) | Q(
        stage__in={m.stage.pk for m in moves}
    )
    for hold in holds_in_force().filter(on).order_by("placed_at", "pk"):
        subject = hold.checkpoint or hold.stage
        owner = hold.owner.name if hold.owner else "Slipway"
        sentence = f"{subject} is held by {owner}: {quoted(hold.reason)}"
        found[subject.pk].append(BlockFact(block=Block.HOLDS, sentence=sentence, owner=owner))
    return found


def _rejections(moves: Sequence[Move]) -> dict[UUID, list[BlockFact]]:
    found: dict[UUID, list[BlockFact]] = defaultdict(list)
    for row in rejections_in_force().filter(checkpoint__in={m.checkpoint.pk for m in moves}):
        sentence = (
            f"{row.rejected_by} rejected {row.checkpoint} on {row.rejected_at:%Y-%m-%d}: "
            f"{quoted(row.reason)} Two release managers take that back."
        )
        fact = BlockFact(block=Block.REJECTION, sentence=sentence, owner=str(row.rejected_by))
        found[row.checkpoint_id].append(fact)
    return found


def _freezes(moves: Sequence[Move], now: datetime) -> list[FreezeNow]:
    promotion_ids = {move.promotion.pk for move in moves if move.promotion}
    return freezes_on([move.stage for move in moves], promotion_ids, now)


def _frozen(move: Move, freezes: Sequence[FreezeNow]) -> Iterator[BlockFact]:
    for found in freezes:
        if found.covers(move.stage) and not (move.promotion and found.lets(move.promotion.pk)):
            yield BlockFact(
                block=Block.FREEZE,
                sentence=found.sentence_on(move.stage),
                owner=found.owner,
                clears_at=found.clears_at,
            )


def _missed(moves: Sequence[Move], now: datetime) -> dict[UUID, list[FollowUp]]:
    """Follow-ups of hotfixes that are over their time, by stage."""
    found: dict[UUID, list[FollowUp]] = defaultdict(list)
    stages = {move.stage.pk for move in moves}
    for row in follow_ups_owed().filter(due_at__lte=now, promotion__stage__in=stages):
        found[row.promotion.stage_id].append(row)
    return found


def _owed(move: Move, missed: Mapping[UUID, Sequence[FollowUp]]) -> Iterator[BlockFact]:
    """The hotfix itself goes on up its ramp: what is blocked is the next promotion."""
    for row in missed[move.stage.pk]:
        if move.promotion is None or row.promotion_id != move.promotion.pk:
            sentence = (
                f"The hotfix {row.promotion} owes its follow-up since {row.due_at:%Y-%m-%d %H:%M} "
                f"UTC: say what was done about it, then the next promotion goes on."
            )
            owner = row.promotion.requester_name
            yield BlockFact(block=Block.FOLLOW_UP, sentence=sentence, owner=owner)


def _line_stop() -> tuple[BlockFact, ...]:
    stop = line_stop_in_force()
    if stop is None:
        return ()
    sentence = (
        f"{stop.stopped_by} stopped the line on {stop.stopped_at:%Y-%m-%d %H:%M} UTC: "
        f"{quoted(stop.reason)} Two release managers start it again."
    )
    return (BlockFact(block=Block.LINE_STOP, sentence=sentence, owner=str(stop.stopped_by)),)


def _ramps(moves: Sequence[Move]) -> dict[tuple[UUID, str], Ramp]:
    """By stage and size: one candidate at a time."""
    rows = Ramp.objects.filter(
        state=RampState.RAMPING.value, release__stage__in={move.stage.pk for move in moves}
    ).select_related("release__checkpoint", "release__stage__pipeline")
    return {(row.release.stage_id, row.release.size): row for row in rows}


def _other_ramp(move: Move, ramps: Mapping[tuple[UUID, str], Ramp]) -> tuple[BlockFact, ...]:
    ramp = ramps.get((move.stage.pk, move.checkpoint.size))
    if ramp is None or ramp.release.checkpoint_id == move.checkpoint.pk:
        return ()
    release = ramp.release
    sentence = (
        f"{release.checkpoint} is on its way up in {release.stage} ({release.share} %): the next "
        "one waits until its ramp has ended, or until it is demoted or rolled back."
    )
    return (BlockFact(block=Block.RAMP, sentence=sentence, clears_at=None),)


def line_stop_in_force() -> LineStop | None:
    """The stop that nobody lifted; None while the line runs."""
    rows = LineStop.objects.select_related("stopped_by", "lift_asked_by")
    return rows.filter(lifted_at__isnull=True).first()


def rejections_in_force() -> QuerySet[Rejection]:
    """Every rejection that two persons have not taken back."""
    rows = Rejection.objects.filter(lifted_at__isnull=True)
    return rows.select_related("checkpoint", "rejected_by", "lift_asked_by")


def follow_ups_owed() -> QuerySet[FollowUp]:
    """What hotfixes still owe, the oldest first."""
    rows = FollowUp.objects.filter(done_at__isnull=True).order_by("due_at", "pk")
    return rows.select_related("promotion__checkpoint", "promotion__stage__pipeline")


def holds_in_force() -> QuerySet[Hold]:
    """Every hold that nobody lifted."""
    return Hold.objects.filter(lifted_at__isnull=True).select_related(
        "checkpoint", "stage__pipeline", "owner"
    )
