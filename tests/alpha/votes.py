"""Blind votes with boring fixed values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from alpha.models import Partner, PreferenceSession, PreferenceVote
from infra import clock
from infra.models import Person
from releases.models import Checkpoint


def raters(n: int) -> list[Person]:
    """People who vote and do nothing else."""
    return [
        Person.objects.get_or_create(name=f"Rater {at}", email=f"rater{at}@example.org")[0]
        for at in range(n)
    ]


def partners(n: int) -> list[Partner]:
    return [
        Partner.objects.get_or_create(name=f"rater-{at}", contact_email="r@rater.example")[0]
        for at in range(n)
    ]


def session(
    rater: Person | Partner, a: Checkpoint, b: Checkpoint, prompt: str = "p", **fields: Any
) -> PreferenceSession:
    """Both answers were shown, and nobody voted yet."""
    who = {"partner": rater} if isinstance(rater, Partner) else {"person": rater}
    now = clock.now()
    values = {
        "checkpoint_a": a,
        "checkpoint_b": b,
        "prompt_digest": f"{prompt:0>32}"[:32],
        "state": "ready",
        "style_a": [100, 0, 0, 0],
        "style_b": [100, 0, 0, 0],
        "asked_at": now,
        "answered_at": now,
    }
    return PreferenceSession.objects.create(**who, **{**values, **fields})


def vote(of: PreferenceSession, choice: str, at: datetime | None = None) -> PreferenceVote:
    PreferenceSession.objects.filter(pk=of.pk).update(state="voted")
    return PreferenceVote.objects.create(session=of, choice=choice, voted_at=at or clock.now())


def votes(
    candidate: Checkpoint,
    baseline: Checkpoint,
    ys: Sequence[float],
    who: Sequence[Person | Partner],
    prompt: str = "p",
) -> list[PreferenceVote]:
    """One vote each: 1 for the candidate, 0 for the baseline, 0.5 a tie; places alternate."""
    found = []
    for at, y in enumerate(ys):
        places = (candidate, baseline) if at % 2 == 0 else (baseline, candidate)
        shown = session(who[at % len(who)], *places, prompt=f"{prompt}{at}")
        winner = {1: candidate, 0: baseline}.get(y)
        choice = "tie" if winner is None else "ab"[places.index(winner)]
        found.append(vote(shown, choice))
    return found
