"""What was asked and answered in many side by sides, where its text is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings

from alpha import sealing, sides
from alpha.models import PreferenceSession, PreferenceText
from alpha.services.transcripts import READERS, texts_of
from alpha.transcripts import Kept
from infra.actors import Actor
from releases.models import Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One prompt with both answers, as they were shown: `{"content", "tool_calls"}` each."""

    request: Mapping[str, Any] = field(repr=False)
    a: Mapping[str, Any] = field(repr=False)
    b: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptComparisons:
    """By session; those without text are absent."""

    texts: Mapping[UUID, Compared]
    damaged: frozenset[UUID]
    """Sessions whose stored bytes were changed."""


def comparisons_of(*, actor: Actor, sessions: Sequence[PreferenceSession]) -> KeptComparisons:
    """A partner's text is that of its two calls, a reviewer's what it asked to be kept.

    Either half gone, nothing is given. NotPermitted for those who may not read conversations.
    """
    actor.must("read partners' conversations", *READERS)
    texts, damaged = _of_reviewers([one for one in sessions if one.partner_id is None])
    of_partners = [one for one in sessions if one.partner_id is not None]
    calls = {pk for one in of_partners for pk in (one.request_a, one.request_b) if pk}
    kept = texts_of(actor=actor, request_ids=calls)
    names = _names(of_partners)
    for one in of_partners:
        if {one.request_a, one.request_b} & kept.damaged:
            damaged.add(one.pk)
            continue
        found = _of_calls(one, kept, names)
        if found is not None:
            texts[one.pk] = found
    return KeptComparisons(texts=texts, damaged=frozenset(damaged))


def _of_reviewers(
    sessions: Sequence[PreferenceSession],
) -> tuple[dict[UUID, Compared], set[UUID]]:
    texts: dict[UUID, Compared] = {}
    damaged: set[UUID] = set()
    for row in PreferenceText.objects.filter(session__in=sessions, is_kept=True):
        try:
            key = sealing.unwrap(settings.TRANSCRIPT_KEY, row.session_id, bytes(row.wrapped_key))
            said = orjson.loads(sealing.unseal(key, row.session_id, bytes(row.sealed)))
        except sealing.Unreadable:
            damaged.add(row.session_id)
        else:
            asked = {"messages": said["messages"]}
            texts[row.session_id] = Compared(request=asked, a=said["a"], b=said["b"])
    return texts, damaged


def _names(sessions: Sequence[PreferenceSession]) -> dict[UUID, set[str]]:
    """What is masked of each checkpoint: its name, and its upstream's."""
    named: dict[UUID, set[str]] = {}
    for one in sessions:
        for checkpoint in (one.checkpoint_a, one.checkpoint_b):
            named.setdefault(checkpoint.pk, {checkpoint.name})
    upstreams = Deployment.objects.filter(checkpoint__in=named)
    for checkpoint_id, name in upstreams.values_list("checkpoint_id", "upstream_model"):
        named[checkpoint_id].add(name)
    return named


def _of_calls(
    session: PreferenceSession, kept: Kept, names: Mapping[UUID, set[str]]
) -> Compared | None:
    both = [kept.texts.get(pk) for pk in (session.request_a, session.request_b) if pk]
    hidden = names[session.checkpoint_a_id] | names[session.checkpoint_b_id]
    shown = [_shown(said, hidden) for said in both if said is not None]
    if len(shown) < 2 or None in shown:
        return None
    return Compared(request=both[0]["request"], a=shown[0], b=shown[1])  # type: ignore[index, arg-type]


def _shown(said: Mapping[str, Any], names: set[str]) -> dict[str, Any] | None:
    choices = said.get("reply")
    first = choices[0] if isinstance(choices, list) and choices else None
    return sides.shown_answer(first, names) if isinstance(first, Mapping) else None
