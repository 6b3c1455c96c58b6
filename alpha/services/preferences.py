"""Blind side by side in the house: asked, voted on once, revealed by a person, swept.

A vote is final. The first look is the blind one: whoever could change a vote could change it after
a hint. A slip of the finger is as likely for either side, and costs precision, not fairness.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from alpha import preferences, sides
from alpha.models import PreferenceSession, PreferenceText, PreferenceVote
from alpha.services import preference_answers
from alpha.services.preference_answers import Asked
from alpha.states import PREFERENCE_TRANSITIONS, Choice, PreferenceState
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotFound, NotPermitted, UpstreamError
from infra.lifecycles import check_move
from infra.roles import Role
from releases.models import Checkpoint

RATERS = (Role.BEHAVIOUR_REVIEWER, Role.EVAL_OWNER, Role.ENGINEER, Role.RELEASE_MANAGER)
REVEALERS = (Role.RELEASE_MANAGER, Role.EVAL_OWNER)
LONGEST_PROMPT = 50_000
LONGEST_COMMENT = 20_000
# Longer than any call of the gateway may take.
ANSWERED_WITHIN = timedelta(minutes=30)
VOTED_WITHIN = timedelta(days=7)
BATCH = 500


def ask(
    *,
    actor: Actor,
    one: Checkpoint,
    other: Checkpoint,
    prompt: str,
    system: str = "",
    keeps_text: bool = False,
) -> PreferenceSession:
    """Two checkpoints answer a reviewer's prompt; which stands where is drawn and told to nobody.

    UpstreamError when one of them does not answer: the session is void then.
    """
    person_id = must_rate(actor)
    _must_be_comparable(one, other, person_id)
    asked = Asked(messages=_messages(prompt, system))
    session = _drawn(actor, person_id, one, other, asked)
    try:
        shown = preference_answers.both(asked, session.checkpoint_a, session.checkpoint_b)
    except UpstreamError:
        _make_void(session.pk)
        raise
    with transaction.atomic():
        row = _locked(session.pk)
        check_move(PREFERENCE_TRANSITIONS, PreferenceState(row.state), PreferenceState.READY, _IT)
        row.style_a, row.style_b = (sides.style_of(answer) for answer in shown)
        row.state, row.answered_at = PreferenceState.READY.value, clock.now()
        row.save(update_fields=["style_a", "style_b", "state", "answered_at"])
        preference_answers.keep_text(row, asked, shown, is_kept=keeps_text)
    return row


def vote(
    *, actor: Actor, session: PreferenceSession, choice: Choice, comment: str = ""
) -> PreferenceSession:
    """Keep the reviewer's one vote; the same again changes nothing, another is InvalidMove."""
    person_id = must_rate(actor)
    if len(comment) > LONGEST_COMMENT or "\0" in comment:
        message = f"A comment is text of at most {LONGEST_COMMENT:,} letters."
        raise InvalidInput("bad_comment", message)
    with transaction.atomic():
        row = _locked(session.pk)
        if row.person_id != person_id:
            raise NotFound("no_such_preference", f"No side by side {session.pk}.")
        given = PreferenceVote.objects.filter(session=row).first()
        if given is not None:
            if (given.choice, given.comment) == (choice.value, comment):
                return row
            raise InvalidMove("voted_already", f"You voted {given.choice!r}, and a vote is final.")
        check_move(PREFERENCE_TRANSITIONS, PreferenceState(row.state), PreferenceState.VOTED, _IT)
        PreferenceVote.objects.create(
            session=row, choice=choice.value, comment=comment, voted_at=clock.now()
        )
        row.state = PreferenceState.VOTED.value
        row.save(update_fields=["state"])
        PreferenceText.objects.filter(session=row, is_kept=False).delete()
        # The choice stays out of the log, which raters may read.
        audit.record(actor=actor, action="preference.voted", subject=row)
    return row


def reveal(*, actor: Actor, session: PreferenceSession, reason: str) -> PreferenceSession:
    """Say which checkpoint gave which answer; from then on the session takes no vote."""
    _must_reveal(actor, reason)
    with transaction.atomic():
        row = _locked(session.pk)
        _reveal(actor, row, reason)
    return row


def reveal_pair(*, actor: Actor, one: Checkpoint, other: Checkpoint, reason: str) -> int:
    """Reveal every session of two checkpoints that has answers; how many were not yet."""
    _must_reveal(actor, reason)
    states = (PreferenceState.READY.value, PreferenceState.VOTED.value)
    with transaction.atomic():
        found = preferences.pair_sessions(one, other).filter(state__in=states)
        rows = list(found.select_for_update().order_by("pk"))
        for row in rows:
            _reveal(actor, row, reason)
    return len(rows)


