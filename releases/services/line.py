"""The line: everything that moves forward passes here, and one person can stop it.

A forward transaction locks its stages, then takes the line's lock shared; stopping takes it
exclusively. So a stop waits for at most one move a stage, and after its commit nothing executes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import connection, transaction

from infra import clock
from infra.actors import Actor
from infra.errors import InvalidMove, PromotionBlocked, Reason
from infra.roles import Role
from releases.models import LineStop, Stage
from releases.promotions import blocked
from releases.selectors.blocks import Move, blocks_on, line_stop_in_force
from releases.selectors.promotions import as_refusal_reason
from releases.services.lifting import ask_to_lift, confirm_lift, must_say_why, tell
from releases.wording import quoted

LINE_LOCK = 0x511B0A73
_START = "start the line again"


def must_move(moves: Sequence[Move]) -> None:
    """PromotionBlocked with everything that blocks these moves; call it first in the transaction.

    The stages stay locked, and the line can't be stopped, until the transaction ends. Call it
    before any other row is locked: locks in another order could wait for each other.
    """
    take_the_line(move.stage.pk for move in moves)
    found = [block for blocks in blocks_on(moves, clock.now()) for block in blocks]
    reasons = [as_refusal_reason(blocked(block)) for block in dict.fromkeys(found)]
    if reasons:
        raise PromotionBlocked("promotion_blocked", reasons[0].sentence, reasons)


def take_the_line(stage_ids: Iterable[UUID]) -> None:
    """Lock these stages, then the line, shared; what is read from here on knows of every stop."""
    wanted = Stage.objects.filter(pk__in=set(stage_ids)).order_by("pk")
    list(wanted.select_for_update(no_key=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [LINE_LOCK])


def stop_the_line(*, actor: Actor, reason: str) -> LineStop:
    """No promotion and no ramp step executes after this commits, anywhere; the way back is free."""
    person_id = actor.must_be_person("stop the line")
    actor.must("stop the line", Role.RELEASE_MANAGER)
    reason = must_say_why(reason)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LINE_LOCK])
        standing = line_stop_in_force()
        if standing is not None:
            sentence = (
                f"{standing.stopped_by} stopped the line on {standing.stopped_at:%Y-%m-%d %H:%M} "
                f"UTC: {quoted(standing.reason)}"
            )
            refusal = Reason(code="line_stopped", sentence=sentence, owner=str(standing.stopped_by))
            raise InvalidMove("line_stopped", sentence, [refusal])
        row = LineStop.objects.create(
            stopped_by_id=person_id, reason=reason, stopped_at=clock.now()
        )
        tell(actor, row, "line.stopped", row.reason)
    return row


def ask_to_start_the_line(*, actor: Actor, reason: str) -> LineStop:
    """The first of two persons; nothing moves until another release manager confirms."""
    with transaction.atomic():
        row = _locked_stop()
        ask_to_lift(actor, row, _START, reason)
        tell(actor, row, "line.start_asked", row.lift_reason)
    return row


def confirm_start(*, actor: Actor) -> LineStop:
    """The second person; what waits moves on at the scheduler's next look."""
    with transaction.atomic():
        row = _locked_stop()
        confirm_lift(actor, row, _START, {})
        asker = row.lift_asked_by.name if row.lift_asked_by else ""
        tell(actor, row, "line.started", row.lift_reason, asked_by=asker)
    return row


def _locked_stop() -> LineStop:
    rows = LineStop.objects.select_for_update(of=("self",), no_key=True)
    row = rows.select_related("stopped_by", "lift_asked_by").filter(lifted_at__isnull=True).first()
    if row is None:
        raise InvalidMove("line_runs", "The line runs: there is nothing to start.")
    return row
