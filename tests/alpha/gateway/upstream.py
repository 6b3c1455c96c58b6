"""An OpenAI-compatible server with state, served over real HTTP; it can be told to misbehave."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.alpha.gateway.upstream_endpoints import endpoints

# Marks of the upstream that must never reach a client.
NAME = "smollm2-135m-instruct"
MARKS = (
    NAME,
    "fp_upstream_44",
    "chatcmpl-upstream",
    "call_upstream",
    "acme-inference",
    "x-upstream",
    "llama.cpp",
    "ORG-77",
    "reasoning_content",
    "THOUGHTS",
    "msg_upstream",
    "resp_upstream",
    "cmpl-upstream",
    "PLANTED-WORDS",
)
HEADERS = {
    "server": "llama.cpp",
    "x-upstream-node": "acme-inference-3",
    "openai-organization": "ORG-77",
    "x-ratelimit-limit-requests": "987654",
    "x-request-id": "chatcmpl-upstream-1",
}


def tokens_of(messages: list[dict[str, Any]]) -> int:
    """Words, and four for each message's frame."""
    return sum(4 + len(str(message.get("content") or "").split()) for message in messages)


@dataclass
class Behaviour:
    """What the next calls meet."""

    words: list[str] = field(default_factory=lambda: ["Hello", " there", "!"])
    status: int = 200
    raw: str | None = None
    delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    die_after: int | None = None
    error_after: int | None = None
    with_usage: bool = True
    with_done: bool = True
    tool: bool = False


class Upstream:
    """The server; `seen` holds every body but those of one token, which measure the prompt."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.seen: list[dict[str, Any]] = []
        self.n_measuring = 0
        self.n_streaming = 0
        self.left_at: float | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.url = ""
        # Endpoints beside chat: empty it before the start for a server that has none.
        self.others = endpoints(self)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(10)

    def _serve(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=2**26)
        application.router.add_get("/v1/models", self._models)
        application.router.add_post("/v1/chat/completions", self._chat)
        for name, answers in self.others.items():
            application.router.add_post(f"/v1/{name}", answers)
        runner = web.AppRunner(
            application, handler_cancellation=True, shutdown_timeout=0.1, access_log=None
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        self._ready.set()
        await self._stopped.wait()
        await runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": NAME}]}, headers=HEADERS)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        usage = {
            "prompt_tokens": tokens_of(body["messages"]),
            "completion_tokens": len(self.behaviour.words),
            "prompt_tokens_details": {"cached_tokens": 0},
            "x_upstream": "acme-inference",
        }
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
        if body.get("max_tokens") == 1:
            self.n_measuring += 1
            return web.json_response({"choices": [{"message": {}}], "usage": usage})
        self.seen.append(body)
        behaviour = self.behaviour
        await asyncio.sleep(behaviour.delay_s)
        if behaviour.raw is not None:
            return web.Response(status=behaviour.status, text=behaviour.raw, headers=HEADERS)
        if body.get("stream"):
            return await self._stream(request, body, usage)
        return web.json_response(self._whole(usage), headers=HEADERS)

    def _whole(self, usage: dict[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(self.behaviour.words),
            "reasoning_content": "THOUGHTS",
        }
        if self.behaviour.tool:
            function = {"name": "look", "arguments": '{"at": "it"}', "x_upstream": 1}
            message["content"] = None
            message["tool_calls"] = [
                {"id": "call_upstream_1", "type": "function", "function": function}
            ]
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": "tool_calls" if self.behaviour.tool else "stop",
            "x_upstream": "acme-inference",
        }
        return {
            "id": "chatcmpl-upstream-1",
            "object": "chat.completion",
            "created": 1,
            "model": NAME,
            "system_fingerprint": "fp_upstream_44",
            "timings": {"x_upstream": 1},
            "choices": [choice],
            **({"usage": usage} if self.behaviour.with_usage else {}),
        }

    async def _stream(
        self, request: web.Request, body: dict[str, Any], usage: dict[str, Any]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={**HEADERS, "content-type": "text/event-stream"})
        await response.prepare(request)
        self.n_streaming += 1
        try:
            await self._chunks(response, body, usage)
        except (asyncio.CancelledError, ConnectionError):
            self.left_at = time.monotonic()
            raise
        finally:
            self.n_streaming -= 1
        return response

    async def _chunks(
        self, response: web.StreamResponse, body: dict[str, Any], usage: dict[str, Any]
    ) -> None:
        head = {
            "id": "chatcmpl-upstream-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": NAME,
            "system_fingerprint": "fp_upstream_44",
        }
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
        deltas += [
            {"content": word, "reasoning_content": "THOUGHTS"} for word in self.behaviour.words
        ]
        for number, delta in enumerate(deltas):
            if number == self.behaviour.die_after:
                assert response._req.transport is not None
                response._req.transport.abort()
                return
            if number == self.behaviour.error_after:
                await self._event(response, {"error": {"message": "PLANTED-WORDS"}})
                return
            choice = {"index": 0, "delta": delta, "finish_reason": None, "x_upstream": 1}
            await self._event(response, {**head, "choices": [choice]})
            await asyncio.sleep(self.behaviour.chunk_delay_s)
        last = {"index": 0, "delta": {}, "finish_reason": "stop"}
        await self._event(response, {**head, "choices": [last], "timings": {"x_upstream": 1}})
        asked = (body.get("stream_options") or {}).get("include_usage")
        if asked and self.behaviour.with_usage:
            await self._event(response, {**head, "choices": [], "usage": usage})
        if self.behaviour.with_done:
            await response.write(b"data: [DONE]\n\n")

    async def _event(self, response: web.StreamResponse, value: dict[str, Any]) -> None:
        await response.write(f"data: {json.dumps(value)}\n\n".encode())