def void_abandoned() -> int:
    """End what waits for answers or a vote too long, and drop its text; the number ended."""
    now, n_ended = clock.now(), 0
    for state, within in (
        (PreferenceState.ASKED, ANSWERED_WITHIN),
        (PreferenceState.READY, VOTED_WITHIN),
    ):
        late = PreferenceSession.objects.filter(state=state.value, asked_at__lt=now - within)
        for pk in list(late.order_by("asked_at").values_list("pk", flat=True)[:BATCH]):
            n_ended += _make_void(pk)
    return n_ended


def must_rate(actor: Actor) -> UUID:
    """The rater; NotPermitted for anyone who is no person in a rating role."""
    person_id = actor.must_be_person("compare answers blind")
    actor.must("compare answers blind", *RATERS)
    return person_id


def must_see_results(actor: Actor, one: Checkpoint, other: Checkpoint) -> None:
    """NotPermitted for who has votes on the pair that are not revealed.

    The number that changed by one's own vote would tell whom it was for.
    """
    mine = preferences.pair_sessions(one, other).filter(
        person=actor.person_id, state__in=[PreferenceState.READY.value, PreferenceState.VOTED.value]
    )
    if actor.person_id is not None and mine.exists():
        raise NotPermitted(
            "still_blind",
            "You are comparing these two blind, and their numbers would tell whom you chose. "
            "Somebody who may reveals the pair first.",
        )


_IT = "This side by side"


def _must_be_comparable(one: Checkpoint, other: Checkpoint, person_id: UUID) -> None:
    if one.pk == other.pk:
        raise InvalidInput("same_checkpoint", "Choose two checkpoints: these are the same.")
    for checkpoint in (one, other):
        if checkpoint.owner_id == person_id:
            raise NotPermitted(
                "owns_checkpoint", f"You own {checkpoint.name}: others judge it blind."
            )


def _messages(prompt: str, system: str) -> list[dict[str, str]]:
    for text, what in ((prompt, "prompt"), (system, "system text")):
        if len(text) > LONGEST_PROMPT or "\0" in text:
            message = f"The {what} is text of at most {LONGEST_PROMPT:,} letters."
            raise InvalidInput("bad_prompt", message)
    if not prompt.strip():
        raise InvalidInput("prompt_missing", "Write what both are asked.")
    before = [{"role": "system", "content": system}] if system.strip() else []
    return [*before, {"role": "user", "content": prompt}]


def _drawn(
    actor: Actor, person_id: UUID, one: Checkpoint, other: Checkpoint, asked: Asked
) -> PreferenceSession:
    a, b = sides.in_places(bool(secrets.randbits(1)), (one, other))
    with transaction.atomic():
        session = PreferenceSession.objects.create(
            person_id=person_id,
            checkpoint_a=a,
            checkpoint_b=b,
            prompt_digest=sides.prompt_digest(preference_answers.prompt_secret(), asked.body),
            asked_at=clock.now(),
        )
        # By name: the log must not tell who stands where.
        after = {"checkpoints": sorted((one.name, other.name))}
        audit.record(actor=actor, action="preference.asked", subject=session, after=after)
    return session


def _locked(session_id: UUID) -> PreferenceSession:
    rows = PreferenceSession.objects.select_for_update(of=("self",))
    return rows.select_related("checkpoint_a", "checkpoint_b").get(pk=session_id)


def _must_reveal(actor: Actor, reason: str) -> None:
    actor.must("reveal side by sides", *REVEALERS)
    actor.must_be_person("reveal side by sides")
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: the auditor will ask.")


def _reveal(actor: Actor, row: PreferenceSession, reason: str) -> None:
    before = PreferenceState(row.state)
    check_move(PREFERENCE_TRANSITIONS, before, PreferenceState.REVEALED, _IT)
    fields: dict[str, Any] = {
        "state": PreferenceState.REVEALED.value,
        "revealed_at": clock.now(),
        "revealed_by_id": actor.person_id,
    }
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(update_fields=["state", "revealed_at", "revealed_by"])
    audit.record(
        actor=actor,
        action="preference.revealed",
        subject=row,
        reason=reason,
        before={"state": before.value},
        after={"a": row.checkpoint_a.name, "b": row.checkpoint_b.name},
    )


def _make_void(session_id: UUID) -> bool:
    """Whether it was ended now: who voted or revealed meanwhile was first."""
    waiting = (PreferenceState.ASKED.value, PreferenceState.READY.value)
    with transaction.atomic():
        rows = PreferenceSession.objects.filter(pk=session_id, state__in=waiting)
        n_ended = rows.update(state=PreferenceState.VOID.value, idempotency_key="")
        if n_ended:
            PreferenceText.objects.filter(session=session_id).delete()
    return bool(n_ended)
