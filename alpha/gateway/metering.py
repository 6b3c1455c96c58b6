"""One usage event per admitted request: counted, priced, and written before it is answered."""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from alpha.gateway.journal import Journal, Segment
from alpha.gateway.replies import Counted
from alpha.routing import DeploymentEntry, PriceEntry, Route
from alpha.states import UsageState
from infra import clock
from infra.ids import created_at

PER = 1_000_000
PROBLEM_LIMIT = 4000
REMEMBERED = 4096


def cost_micros(price: PriceEntry | None, counts: Counted, hidden_tokens: int) -> int:
    """What the partner is charged: the tokens it is shown, in integer micro-units, rounded half up.

    The hidden prompt is not charged: its length could be read off the bill.
    """
    if price is None:
        return 0
    tokens_in = max(0, counts.tokens_in - hidden_tokens)
    cached = min(tokens_in, max(0, counts.cached - hidden_tokens))
    total = (
        (tokens_in - cached) * price.input
        + cached * price.cached_input
        + counts.tokens_out * price.output
    )
    return (total + PER // 2) // PER


class Served(NamedTuple):
    """What feedback about a call needs to know of it."""

    partner_id: UUID
    stage_id: UUID
    release_id: UUID
    checkpoint_id: UUID
    arm: str
    codename: str


class Ending(NamedTuple):
    """How a call ended. `counts` None: nothing was counted."""

    state: UsageState
    http_status: int
    problem: str = ""
    counts: Counted | None = None
    hidden_tokens: int = 0


class Run:
    """One admitted call while it is served."""

    __slots__ = (
        "_event",
        "_first_token",
        "_fell_back",
        "_ledger",
        "_segment",
        "_started",
        "deployment",
        "ended",
        "price",
        "request_id",
        "route",
    )

    def __init__(
        self, ledger: Ledger, request_id: UUID, route: Route, deployment: DeploymentEntry
    ) -> None:
        self._ledger = ledger
        self.request_id, self.route, self.deployment = request_id, route, deployment
        self.price = route.release.checkpoint.price_at(clock.now())
        self._started = time.perf_counter()
        self._first_token: float | None = None
        self._event: dict[str, Any] = {}
        self._segment: Segment | None = None
        self._fell_back = ""
        self.ended: dict[str, Any] | None = None

    def begin(self, endpoint: str, streamed: bool) -> None:
        """Write the start; OSError when the journal can't be written."""
        self._event = _first_event(self, endpoint, streamed)
        self._segment = self._ledger.journal.begin(
            self.request_id.hex.encode(), orjson.dumps(self._event)
        )

    def saw_token(self) -> None:
        """Called at the first piece of the answer."""
        if self._first_token is None:
            self._first_token = time.perf_counter()

    def fall_back(self, to: DeploymentEntry, problem: str) -> None:
        """Go on at another deployment; the usage event names it, and why it was asked."""
        self._fell_back = f"fallback from deployment {self.deployment.id}: {problem}"
        self.deployment = to
        self._event["deployment_id"] = to.id

    def end(self, ending: Ending) -> None:
        """Write the end, once; later ends are ignored."""
        if self.ended is not None or self._segment is None:
            return
        now = time.perf_counter()
        self.ended = self._event
        self.ended.update(_last_fields(ending, self.price))
        if self._fell_back:
            told = f"{self._fell_back}; {ending.problem}" if ending.problem else self._fell_back
            self.ended["problem"] = _writable(told)
        self.ended["total_ms"] = round((now - self._started) * 1000, 3)
        if self._first_token is not None:
            self.ended["first_token_ms"] = round((self._first_token - self._started) * 1000, 3)
        self._ledger.remember(self)
        self._ledger.journal.end(
            self._segment, self.request_id.hex.encode(), orjson.dumps(self.ended)
        )


class Ledger:
    """The worker's journal, and what it served lately."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._lately: OrderedDict[UUID, Served] = OrderedDict()

    def begin(
        self,
        request_id: UUID,
        route: Route,
        deployment: DeploymentEntry,
        *,
        endpoint: str,
        streamed: bool,
    ) -> Run:
        """Start metering a call; OSError when the journal can't be written."""
        run = Run(self, request_id, route, deployment)
        run.begin(endpoint, streamed)
        return run

    def remember(self, run: Run) -> None:
        release = run.route.release
        self._lately[run.request_id] = Served(
            partner_id=run.route.key.partner_id,
            stage_id=release.stage_id,
            release_id=release.id,
            checkpoint_id=release.checkpoint.id,
            arm=release.arm.value,
            codename=run.route.codename.name,
        )
        if len(self._lately) > REMEMBERED:
            self._lately.popitem(last=False)

    def lately(self, request_id: UUID) -> Served | None:
        """What this worker served under that id, if not long ago."""
        return self._lately.get(request_id)


def month_of(started_at: datetime) -> str:
    # strftime takes ten times as long, on the path of every call.
    return f"{started_at.year:04d}-{started_at.month:02d}-01"


def _first_event(run: Run, endpoint: str, streamed: bool) -> dict[str, Any]:
    """The usage event of a call that never ended: what is shipped when its process dies."""
    route, release = run.route, run.route.release
    started_at = created_at(run.request_id)
    return {
        "month": month_of(started_at),
        "request_id": run.request_id,
        "partner_id": route.key.partner_id,
        "key_id": route.key.id,
        "grant_id": route.grant.id,
        "unit": route.unit,
        "stage_id": release.stage_id,
        "release_id": release.id,
        "checkpoint_id": release.checkpoint.id,
        "deployment_id": run.deployment.id,
        "arm": release.arm.value,
        "codename": route.codename.name,
        "endpoint": endpoint,
        "streamed": streamed,
        "state": UsageState.ABORTED.value,
        "http_status": 0,
        "problem": "the gateway process ended before the call did",
        "tokens_in": 0,
        "tokens_out": 0,
        "tokens_cached": 0,
        "tokens_in_shown": 0,
        "cost_micros": 0,
        "currency": run.price.currency if run.price else "",
        "first_token_ms": None,
        "total_ms": None,
        "started_at": started_at,
        "ended_at": None,
    }


def _last_fields(ending: Ending, price: PriceEntry | None) -> dict[str, Any]:
    counts = ending.counts or Counted(tokens_in=0, tokens_out=0)
    return {
        "state": ending.state.value,
        "http_status": ending.http_status,
        "problem": _writable(ending.problem),
        "tokens_in": counts.tokens_in,
        "tokens_out": counts.tokens_out,
        "tokens_cached": counts.cached,
        "tokens_in_shown": max(0, counts.tokens_in - ending.hidden_tokens),
        "cost_micros": cost_micros(price, counts, ending.hidden_tokens),
        "ended_at": clock.now(),
    }


def _writable(text: str) -> str:
    """Text that JSON and PostgreSQL both take."""
    clean = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
    return clean[:PROBLEM_LIMIT]
