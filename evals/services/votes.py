"""Blind side by sides that somebody decided, read in bulk and in one fixed order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from alpha.models import PreferenceSession
from alpha.services.preference_texts import Compared, comparisons_of
from alpha.states import Choice
from evals.asked import messages_of
from evals.services.corrections import AT_ONCE, Asked
from evals.training.corrections import Correction, Lack, LeftOut
from infra.actors import Actor


def matching(asked: Asked) -> QuerySet[PreferenceSession]:
    """Side by sides with a vote, the oldest first, which never changes."""
    found = PreferenceSession.objects.filter(vote__isnull=False)
    if asked.partner:
        found = found.filter(partner__name=asked.partner)
    if asked.checkpoint:
        either = Q(checkpoint_a__name=asked.checkpoint) | Q(checkpoint_b__name=asked.checkpoint)
        found = found.filter(either)
    if asked.since:
        found = found.filter(asked_at__gte=asked.since)
    if asked.until:
        found = found.filter(asked_at__lt=asked.until)
    related = ("vote", "checkpoint_a", "checkpoint_b")
    return found.select_related(*related).order_by("pk")


def votes(*, actor: Actor, asked: Asked) -> Iterator[Correction | LeftOut]:
    """Each decided side by side as the better and the other answer, or why it is of no use.

    Which checkpoint gave which is not told: a row may be made before the reveal.
    """
    last: UUID | None = None
    while True:
        later = matching(asked).filter(pk__gt=last) if last else matching(asked)
        chunk = list(later[:AT_ONCE])
        if not chunk:
            return
        last = chunk[-1].pk
        yield from _read(actor, chunk)


def votes_of(*, actor: Actor, preference_ids: Collection[UUID]) -> dict[UUID, Correction | LeftOut]:
    """Those side by sides as they are now."""
    if not preference_ids:
        return {}
    chunk = list(matching(Asked()).filter(pk__in=preference_ids))
    return {one.preference_id: one for one in _read(actor, chunk) if one.preference_id}


def _read(actor: Actor, chunk: Sequence[PreferenceSession]) -> Iterator[Correction | LeftOut]:
    decided = [one for one in chunk if _is_decided(one)]
    kept = comparisons_of(actor=actor, sessions=decided)
    for one in chunk:
        if not _is_decided(one):
            yield LeftOut(preference_id=one.pk, why=Lack.UNDECIDED)
        elif one.pk in kept.damaged:
            yield LeftOut(preference_id=one.pk, why=Lack.DAMAGED)
        elif one.pk not in kept.texts:
            yield LeftOut(preference_id=one.pk, why=Lack.NO_TEXT)
        else:
            yield _preferred(one, kept.texts[one.pk])


def _is_decided(session: PreferenceSession) -> bool:
    return session.vote.choice in (Choice.A.value, Choice.B.value)


def _preferred(session: PreferenceSession, said: Compared) -> Correction | LeftOut:
    asked = messages_of(said.request)
    if not asked or not all(isinstance(message, Mapping) for message in asked):
        return LeftOut(preference_id=session.pk, why=Lack.NO_MESSAGES)
    is_a = session.vote.choice == Choice.A.value
    better, other = (said.a, said.b) if is_a else (said.b, said.a)
    texts = _text(better), _text(other)
    if texts[0] is None or texts[1] is None:
        return LeftOut(preference_id=session.pk, why=Lack.REPLY_NOT_TEXT)
    tools = said.request.get("tools")
    owner = session.partner_id or session.person_id
    return Correction(
        preference_id=session.pk,
        partner_id=owner,
        asked=asked,
        tools=tools if isinstance(tools, list) else (),
        wanted=texts[0],
        reply=texts[1],
    )


def _text(answer: Mapping[str, Any]) -> str | None:
    text = answer.get("content")
    return None if answer.get("tool_calls") or not isinstance(text, str) or not text else text
