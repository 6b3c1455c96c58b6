"""Plays the demo: the product's main job on a real model, by the services that people use.

Every station is safe to repeat, so a demo that was killed goes on where it stopped. Nothing is
canned: what the console shows are the rows that these steps wrote.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.demo import conversations, evaluations, releasing, weights

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One step of the walk; `play` says what it did in one line."""

    title: str
    play: Callable[[], str]


@dataclass(slots=True)
class Clockwork:
    """Tells how long each station took."""

    started: float = field(default_factory=time.monotonic)

    def lap(self) -> float:
        """Seconds since the start or the last lap."""
        now = time.monotonic()
        elapsed, self.started = now - self.started, now
        return elapsed


def stations(say: Say) -> tuple[Station, ...]:
    """The walk, in order; long stations report through `say` while they work."""
    return (
        Station(title="The model answers", play=weights.wait_for_model),
        Station(title="Checkpoints", play=weights.register),
        Station(title="Closed alpha opens", play=releasing.open_alpha),
        Station(title="Partner", play=conversations.grant_access),
        Station(title="Partner's calls", play=conversations.call),
        Station(title="Feedback", play=conversations.remark),
        Station(title="Suites", play=evaluations.import_suites),
        Station(title="Eval runs", play=lambda: evaluations.run_all(say)),
        Station(title="Comparison", play=lambda: evaluations.compare(say)),
        Station(title="Promotion", play=lambda: releasing.request(say)),
    )


def play(say: Say) -> None:
    """Every station in order; whatever a service refuses ends the demo with its reasons."""
    clockwork = Clockwork()
    for number, station in enumerate(steps := stations(say), start=1):
        line = station.play()
        say(f"{number:>2}/{len(steps)} {station.title}: {line} ({clockwork.lap():.0f} s)")
