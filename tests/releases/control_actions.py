"""What can be asked of releases and of what stops them, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from infra import clock
from infra.actors import Actor
from releases.freezes import Schedule
from releases.models import Checkpoint, Freeze, Hold, Promotion, Release, Stage
from releases.services import freezes, holds, line, ramps, rejections
from releases.services import releases as services
from releases.states import Arm
from tests import builders
from tests.releases import rollout, story
from tests.releases.callers import Callers
from tests.releases.forward_actions import (
    LONG,
    MANAGERS,
    MANAGERS_OR_SYSTEM,
    SECOND,
    Action,
    made,
    open_promotion,
    row,
)

SCHEDULE = Schedule(starts="2026-12-20T00:00:00", lasts="14d", rule="FREQ=YEARLY", time_zone="UTC")
PLACED = {**{k: getattr(SCHEDULE, k) for k in ("starts", "lasts", "rule", "time_zone")}}
WHY = {"reason": "odd answers"}
MINE, ITS = "not_your_hold", "not_your_freeze"
ITS_OWNER = row(owner=ITS, editor=ITS, approver=ITS, superuser=ITS, removed=ITS)


def live(by: Callers) -> Release:
    """The second checkpoint of a stage, asked by the requester and approved by the approver."""
    to = story.stage(story.MANUAL)
    for name in ("chat-nano-1", "chat-nano-2"):
        promoted(by, name, to)
    return Release.objects.select_related("checkpoint", "stage__pipeline").get(ended_at=None)


def promoted(by: Callers, name: str, to: Stage) -> Promotion:
    cast = replace(
        builders.cast(),
        release_manager=by.actors["requester"],
        second_release_manager=by.actors["approver"],
    )
    return story.promoted(cast, made(name, by), to)


def halted(by: Callers) -> Release:
    return services.halt_release(actor=by.actors["approver"], release=live(by), reason="odd")


def candidate(by: Callers, *steps: dict[str, Any], holdback: int = 0) -> Release:
    to = rollout.stage(*steps, holdback=holdback)
    for name in ("chat-nano-1", "chat-nano-2"):
        promoted(by, name, to)
    found = rollout.current(to, Arm.CANDIDATE)
    assert found is not None
    return found


def asking(by: Callers) -> Release:
    """On a step that waits for a person."""
    return candidate(by, {"percent": 10, "approval": True}, {"percent": 50, "approval": True})


def held_back(by: Callers) -> Release:
    found = candidate(by, {"percent": 10, "for": "1h"}, {"percent": 90, "for": "1h"}, holdback=10)
    for hours in (2, 4, 6):
        ramps.advance_ramps(clock.now() + timedelta(hours=hours))
    found.refresh_from_db()
    return found


def held(by: Callers) -> Hold:
    return holds.place_hold(
        actor=by.actors["requester"], reason="odd", checkpoint=made("chat-nano-2", by)
    )


def rejected(by: Callers) -> Checkpoint:
    checkpoint = made("chat-nano-2", by)
    rejections.reject_checkpoint(
        actor=by.actors["approver"], checkpoint=checkpoint, reason="It leaks its prompt."
    )
    return checkpoint


def unreject_asked(by: Callers) -> Checkpoint:
    checkpoint = rejected(by)
    rejections.ask_to_unreject(
        actor=by.actors["requester"], checkpoint=checkpoint, reason="It was another one."
    )
    return checkpoint


def frozen(by: Callers) -> tuple[Freeze, Promotion]:
    promotion = open_promotion(by)
    freeze = freezes.place_freeze(
        actor=by.actors["requester"], name="yearly", schedule=SCHEDULE, reason="Inventory."
    )
    return freeze, promotion


def stopped(by: Callers) -> None:
    line.stop_the_line(actor=by.actors["approver"], reason="odd answers")


def start_asked(by: Callers) -> None:
    stopped(by)
    line.ask_to_start_the_line(actor=by.actors["requester"], reason="understood")


def _moves(move: Callable[..., Any]) -> Callable[[Actor, Release], Any]:
    return lambda actor, release: move(actor=actor, release=release, **WHY)


def _on(action: str, **body: Any) -> Callable[[Release], tuple[str, dict[str, Any]]]:
    return lambda release: (f"releases/{release.pk}/{action}/", body or WHY)


def _of(action: str, body: dict[str, Any]) -> Callable[[Checkpoint], tuple[str, dict[str, Any]]]:
    return lambda checkpoint: (f"checkpoints/{checkpoint.name}/{action}", body)


ACTIONS = [
    Action(
        name="hold",
        told=MANAGERS_OR_SYSTEM,
        begin=lambda by: made("chat-nano-2", by),
        do=lambda actor, c: holds.place_hold(actor=actor, checkpoint=c, reason="odd"),
        call=lambda c: ("holds/", {"checkpoint": c.name, "reason": "odd"}),
    ),
    Action(
        name="lift",
        told=row(owner=MINE, editor=MINE, approver=MINE, superuser=MINE, removed=MINE),
        begin=held,
        do=lambda actor, hold: holds.lift_hold(actor=actor, hold=hold, reason="fine"),
        call=lambda hold: (f"holds/{hold.pk}/lift/", {"reason": "fine"}),
    ),
    Action(
        name="halt",
        told=MANAGERS_OR_SYSTEM,
        begin=live,
        do=_moves(services.halt_release),
        call=_on("halt"),
    ),
    Action(
        name="resume",
        told=MANAGERS,
        begin=halted,
        do=_moves(services.resume_release),
        call=_on("resume"),
    ),
    Action(
        name="demote",
        told=MANAGERS_OR_SYSTEM,
        begin=live,
        do=_moves(services.demote_release),
        call=_on("demote"),
    ),
    Action(
        name="roll back",
        told=MANAGERS_OR_SYSTEM,
        begin=live,
        do=lambda actor, r: services.roll_back(actor=actor, stage=r.stage, size=r.size, **WHY),
        call=lambda r: (f"stages/{r.stage_id}/rollback/", {"size": r.size, **WHY}),
    ),
    Action(
        name="reject checkpoint",
        told=MANAGERS,
        begin=lambda by: made("chat-nano-2", by),
        do=lambda actor, c: rejections.reject_checkpoint(actor=actor, checkpoint=c, **WHY),
        call=_of("reject/", WHY),
    ),
    Action(
        name="ask to un-reject",
        told=row(owner=SECOND),
        begin=rejected,
        do=lambda actor, c: rejections.ask_to_unreject(actor=actor, checkpoint=c, **WHY),
        call=_of("unreject/", WHY),
    ),
    Action(
        name="confirm un-reject",
        told=row(SECOND, SECOND),
        begin=unreject_asked,
        do=lambda actor, c: rejections.confirm_unreject(actor=actor, checkpoint=c),
        call=_of("unreject/confirm/", {}),
    ),
    Action(
        name="freeze",
        told=MANAGERS,
        begin=lambda by: None,
        do=lambda actor, _: freezes.place_freeze(
            actor=actor, name="yearly", schedule=SCHEDULE, reason="Inventory."
        ),
        call=lambda _: ("freezes/", {**PLACED, "name": "yearly", "reason": "Inventory."}),
    ),
    Action(
        name="end freeze",
        told=ITS_OWNER,
        begin=frozen,
        do=lambda actor, found: freezes.end_freeze(actor=actor, freeze=found[0], reason="over"),
        call=lambda found: (f"freezes/{found[0].pk}/end/", {"reason": "over"}),
    ),
    Action(
        name="waive freeze",
        told=ITS_OWNER,
        begin=frozen,
        do=lambda actor, found: freezes.waive_freeze(
            actor=actor, freeze=found[0], promotion=found[1], reason=LONG
        ),
        call=lambda found: (
            f"promotions/{found[1].pk}/freeze-waivers/",
            {"freeze": str(found[0].pk), "reason": LONG},
        ),
    ),
    Action(
        name="stop the line",
        told=MANAGERS,
        begin=lambda by: None,
        do=lambda actor, _: line.stop_the_line(actor=actor, **WHY),
        call=lambda _: ("line/stop/", WHY),
    ),
    Action(
        name="ask to start the line",
        told=MANAGERS,
        begin=stopped,
        do=lambda actor, _: line.ask_to_start_the_line(actor=actor, **WHY),
        call=lambda _: ("line/start/", WHY),
    ),
    Action(
        name="confirm the start",
        told=row(SECOND),
        begin=start_asked,
        do=lambda actor, _: line.confirm_start(actor=actor),
        call=lambda _: ("line/start/confirm/", {}),
    ),
    Action(
        name="approve ramp step",
        told=row("own_request", "own_checkpoint"),
        begin=asking,
        do=lambda actor, r: ramps.approve_step(actor=actor, release=r, comment="fine"),
        call=_on("ramp/approve", comment="fine"),
    ),
    Action(
        name="end ramp",
        told=MANAGERS,
        begin=held_back,
        do=_moves(ramps.end_ramp),
        call=_on("ramp/end"),
    ),
]
