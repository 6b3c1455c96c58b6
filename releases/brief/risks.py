"""What stops forward moves, or soon will, whoever has to see to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.urls import reverse

from infra.brief.contract import Asked, Line, Tone
from infra.roles import Role
from releases.models import Hold
from releases.selectors.blocks import follow_ups_owed, holds_in_force, line_stop_in_force
from releases.selectors.freezes import FreezeNow, as_it_stands, standing_freezes
from releases.selectors.promotions import open_promotions
from releases.selectors.releases import releases
from releases.states import ReleaseState
from releases.wording import quoted

FREEZE_AHEAD = timedelta(days=7)
EXPIRES_SOON = timedelta(days=2)


def risks(asked: Asked) -> list[Line]:
    """The stopped line, halted releases, holds, freezes, and requests about to expire."""
    return [*_line(), *_halted(), *_holds(), *_freezes(asked), *_expiring(asked), *_missed(asked)]


def _line() -> Iterator[Line]:
    stop = line_stop_in_force()
    if stop is not None:
        yield Line(
            title="The line is stopped",
            sentence=f"{stop.stopped_by}: {quoted(stop.reason)} Nothing moves forward anywhere.",
            address=reverse("console-line"),
            word="stopped",
            tone=Tone.BAD,
            at=stop.stopped_at,
        )


def _halted() -> Iterator[Line]:
    rows = releases().filter(ended_at=None, state=ReleaseState.HALTED.value)
    for row in rows:
        yield Line(
            title=f"{row.checkpoint.name} in {row.stage}",
            sentence=f"Its {row.arm} arm is halted: resume it, demote it or roll back.",
            address=reverse("console-stage", args=[row.stage_id]),
            word="halted",
            tone=Tone.BAD,
            at=row.halted_at,
        )


def _holds() -> Iterator[Line]:
    for hold in holds_in_force().order_by("placed_at"):
        yield Line(
            title=str(hold.checkpoint.name if hold.checkpoint else hold.stage),
            sentence=f"{hold.owner or 'Slipway'}: {quoted(hold.reason)}",
            address=_held(hold),
            word="held",
            at=hold.placed_at,
        )


def _held(hold: Hold) -> str:
    if hold.checkpoint_id:
        return reverse("console-checkpoint", args=[hold.checkpoint_id])
    return reverse("console-stage", args=[hold.stage_id])


def _freezes(asked: Asked) -> Iterator[Line]:
    for row in standing_freezes():
        found = as_it_stands(row, asked.now)
        opens = found.following.opens_at if found.following else None
        if found.in_force or (opens is not None and opens <= asked.now + FREEZE_AHEAD):
            yield _freeze(found)


def _freeze(found: FreezeNow) -> Line:
    row, window = found.freeze, found.window or found.following
    what = str(row.stage or row.pipeline or "every stage")
    if found.problem:
        sentence = f"{what} stays closed: its schedule can't be read ({found.problem})."
    elif found.window:
        sentence = f"{what} until {found.window.closes_at:%Y-%m-%d %H:%M} UTC: {quoted(row.reason)}"
    else:
        sentence = (
            f"{what} from {window.opens_at:%Y-%m-%d %H:%M} to {window.closes_at:%Y-%m-%d %H:%M} "
            f"UTC: {quoted(row.reason)}"
            if window
            else what
        )
    return Line(
        title=f"Freeze {row.name}",
        sentence=sentence,
        address=reverse("console-line"),
        word="in force" if found.in_force else "ahead",
        tone=Tone.WARN if found.in_force else Tone.INFO,
        at=window.opens_at if window else None,
    )


def _expiring(asked: Asked) -> Iterator[Line]:
    soon = asked.now + EXPIRES_SOON
    for row in open_promotions().filter(expires_at__lte=soon).order_by("expires_at"):
        yield Line(
            title=f"{row.checkpoint.name} → {row.stage.name}",
            sentence=f"The request expires {row.expires_at:%Y-%m-%d %H:%M} UTC; expiry is never "
            "approval.",
            address=reverse("console-promotion", args=[row.pk]),
            word="expires",
            at=row.expires_at,
        )


def _missed(asked: Asked) -> Iterator[Line]:
    """For who can't complete them; a release manager finds them under what waits."""
    if asked.actor.is_person and asked.actor.may(Role.RELEASE_MANAGER):
        return
    for row in follow_ups_owed().filter(due_at__lte=asked.now):
        yield Line(
            title=f"Follow-up of {row.promotion.checkpoint.name}",
            sentence=f"Missed: nothing is promoted into {row.promotion.stage} until a release "
            "manager says what was looked at.",
            address=reverse("console-promotion", args=[row.promotion_id]),
            word="missed",
            tone=Tone.BAD,
            at=row.due_at,
        )
