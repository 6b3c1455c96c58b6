"""What two persons lift: one asks with a reason, another one confirms."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotPermitted, Reason
from infra.roles import Role
from releases.models import LineStop, Rejection
from releases.selectors.facts import groups_of_persons

Lifted = LineStop | Rejection


def ask_to_lift(actor: Actor, row: Lifted, what: str, reason: str) -> None:
    """Keep who asked and why, on the locked row; nothing is lifted before another one confirms."""
    person_id = actor.must_be_person(what)
    actor.must(what, Role.RELEASE_MANAGER)
    found = must_say_why(reason)
    if row.lift_asked_by_id not in (None, person_id) and _may_still(row.lift_asked_by_id):
        sentence = f"{row.lift_asked_by} asked for it already: confirm that, or leave it."
        raise _refused("asked_already", sentence)
    row.lift_asked_by_id, row.lift_asked_at = person_id, clock.now()
    row.lift_reason = found
    row.save(update_fields=["lift_asked_by", "lift_asked_at", "lift_reason"])


def confirm_lift(actor: Actor, row: Lifted, what: str, barred: Mapping[UUID, str]) -> None:
    """Lift the locked row; `barred`: persons who can't be the second one, and why."""
    person_id = actor.must_be_person(what)
    actor.must(what, Role.RELEASE_MANAGER)
    if row.lift_asked_by_id is None:
        raise _refused("nobody_asked", f"Nobody has asked to {what}: ask first, with a reason.")
    if row.lift_asked_by_id == person_id:
        raise _second_person(f"{actor.name} asked for it: a second person has to confirm it.")
    if not _may_still(row.lift_asked_by_id):
        sentence = f"{row.lift_asked_by} asked for it and is no release manager any more: ask anew."
        raise _refused("asker_left", sentence)
    must_not_be(actor, barred, what)
    row.lifted_by_id, row.lifted_at = person_id, clock.now()
    row.save(update_fields=["lifted_by", "lifted_at"])


def must_say_why(reason: str) -> str:
    """The reason without the blanks around it; InvalidInput when there is none."""
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: `reason` is what the audit will show.")
    return reason.strip()


def must_not_be(actor: Actor, barred: Mapping[UUID, str], what: str) -> None:
    """NotPermitted for a person who is too near to the matter."""
    if actor.person_id in barred:
        raise _second_person(f"{actor.name} {barred[actor.person_id]} and can't {what}.")


def tell(actor: Actor, row: Lifted, action: str, reason: str, **after: str) -> None:
    """The audit entry of a step."""
    audit.record(actor=actor, action=action, subject=row, reason=reason, after=after)


def _may_still(person_id: UUID) -> bool:
    return Role.RELEASE_MANAGER.value in groups_of_persons([person_id]).get(person_id, ())


def _second_person(sentence: str) -> NotPermitted:
    reason = Reason(code="second_person_required", sentence=sentence)
    return NotPermitted("second_person_required", sentence, [reason])


def _refused(code: str, sentence: str) -> InvalidMove:
    return InvalidMove(code, sentence, [Reason(code=code, sentence=sentence)])
