"""Two answers to one prompt, each served as any call is, and held until both are there.

Neither the client, nor what it can ask of its usage and its rates meanwhile, is told that one of
them came first: both usage events end, and both reservations are settled, at the same moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from alpha.gateway.calls import upper_bound
from alpha.gateway.chat import Chat
from alpha.gateway.errors import SERVER, ClientGone, Refusal, Stopped, refusal_of_denial
from alpha.gateway.limits import Admission
from alpha.gateway.metering import Run
from alpha.gateway.parts import Parts
from alpha.gateway.service import Service
from alpha.gateway.wire import Call, Headers
from alpha.routing import Denial, KeyEntry, Route, Table, resolve
from infra import clock
from releases.states import Arm, ReleaseState

ENDPOINT = "preferences"
"""Of the usage events: live evidence leaves them out, since both arms answer the same unit."""


def both_routes(table: Table, key: KeyEntry, codename: str, unit: str) -> tuple[Route, Route]:
    """The incumbent's and the candidate's route of a codename; Refusal where there are not two."""
    found = resolve(table, key, codename, unit, clock.now())
    if isinstance(found, Denial):
        raise refusal_of_denial(found, codename)
    place = (found.release.stage_id, found.release.size)
    by_arm = {release.arm: release for release in table.releases.get(place, ())}
    two = [by_arm[arm] for arm in (Arm.INCUMBENT, Arm.CANDIDATE) if arm in by_arm]
    if len({release.checkpoint.id for release in two}) < 2:
        raise _nothing_to_compare(codename)
    if any(release.state is not ReleaseState.LIVE for release in two):
        raise _one_is_halted()
    if not all(release.checkpoint.deployments for release in two):
        raise _unavailable()
    first, second = (
        Route(key=key, grant=found.grant, codename=found.codename, release=release, unit=unit)
        for release in two
    )
    return first, second


class Answer(Call):
    """The exchange of one of the two answers: what is replied to it is kept for both."""

    __slots__ = ("refusal",)

    def __init__(self) -> None:
        super().__init__({"headers": ()}, _never, _nowhere)
        self.refusal: Refusal | None = None

    async def reply(self, status: int, body: bytes, headers: Headers = ()) -> None:
        self.is_started = True

    async def refuse(self, refusal: Refusal) -> None:
        self.is_started, self.refusal = True, refusal


class Half:
    """One of the two answers: its route, its request, and what its usage event will say."""

    def __init__(self, route: Route, body: Mapping[str, Any]) -> None:
        self.answer, self.route, self.operation = Answer(), route, Chat(body)
        self.admission: Admission | None = None
        self.run: Run | None = None

    @property
    def request_hex(self) -> str:
        return self.answer.request_id.hex

    async def admit(self, parts: Parts) -> None:
        """Reserve what it may use; Refusal 402, 429 or 503."""
        route, operation, now = self.route, self.operation, clock.now()
        self.admission = await parts.limits.start(
            route.key, route.grant, self.request_hex, lambda: upper_bound(route, operation, now)
        )

    async def give_back(self, parts: Parts) -> None:
        """What was reserved and will not be used."""
        admission, self.admission = self.admission, None
        if admission is not None and self.run is None:
            await parts.limits.settle(admission, self.request_hex, 0, 0)

    def begin(self, parts: Parts) -> Run:
        """Begin its usage event; OSError when the journal can't be written."""
        checkpoint = self.route.release.checkpoint
        deployment = parts.resting.choose(checkpoint, self.answer.request_id.int & 0xFFFFFFFF)
        return parts.ledger.begin(
            self.answer.request_id, self.route, deployment, endpoint=ENDPOINT, streamed=False
        )

    def said(self) -> dict[str, Any]:
        return dict(self.operation.said()[0])


class _Together(Service):
    """Serves one answer as any call; its end waits for the other's."""

    def __init__(self, parts: Parts, half: Half, both: asyncio.Barrier) -> None:
        if half.run is None or half.admission is None:
            raise RuntimeError("an answer is admitted and metered before it is served")
        super().__init__(parts, half.answer, half.operation, half.run, half.admission)
        self._both = both

    async def _succeeded(self, hidden: int) -> None:
        await self._both.wait()
        await super()._succeeded(hidden)


async def admitted(parts: Parts, halves: Sequence[Half]) -> Headers:
    """Reserve for both, in the order of the arms; the rates to tell. Refusal: neither is."""
    rates: Headers = ()
    try:
        for half in halves:
            await half.admit(parts)
            rates = half.admission.rates if half.admission else ()
    except Refusal:
        await given_back(parts, halves)
        raise
    return rates


async def given_back(parts: Parts, halves: Sequence[Half]) -> None:
    for half in halves:
        await half.give_back(parts)


def begin(parts: Parts, halves: Sequence[Half]) -> None:
    """Begin both usage events; OSError: neither answer is served."""
    runs = [half.begin(parts) for half in halves]
    for half, run in zip(halves, runs, strict=True):
        half.run = run


async def answered(parts: Parts, call: Call, halves: Sequence[Half]) -> None:
    """Both answers are there when this returns; Refusal: neither is charged. ClientGone."""
    both = asyncio.Barrier(len(halves))
    tasks = []
    for half, other in zip(halves, reversed(halves), strict=True):
        task = asyncio.create_task(_Together(parts, half, both).serve())
        task.add_done_callback(lambda _, half=half, other=other: _stop_other(half, other))
        tasks.append(task)
    try:
        with call.ending_early():
            await asyncio.wait(tasks)
    except ClientGone:
        for half in halves:
            half.answer.end_early(ClientGone())
        await asyncio.wait(tasks)
        raise
    finally:
        # Only a shutdown leaves one running until here.
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    refusal = next((half.answer.refusal for half in halves if half.answer.refusal), None)
    if refusal is not None:
        raise refusal


def _stop_other(half: Half, other: Half) -> None:
    """Without this answer the other is of no use: it is ended, uncharged, and told as this one."""
    refusal = half.answer.refusal
    if refusal is None and half.answer.is_started:
        return
    told = refusal or _unavailable()
    other.answer.end_early(Stopped(told, "the answer beside it failed"))


def _nothing_to_compare(codename: str) -> Refusal:
    return Refusal(
        409,
        "nothing_to_compare",
        f"One version answers `{codename}` now, so there are no two to compare. Your contact "
        "tells when there are.",
        param="model",
    )


def _one_is_halted() -> Refusal:
    return Refusal(
        503,
        "release_halted",
        "One of the two versions is halted at the moment, so they can't be compared. Your contact "
        "knows more.",
        kind=SERVER,
        retry_after=60,
    )


def _unavailable() -> Refusal:
    return Refusal(
        503,
        "model_unavailable",
        "One of the two answers can't be had at the moment. Try again.",
        kind=SERVER,
        retry_after=2,
    )


async def _never() -> NoReturn:
    """The client is watched once, by the exchange that it made."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def _nowhere(message: Any) -> None:
    raise RuntimeError("the answer of one side alone is sent to nobody")
