"""One call served: from its admission to the end of its usage event, whatever happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import orjson

from alpha.gateway.assembly import Assembly
from alpha.gateway.errors import ClientGone, Failure, UpstreamFailed, refusal_of
from alpha.gateway.limits import Admission
from alpha.gateway.metering import Ending, Run
from alpha.gateway.parts import Parts
from alpha.gateway.proxy import DONE, code_in
from alpha.gateway.replies import ChatReplies, Counted, counted, shown_usage
from alpha.gateway.requests import ChatRequest
from alpha.gateway.transcripts import Told
from alpha.gateway.wire import EVENT_STREAM, Call
from alpha.states import UsageState
from releases.serving import ServingDefaults, compose_request

CLIENT_CLOSED = 499
BYTES_A_TOKEN = 4


class Service:
    """Serves one admitted chat call."""

    def __init__(
        self, parts: Parts, call: Call, chat: ChatRequest, run: Run, admission: Admission
    ) -> None:
        self._parts, self._call, self._chat = parts, call, chat
        self._run, self._admission = run, admission
        self._replies = ChatReplies(
            call.request_id.hex,
            int(time.time()),
            chat.codename,
            logprobs=chat.wants_logprobs,
            usage=chat.include_usage,
        )
        self._counts: Counted | None = None
        self._pieces = 0
        self._settled: asyncio.Task[None] | None = None
        self._started = False
        self._said: list[dict[str, Any]] = []
        self._assembly = Assembly() if run.route.grant.transcript_consent else None

    async def serve(self) -> None:
        """Answer the client; the call's usage event is ended when this returns or raises."""
        try:
            with self._call.ending_with_client():
                await (self._stream() if self._chat.stream else self._whole())
        except UpstreamFailed as failed:
            await self._failed(failed)
        except ClientGone:
            self._end(UsageState.CLIENT_GONE, CLIENT_CLOSED, "", await self._partial())
        finally:
            # Only a shutdown or a defect leaves it open until here.
            self._end(UsageState.ABORTED, 0, "the gateway stopped before the call ended", None)

    async def _whole(self) -> None:
        upstream = await self._parts.upstreams.complete(self._run.deployment, self._composed())
        self._run.saw_token()
        self._counts = counted(upstream.get("usage") if isinstance(upstream, dict) else None)
        hidden = await self._hidden()
        usage = shown_usage(self._counts, hidden) if self._counts else None
        reply = self._replies.whole(upstream, usage)
        self._said = [choice["message"] for choice in reply["choices"]]
        body = orjson.dumps(reply)
        await self._succeeded(hidden)
        await self._call.reply(200, body)

    async def _stream(self) -> None:
        async with self._parts.upstreams.streamed(
            self._run.deployment, self._composed()
        ) as payloads:
            async for several in payloads:
                done = several[-1] == DONE
                pieces = several[:-1] if done else several
                await self._pass_on(pieces)
                if done:
                    await self._close_stream()
                    return
        raise UpstreamFailed(Failure.CUT_OFF, "the stream ended without [DONE]")

    async def _pass_on(self, payloads: list[bytes]) -> None:
        """Send the events of one read together; those before a broken one too."""
        out = bytearray()
        try:
            for payload in payloads:
                out += self._event(payload)
        finally:
            if out:
                await self._send(bytes(out))

    def _event(self, payload: bytes) -> bytes:
        """The event to send for an upstream's payload; b"" when it holds nothing for the client."""
        try:
            upstream = orjson.loads(payload)
        except orjson.JSONDecodeError:
            raise UpstreamFailed(Failure.MALFORMED, "an event is not JSON") from None
        if not isinstance(upstream, dict):
            raise UpstreamFailed(Failure.MALFORMED, "an event is no JSON object")
        if upstream.get("error") is not None:
            problem = f"error event {code_in(upstream)}".strip()
            raise UpstreamFailed(Failure.BROKEN, problem, words=str(upstream["error"]))
        self._counts = counted(upstream.get("usage")) or self._counts
        chunk = self._replies.chunk(upstream)
        if chunk is None:
            return b""
        self._pieces += any(_speaks(choice["delta"]) for choice in chunk["choices"])
        self._run.saw_token()
        if self._assembly is not None:
            self._assembly.add(chunk)
        return _sse(chunk)

    async def _send(self, out: bytes) -> None:
        if not self._started:
            self._started = True
            await self._call.start(200, EVENT_STREAM)
        await self._call.write(out, more=True)

    async def _close_stream(self) -> None:
        hidden = await self._hidden()
        await self._succeeded(hidden)
        last = b""
        if self._chat.include_usage:
            usage = shown_usage(self._counts, hidden) if self._counts else None
            last = _sse(self._replies.usage_chunk(usage))
        if not self._started:
            await self._call.start(200, EVENT_STREAM)
        await self._call.write(last + b"data: [DONE]\n\n", more=False)

    def _composed(self) -> dict[str, Any]:
        body = dict(self._chat.forwarded)
        if self._chat.stream:
            # Always asked for: a stream is metered like any other call.
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        serving = ServingDefaults.from_row(self._run.route.release.checkpoint.serving)
        return compose_request(serving, self._run.deployment.upstream_model, body)

    async def _hidden(self) -> int:
        return await self._parts.hidden.tokens(
            self._run.route.release.checkpoint,
            self._run.deployment,
            with_system=self._chat.starts_with_system,
        )

    async def _succeeded(self, hidden: int) -> None:
        """Written and settled before the client has the end: what it saw finished is never lost."""
        problem = "" if self._counts else "the upstream sent no usage: estimated"
        counts = self._counts or self._estimated()
        self._end(UsageState.SUCCEEDED, 200, problem, (counts, hidden))
        await self._be_settled()

    async def _be_settled(self) -> None:
        """Before the client has the end: its next call must not meet this one's reservation."""
        if self._settled is not None:
            await asyncio.shield(self._settled)

    async def _failed(self, failed: UpstreamFailed) -> None:
        refusal = refusal_of(Failure.CUT_OFF if self._started else failed.failure)
        problem = f"{failed.failure.value}: {failed.problem}"
        if failed.words and self._run.route.grant.transcript_consent:
            problem = f"{problem}: {failed.words}"
        status = 200 if self._started else refusal.status
        partial = await self._partial() if self._started else None
        self._end(UsageState.FAILED, status, problem, partial)
        await self._be_settled()
        if not self._started:
            await self._call.refuse(refusal)
            return
        event = orjson.dumps({"error": refusal.fields()})
        await self._call.write(b"event: error\ndata: %s\n\n" % event, more=False)

    def _end(
        self,
        state: UsageState,
        status: int,
        problem: str,
        counted_as: tuple[Counted, int] | None,
    ) -> None:
        if self._run.ended is not None:
            return
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
        self._keep_text()
        self._settled = self._settling()

    def _settling(self) -> asyncio.Task[None] | None:
        """Settled by a task of its own: this one may be cancelled in the middle."""
        ended = self._run.ended
        if ended is None or not self._admission.scope:
            return None
        tokens = ended["tokens_in_shown"] + ended["tokens_out"]
        request = self._run.request_id.hex
        work = self._parts.limits.settle(self._admission, request, tokens, ended["cost_micros"])
        return self._parts.in_background(work)

    async def _partial(self) -> tuple[Counted, int]:
        """What an unfinished call used: the upstream's count, else pieces seen and an estimate."""
        if not self._started and self._counts is None:
            return Counted(tokens_in=0, tokens_out=0), 0
        return (
            self._counts or self._estimated(),
            0 if self._counts is None else await self._hidden(),
        )

    def _estimated(self) -> Counted:
        """Without the upstream's count: a token a piece, and four bytes of messages a token."""
        size = len(orjson.dumps(self._chat.forwarded["messages"]))
        return Counted(tokens_in=max(1, size // BYTES_A_TOKEN), tokens_out=self._pieces)

    def _keep_text(self) -> None:
        grant = self._run.route.grant
        if not grant.transcript_consent:
            return
        reply = self._said or (self._assembly.messages() if self._assembly else [])
        self._parts.transcripts.offer(
            Told(
                request_id=self._run.request_id,
                partner_id=grant.partner_id,
                days=grant.transcript_days,
                text={"request": self._chat.forwarded, "reply": reply},
            )
        )


def _sse(value: Mapping[str, Any]) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(value)


def _speaks(delta: Mapping[str, Any]) -> bool:
    return bool(delta.get("content") or delta.get("refusal") or delta.get("tool_calls"))
