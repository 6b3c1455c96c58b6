"""The calls being answered: one whose caller could not make it any more ends within a second.

Looked at when the worker's table is swapped, and when a key or a grant runs out: never by chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from alpha.gateway.errors import (
    PERMISSION,
    SERVER,
    Refusal,
    Stopped,
    invalid_key,
    refusal_of_denial,
)
from alpha.gateway.wire import Call
from alpha.routing import Denial, GrantEntry, Route, Table, is_usable, resolve
from infra import clock

Current = Callable[[], Table | None]


class CallsUnderWay:
    """What this worker is answering; `longest_s` is the longest that any call may take."""

    def __init__(self, current: Current, longest_s: float) -> None:
        self._current, self._longest_s = current, longest_s
        self._routes: dict[Call, Route] = {}
        self._timers: dict[Call, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._routes)

    @contextmanager
    def watching(self, call: Call, route: Route, routed_by: Table | None) -> Iterator[None]:
        """Inside the block, the end of the caller's access stops the work: Stopped.

        What the table says that the call was routed by is not asked again while it is current.
        To be entered inside `call.ending_early`.
        """
        self._routes[call] = route
        try:
            self._begin(call, route, routed_by)
            yield
        finally:
            self.let_finish(call)

    def _begin(self, call: Call, route: Route, routed_by: Table | None) -> None:
        if self._current() is routed_by:
            self._look_when_it_ends(call, route.key.expires_at, route.grant.ends_at, clock.now())
        elif (stopped := self._look(call, route)) is not None:
            # The table was swapped between the routing of this call and now.
            raise stopped

    def let_finish(self, call: Call) -> None:
        """What is left of the call is its end, as it was recorded: nothing stops it any more."""
        self._routes.pop(call, None)
        if timer := self._timers.pop(call, None):
            timer.cancel()

    def look_again(self) -> None:
        """Stop what the current table does not allow any more."""
        for call in tuple(self._routes):
            self._check(call)

    def _check(self, call: Call) -> None:
        route = self._routes.get(call)
        stopped = self._look(call, route) if route is not None else None
        if stopped is not None:
            call.end_early(stopped)

    def _look(self, call: Call, route: Route) -> Stopped | None:
        """Why the call may not go on; where it may for now, it is looked at when that is over."""
        table, now = self._current(), clock.now()
        if table is None:
            return None
        if timer := self._timers.pop(call, None):
            timer.cancel()
        if (stopped := lost_access(table, route, now)) is not None:
            return stopped
        key, grant = table.keys.get(route.key.public), _grant(table, route)
        key_ends_at = key.expires_at if key else None
        self._look_when_it_ends(call, key_ends_at, grant.ends_at if grant else None, now)
        return None

    def _look_when_it_ends(
        self, call: Call, key: datetime | None, grant: datetime | None, now: datetime
    ) -> None:
        """Told when the key and the grant run out; most outlast the longest call."""
        left_s = min(
            ((at - now).total_seconds() for at in (key, grant) if at is not None),
            default=self._longest_s,
        )
        if left_s < self._longest_s:
            loop = asyncio.get_running_loop()
            self._timers[call] = loop.call_later(left_s, self._check, call)


def lost_access(table: Table, route: Route, now: datetime) -> Stopped | None:
    """Why a call under way may not go on, with what its client is told; None: it may.

    A release that was replaced in good order lets its calls finish.
    """
    key = table.keys.get(route.key.public)
    if key is None or key.id != route.key.id or not is_usable(key, now):
        return Stopped(invalid_key(), "the key was revoked or expired")
    if route.release.id in table.halted:
        return Stopped(_next(table, route, now, _halted()), "the release was halted")
    if route.release.id in table.withdrawn:
        return Stopped(_next(table, route, now, _withdrawn()), "the release was withdrawn")
    grant = _grant(table, route)
    if grant is None or not grant.is_in_force(now):
        return Stopped(_next(table, route, now, _regranted()), "the grant was revoked or ended")
    return None


def _grant(table: Table, route: Route) -> GrantEntry | None:
    """The call's grant as it is now; None when the partner does not hold it any more."""
    held = table.grants.get((route.grant.partner_id, route.grant.stage_id), ())
    return next((grant for grant in held if grant.id == route.grant.id), None)


def _next(table: Table, route: Route, now: datetime, served: Refusal) -> Refusal:
    """What the next such call is refused with; `served` where that one would be answered."""
    name = route.codename.name
    answer = resolve(table, route.key, name, route.unit, now)
    return refusal_of_denial(answer, name) if isinstance(answer, Denial) else served


def _halted() -> Refusal:
    return Refusal(
        503,
        "release_halted",
        "The model was halted while it answered. Try again.",
        kind=SERVER,
        retry_after=1,
    )


def _withdrawn() -> Refusal:
    return Refusal(
        503,
        "release_withdrawn",
        "The model was withdrawn while it answered. Try again.",
        kind=SERVER,
        retry_after=1,
    )


def _regranted() -> Refusal:
    return Refusal(
        403,
        "access_ended",
        "The grant that this call was made under ended while it was answered. Call again.",
        kind=PERMISSION,
    )
