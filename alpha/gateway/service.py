"""One call served: from its admission to the end of its usage event, whatever happens."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson

from alpha.gateway.errors import (
    ClientGone,
    Failure,
    Refusal,
    Stopped,
    UpstreamFailed,
    refusal_of,
)
from alpha.gateway.limits import Admission
from alpha.gateway.metering import Ending, Run
from alpha.gateway.operation import Operation
from alpha.gateway.parts import Parts
from alpha.gateway.proxy import DONE, code_in
from alpha.gateway.replies import Counted
from alpha.gateway.transcripts import Told
from alpha.gateway.wire import EVENT_STREAM, Call
from alpha.routing import Table
from alpha.states import UsageState

CLIENT_CLOSED = 499
BYTES_A_TOKEN = 4
# How long a client that does not read may keep a broken stream open.
FAREWELL_S = 2.0


class Service:
    """Serves one admitted call."""

    def __init__(
        self,
        parts: Parts,
        call: Call,
        operation: Operation,
        run: Run,
        admission: Admission,
        routed_by: Table | None = None,
    ) -> None:
        self._parts, self._call, self._operation = parts, call, operation
        self._run, self._admission, self._routed_by = run, admission, routed_by
        self._settled: asyncio.Future[Any] | None = None
        self._started = False
        consent = run.route.grant.transcript_consent
        operation.begin(call.request_id.hex, int(time.time()), keeps_text=consent)

    async def serve(self) -> None:
        """Answer the client; the call's usage event is ended when this returns or raises."""
        try:
            with (
                self._call.ending_early(),
                self._parts.under_way.watching(self._call, self._run.route, self._routed_by),
            ):
                await self._serve_or_fall_back()
        except UpstreamFailed as failed:
            await self._failed(failed)
        except Stopped as stopped:
            await self._stopped(stopped)
        except ClientGone:
            self._end(UsageState.CLIENT_GONE, CLIENT_CLOSED, "", await self._partial())
        finally:
            # Only a shutdown or a defect leaves it open until here.
            self._end(UsageState.ABORTED, 0, "the gateway stopped before the call ended", None)

    async def _serve_or_fall_back(self) -> None:
        """Another deployment of the same checkpoint is tried once, before the first byte."""
        try:
            await self._serve_once()
        except UpstreamFailed as failed:
            run = self._run
            if self._started or not failed.elsewhere:
                raise
            # Another part of the random bits than the first choice was drawn by.
            draw = run.request_id.int >> 32 & 0x3FFFFFFF
            other = self._parts.resting.choose_other(
                run.route.release.checkpoint, run.deployment, draw
            )
            if other is None:
                raise
            run.fall_back(other, f"{failed.failure.value}: {failed.problem}")
            await self._serve_once()

    async def _serve_once(self) -> None:
        try:
            await (self._stream() if self._operation.stream else self._whole())
        except UpstreamFailed as failed:
            self._parts.counts.upstream_failed(failed.failure)
            if not self._started:
                self._parts.resting.failed(self._run.deployment.id, failed)
            raise

    async def _whole(self) -> None:
        operation, to = self._operation, self._run.deployment
        upstream = await self._parts.upstreams.complete(to, operation.path, self._composed())
        self._parts.resting.answered(to.id)
        self._run.saw_token()
        operation.count(upstream)
        hidden = await self._hidden()
        body = operation.whole(upstream, hidden)
        await self._succeeded(hidden)
        await self._call.reply(200, body)

    async def _stream(self) -> None:
        operation, to = self._operation, self._run.deployment
        async with self._parts.upstreams.streamed(to, operation.path, self._composed()) as payloads:
            async for several in payloads:
                await self._pass_on(several)
                if operation.is_over:
                    await self._close_stream()
                    return
        raise UpstreamFailed(Failure.CUT_OFF, "the stream ended without telling its end")

    async def _pass_on(self, payloads: list[bytes]) -> None:
        """Send the events of one read together; those before a broken one too."""
        out, operation = bytearray(), self._operation
        try:
            for payload in payloads:
                out += self._event(payload)
                if operation.is_over:
                    break
        finally:
            if out:
                await self._send(bytes(out))

    def _event(self, payload: bytes) -> bytes:
        """The event to send for an upstream's payload; b"" when it holds nothing for the client."""
        if payload == DONE:
            self._operation.done()
            return b""
        try:
            upstream = orjson.loads(payload)
        except orjson.JSONDecodeError:
            raise UpstreamFailed(Failure.MALFORMED, "an event is not JSON") from None
        if not isinstance(upstream, dict):
            raise UpstreamFailed(Failure.MALFORMED, "an event is no JSON object")
        if upstream.get("error") is not None:
            problem = f"error event {code_in(upstream)}".strip()
            raise UpstreamFailed(Failure.BROKEN, problem, words=str(upstream["error"]))
        event = self._operation.event(upstream)
        if self._operation.n_pieces:
            self._run.saw_token()
        return event

    async def _send(self, out: bytes) -> None:
        if not self._started:
            self._started = True
            self._parts.resting.answered(self._run.deployment.id)
            await self._call.start(200, EVENT_STREAM)
        await self._call.write(out, more=True)

    async def _close_stream(self) -> None:
        hidden = await self._hidden()
        last = self._operation.end(hidden)
        await self._succeeded(hidden)
        if not self._started:
            await self._call.start(200, EVENT_STREAM)
        await self._call.write(last, more=False)

    def _composed(self) -> dict[str, Any]:
        serving = self._run.route.release.checkpoint.serving
        return self._operation.composed(serving, self._run.deployment.upstream_model)

    async def _hidden(self) -> int:
        """Tokens that the hidden prompt added to what the upstream counted."""
        operation = self._operation
        tokens = await self._parts.hidden.tokens(
            self._run.route.release.checkpoint,
            self._run.deployment,
            operation.path,
            with_system=operation.opens_with_system,
        )
        return tokens * operation.n_prompts

    async def _succeeded(self, hidden: int) -> None:
        """Written and settled before the client has the end: what it saw finished is never lost."""
        counts = self._operation.counts or self._estimated()
        problem = "" if self._operation.counts else "the upstream sent no usage: estimated"
        self._end(UsageState.SUCCEEDED, 200, problem, (counts, hidden))
        await self._be_settled()

    async def _be_settled(self) -> None:
        """Before the client has the end, where the counters have not even been told yet."""
        if self._settled is not None:
            await self._settled

    async def _failed(self, failed: UpstreamFailed) -> None:
        refusal = refusal_of(Failure.CUT_OFF if self._started else failed.failure)
        problem = f"{failed.failure.value}: {failed.problem}"
        if failed.words and self._run.route.grant.transcript_consent:
            problem = f"{problem}: {failed.words}"
        status = 200 if self._started else refusal.status
        partial = await self._partial() if self._started else None
        self._end(UsageState.FAILED, status, problem, partial)
        await self._be_settled()
        await self._break_off(refusal)

    async def _stopped(self, stopped: Stopped) -> None:
        """Ended by us: the client hears what its next call would hear, the upstream is closed."""
        status = 200 if self._started else stopped.refusal.status
        partial = await self._partial() if self._started else None
        self._end(UsageState.STOPPED, status, stopped.problem, partial)
        await self._be_settled()
        await self._break_off(stopped.refusal)

    async def _break_off(self, refusal: Refusal) -> None:
        """The refusal as an answer, or as the last event of a stream that has begun."""
        if not self._started:
            await self._call.refuse(refusal)
            return
        last = self._operation.broken_off(refusal)
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._call.write(last, more=False)
        except TimeoutError:
            # It does not read: the server closes the connection of an answer without an end.
            raise ClientGone from None

    def _end(
        self,
        state: UsageState,
        status: int,
        problem: str,
        counted_as: tuple[Counted, int] | None,
    ) -> None:
        if self._run.ended is not None:
            return
        self._parts.under_way.let_finish(self._call)
        counts, hidden = counted_as or (None, 0)
        self._run.end(
            Ending(
                state=state,
                http_status=status,
                problem=problem,
                counts=counts,
                hidden_tokens=hidden,
            )
        )
        if self._run.ended is not None:
            self._parts.counts.call_ended(self._run.ended)
        self._keep_text()
        self._settled = self._settling()

    def _settling(self) -> asyncio.Future[Any] | None:
        """Sent at once, or by a task of its own: this one may be cancelled in the middle.

        What was sent is not waited for: the counters answer in the order they are asked, and the
        client's next call can only be asked about once it has this one's end.
        """
        ended = self._run.ended
        if ended is None or not self._parts.limits.counts(self._admission):
            return None
        tokens = ended["tokens_in_shown"] + ended["tokens_out"]
        told = (self._admission, self._run.request_id.hex, tokens, ended["cost_micros"])
        limits = self._parts.limits
        if limits.settle_now(*told):
            return None
        return asyncio.shield(self._parts.in_background(limits.settle(*told)))

    async def _partial(self) -> tuple[Counted, int]:
        """What an unfinished call used: the upstream's count, else pieces seen and an estimate."""
        counts = self._operation.counts
        if counts is not None:
            return counts, await self._hidden()
        if not self._started:
            return Counted(tokens_in=0, tokens_out=0), 0
        return self._estimated(), 0

    def _estimated(self) -> Counted:
        """Without the upstream's count: a token a piece, and four bytes of the text a token."""
        tokens_in = max(1, self._operation.n_bytes // BYTES_A_TOKEN)
        return Counted(tokens_in=tokens_in, tokens_out=self._operation.n_pieces)

    def _keep_text(self) -> None:
        grant = self._run.route.grant
        if not grant.transcript_consent:
            return
        self._parts.transcripts.offer(
            Told(
                request_id=self._run.request_id,
                partner_id=grant.partner_id,
                days=grant.transcript_days,
                text={"request": self._operation.forwarded, "reply": self._operation.said()},
            )
        )
