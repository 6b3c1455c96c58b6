"""Freezes: times in which nothing moves forward; the way back stays open."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.db import transaction

from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotPermitted, Reason
from infra.roles import Role
from releases.freezes import Schedule, next_window, schedule_problems, window_at
from releases.models import Freeze, FreezeWaiver, Pipeline, Promotion, Stage
from releases.selectors.freezes import standing_freezes
from releases.services.lifting import must_say_why
from releases.states import OPEN_PROMOTIONS

WAIVER_REASON = 20
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


def place_freeze(
    *,
    actor: Actor,
    name: str,
    schedule: Schedule,
    reason: str,
    stage: Stage | None = None,
    pipeline: Pipeline | None = None,
) -> Freeze:
    """A freeze of one stage, of a pipeline's stages, or, where neither is given, of all.

    Its placer owns it. InvalidInput with everything that is wrong with the schedule.
    """
    person_id = actor.must_be_person("place a freeze")
    actor.must("place freezes", Role.RELEASE_MANAGER)
    reason = must_say_why(reason)
    if stage is not None and pipeline is not None:
        raise InvalidInput("bad_freeze", "A freeze is of a stage, of a pipeline, or of all.")
    _refuse(_problems(name, schedule))
    subject = {"stage": stage, "pipeline": pipeline}
    if standing_freezes().filter(name=name, **subject).exists():
        sentence = f"A freeze {name} is in place there already: end it, or choose another name."
        raise _refused("freeze_there", sentence)
    with transaction.atomic():
        row = Freeze.objects.create(
            name=name,
            **subject,
            starts=schedule.starts,
            lasts=schedule.lasts,
            rule=schedule.rule,
            except_dates=list(schedule.except_dates),
            time_zone=schedule.time_zone,
            reason=reason,
            owner_id=person_id,
            placed_at=clock.now(),
        )
        _tell(actor, row, "freeze.placed", reason)
    return row


def end_freeze(*, actor: Actor, freeze: Freeze, reason: str) -> Freeze:
    """Ended by its owner; one without an owner, or whose owner left, by a release manager.

    A freeze of a pipeline's file ends when the file no longer names it.
    """
    actor.must_be_person("end a freeze")
    reason = must_say_why(reason)
    with transaction.atomic():
        row = _locked(freeze)
        _must_stand(row)
        if row.from_file:
            sentence = f"The pipeline's file keeps {row}: take it out there and apply the file."
            raise _refused("freeze_of_file", sentence)
        _must_own(actor, row, "end it")
        row.ended_at, row.end_reason = clock.now(), reason
        row.save(update_fields=["ended_at", "end_reason"])
        _tell(actor, row, "freeze.ended", reason)
    return row


def waive_freeze(
    *, actor: Actor, freeze: Freeze, promotion: Promotion, reason: str
) -> FreezeWaiver:
    """The freeze's owner lets one promotion through; everything else about it stays as asked."""
    person_id = actor.must_be_person("let a promotion through a freeze")
    reason = reason.strip()
    if len(reason) < WAIVER_REASON:
        sentence = f"The reason needs at least {WAIVER_REASON} characters; this has {len(reason)}."
        problem = Reason(code="text_too_short", sentence=sentence, required=WAIVER_REASON)
        raise InvalidInput("text_too_short", sentence, [problem])
    with transaction.atomic():
        row = _locked(freeze)
        _must_stand(row)
        _must_own(actor, row, "let a promotion through")
        if promotion.state not in OPEN_PROMOTIONS:
            sentence = f"{promotion} has ended ({promotion.state}): request another one."
            raise _refused("promotion_ended", sentence)
        if row.waivers.filter(promotion=promotion).exists():
            raise _refused("waived_already", f"{row} lets {promotion} through already.")
        waiver = FreezeWaiver.objects.create(
            freeze=row,
            promotion=promotion,
            person_id=person_id,
            reason=reason,
            waived_at=clock.now(),
        )
        audit.record(
            actor=actor,
            action="promotion.freeze_waived",
            subject=promotion,
            reason=reason,
            after={"freeze": str(row), "freeze_id": str(row.pk)},
        )
    return waiver


def _problems(name: str, schedule: Schedule) -> list[tuple[str, str]]:
    found = schedule_problems(schedule)
    if not _NAME.fullmatch(name):
        found.insert(0, ("name", "write lower-case letters, digits, dashes and underscores"))
    now = clock.now()
    if not found and window_at(schedule, now) is None and next_window(schedule, now) is None:
        found.append(("starts", "it is over: no window is open now or opens later"))
    return found


def _refuse(problems: Sequence[tuple[str, str]]) -> None:
    reasons = [
        Reason(code="bad_freeze", sentence=f"{field}: {sentence}", observed={"field": field})
        for field, sentence in problems
    ]
    if reasons:
        raise InvalidInput("bad_freeze", reasons[0].sentence, reasons)


def _locked(freeze: Freeze) -> Freeze:
    rows = Freeze.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("owner", "stage__pipeline", "pipeline").get(pk=freeze.pk)


def _must_stand(row: Freeze) -> None:
    if row.ended_at is not None:
        raise _refused("freeze_ended", f"{row} was ended on {row.ended_at:%Y-%m-%d}.")


def _must_own(actor: Actor, row: Freeze, what: str) -> None:
    owner = row.owner
    if owner is None or owner.left_at is not None:
        actor.must(f"{what}: {row}", Role.RELEASE_MANAGER)
    elif owner.pk != actor.person_id:
        sentence = f"{owner} owns the freeze {row}; {actor.name} can't {what}."
        reason = Reason(code="not_your_freeze", sentence=sentence, owner=str(owner))
        raise NotPermitted("not_your_freeze", sentence, [reason])


def _tell(actor: Actor, row: Freeze, action: str, reason: str) -> None:
    after = {
        "of": str(row.stage or row.pipeline or "all stages"),
        "starts": row.starts,
        "lasts": row.lasts,
        "rule": row.rule,
        "except_dates": row.except_dates,
        "time_zone": row.time_zone,
    }
    audit.record(actor=actor, action=action, subject=row, reason=reason, after=after)


def _refused(code: str, sentence: str) -> InvalidMove:
    return InvalidMove(code, sentence, [Reason(code=code, sentence=sentence)])
