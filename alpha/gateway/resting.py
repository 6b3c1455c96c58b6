"""Deployments that fail call after call: asked last for a while, then tried by one call at a time.

Known to this worker alone, and gone with it: each worker finds out by its own calls.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from uuid import UUID

from alpha.gateway.errors import Failure, UpstreamFailed
from alpha.placing import choose_deployment, choose_fallback
from alpha.routing import CheckpointEntry, DeploymentEntry

log = logging.getLogger(__name__)
NOBODY: frozenset[UUID] = frozenset()
# Of what had no first byte: the place is down, not the request refused.
DEAD = frozenset({Failure.UNREACHABLE, Failure.TIMED_OUT})


class Resting:
    """`after` failures in a row, and a deployment rests for `rest_s` seconds."""

    def __init__(
        self, *, after: int, rest_s: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._after, self._rest_s, self._now = after, rest_s, now
        self._in_a_row: dict[UUID, int] = {}
        self._until: dict[UUID, float] = {}

    def __len__(self) -> int:
        """How many rest, or wait for their trial to go well."""
        return len(self._until)

    def choose(self, checkpoint: CheckpointEntry, draw: int) -> DeploymentEntry:
        """By weight among those that do not rest; among all where all do.

        The first call that meets a rested one is its trial: the others go elsewhere until it is
        over, or for another rest.
        """
        if not self._until:
            return choose_deployment(checkpoint, draw)
        chosen = choose_deployment(checkpoint, draw, self._now_resting())
        if chosen.id in self._until:
            self._until[chosen.id] = self._now() + self._rest_s
        return chosen

    def choose_other(
        self, checkpoint: CheckpointEntry, failed: DeploymentEntry, draw: int
    ) -> DeploymentEntry | None:
        """Where a call goes that failed there; None when there is no other deployment."""
        return choose_fallback(checkpoint, failed, draw, self._now_resting())

    def _now_resting(self) -> frozenset[UUID]:
        if not self._until:
            return NOBODY
        now = self._now()
        return frozenset(place for place, until in self._until.items() if now < until)

    def answered(self, place: UUID) -> None:
        """It answered, be it by a refusal: it is there."""
        if self._in_a_row and self._in_a_row.pop(place, 0) >= self._after:
            del self._until[place]
            log.warning("deployment %s answers again: it has its share of the calls", place)

    def failed(self, place: UUID, failed: UpstreamFailed) -> None:
        """A call to it had no first byte; counted where that is the place's own failure."""
        if not (failed.elsewhere or failed.failure in DEAD):
            self.answered(place)
            return
        n_failures = self._in_a_row[place] = self._in_a_row.get(place, 0) + 1
        if n_failures < self._after:
            return
        if n_failures == self._after:
            told = (place, n_failures, failed.failure.value, self._rest_s)
            log.warning("deployment %s failed %d calls in a row (%s): rests for %g s", *told)
        self._until[place] = self._now() + self._rest_s

    def only(self, places: frozenset[UUID]) -> None:
        """Forget deployments that nothing routes to any more."""
        for place in tuple(self._in_a_row):
            if place not in places:
                self._in_a_row.pop(place)
                self._until.pop(place, None)
