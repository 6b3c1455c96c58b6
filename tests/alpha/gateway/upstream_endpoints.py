"""The upstream's endpoints beside chat, each with marks that must never reach a client."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

NODE = {"server": "llama.cpp", "x-upstream-node": "acme-inference-3", "openai-version": "ORG-77"}
MODEL = "smollm2-135m-instruct"
Answers = Callable[[web.Request], Awaitable[web.StreamResponse]]


def endpoints(upstream: Any) -> dict[str, Answers]:
    """Path below `/v1/` -> its handler, with `upstream`'s state and behaviour."""
    builders = {"embeddings": _embeddings, "completions": _completion, "responses": _response}
    return {name: _handler(upstream, build) for name, build in builders.items()}


def _handler(upstream: Any, build: Any) -> Answers:
    async def answers(request: web.Request) -> web.StreamResponse:
        return await _answered(upstream, request, build)

    return answers


async def _answered(upstream: Any, request: web.Request, build: Any) -> web.StreamResponse:
    body = await request.json()
    whole, events = build(upstream.behaviour, body)
    if body.get("max_tokens") == 1 or body.get("max_output_tokens") == 16:
        upstream.n_measuring += 1
        return web.json_response(whole)
    upstream.seen.append(body)
    behaviour = upstream.behaviour
    await asyncio.sleep(behaviour.delay_s)
    if behaviour.raw is not None:
        return web.Response(status=behaviour.status, text=behaviour.raw, headers=NODE)
    if not body.get("stream"):
        return web.json_response(whole, headers=NODE)
    return await _streamed(upstream, request, events)


async def _streamed(
    upstream: Any, request: web.Request, events: Iterable[bytes]
) -> web.StreamResponse:
    response = web.StreamResponse(headers={**NODE, "content-type": "text/event-stream"})
    await response.prepare(request)
    upstream.n_streaming += 1
    behaviour, number = upstream.behaviour, 0
    try:
        for number, event in enumerate(events):
            if number == behaviour.die_after:
                assert request.transport is not None
                request.transport.abort()
                break
            if number == behaviour.error_after:
                await response.write(b'data: {"type": "error", "message": "PLANTED-WORDS"}\n\n')
                break
            await response.write(event)
            await asyncio.sleep(behaviour.chunk_delay_s)
    except (asyncio.CancelledError, ConnectionError):
        upstream.left_at = time.monotonic()
        raise
    finally:
        upstream.n_streaming -= 1
    return response


def words_in(text: Any) -> int:
    """Words of a text, of a list of texts, or of the texts in a list of items."""
    if isinstance(text, list):
        return sum(words_in(part) for part in text)
    if isinstance(text, dict):
        return words_in(text.get("content") or text.get("text") or text.get("output") or "")
    return len(str(text).split())


def _embeddings(behaviour: Any, body: dict[str, Any]) -> Any:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors: list[Any] = [[0.5, -0.25, float(number)] for number in range(len(texts))]
    if body.get("encoding_format") == "base64" and not behaviour.tool:
        vectors = [base64.b64encode(struct.pack("<3f", *v)).decode() for v in vectors]
    data = [
        {"object": "embedding", "index": at, "embedding": v, "x_upstream": "acme-inference"}
        for at, v in enumerate(vectors)
    ]
    usage = {"prompt_tokens": words_in(texts), "total_tokens": words_in(texts), "x_upstream": 1}
    whole = {"object": "list", "data": data[::-1], "model": MODEL, "id": "cmpl-upstream-1"}
    return whole | ({"usage": usage} if behaviour.with_usage else {}), ()


def _completion(behaviour: Any, body: dict[str, Any]) -> Any:
    n_in = words_in(body["prompt"])
    usage = {"prompt_tokens": n_in, "completion_tokens": len(behaviour.words)}
    head = {"id": "cmpl-upstream-1", "created": 1, "model": MODEL, "x_upstream": "ORG-77"}
    head |= {"object": "text_completion", "system_fingerprint": "fp_upstream_44"}

    def choice(text: str, finish: str | None) -> dict[str, Any]:
        logprobs = {"tokens": [text], "token_logprobs": [-0.1], "top_logprobs": [{text: -0.1}]}
        told = {"text": text, "index": 0, "finish_reason": finish, "x_upstream": 1}
        return told | {"logprobs": logprobs | {"text_offset": [99], "x_upstream": 1}}

    whole = {**head, "choices": [choice("".join(behaviour.words), "stop")], "usage": usage}
    chunks = [{**head, "choices": [choice(word, None)]} for word in behaviour.words]
    chunks.append({**head, "choices": [choice("", "stop")]})
    if (body.get("stream_options") or {}).get("include_usage") and behaviour.with_usage:
        chunks.append({**head, "choices": [], "usage": usage})
    events = [b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks]
    return whole, [*events, *([b"data: [DONE]\n\n"] if behaviour.with_done else [])]


def _response(behaviour: Any, body: dict[str, Any]) -> Any:
    thoughts = {"type": "reasoning", "id": "rs_upstream_1", "summary": [{"text": "THOUGHTS"}]}
    answer = _tool_call() if behaviour.tool else _message("".join(behaviour.words))
    response = {
        "id": "resp_upstream_1",
        "object": "response",
        "created_at": 1,
        "model": MODEL,
        "status": "completed",
        "instructions": body.get("instructions"),
        "temperature": body.get("temperature"),
        "output": [thoughts, answer],
        "x_upstream": "acme-inference",
    }
    if behaviour.with_usage:
        n_in = 4 + words_in(body["input"]) + words_in(body.get("instructions") or "")
        n_out = len(behaviour.words)
        response["usage"] = {"input_tokens": n_in, "output_tokens": n_out, "x_upstream": 1}
    events = _response_events(behaviour, response, thoughts, answer)
    return response, [
        b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps(told | {"type": kind}).encode())
        for kind, told in events
    ]


def _message(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [{"x_upstream": 1}]}
    return {
        "type": "message",
        "id": "msg_upstream_1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
        "x_upstream": "acme-inference",
    }


def _tool_call() -> dict[str, Any]:
    told = {"name": "look", "arguments": '{"at": "it"}', "call_id": "call_upstream_1"}
    return {"type": "function_call", "id": "msg_upstream_2", "status": "completed", **told}


def _response_events(
    behaviour: Any, response: dict[str, Any], thoughts: dict[str, Any], answer: dict[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    begun = {**response, "output": [], "status": "in_progress"}
    at = {"item_id": answer["id"], "output_index": 1, "sequence_number": 77}
    events = [
        ("response.created", {"response": begun}),
        ("response.output_item.added", {"output_index": 0, "item": thoughts}),
        ("response.reasoning_text.delta", {"item_id": "rs_upstream_1", "delta": "THOUGHTS"}),
        ("response.output_item.done", {"output_index": 0, "item": thoughts}),
    ]
    if behaviour.tool:
        added = {**answer, "arguments": "", "status": "in_progress"}
        events += [
            ("response.output_item.added", {"output_index": 1, "item": added}),
            ("response.function_call_arguments.delta", {**at, "delta": answer["arguments"]}),
            ("response.function_call_arguments.done", {**at, "arguments": answer["arguments"]}),
        ]
    else:
        at["content_index"] = 0
        text, empty = answer["content"][0]["text"], {"type": "output_text", "text": ""}
        events += [
            ("response.output_item.added", {"output_index": 1, "item": answer | {"content": []}}),
            ("response.content_part.added", {**at, "part": empty}),
            *(
                ("response.output_text.delta", {**at, "delta": word, "obfuscation": "acme"})
                for word in behaviour.words
            ),
            ("response.output_text.done", {**at, "text": text}),
            ("response.content_part.done", {**at, "part": answer["content"][0]}),
        ]
    events += [
        ("response.output_item.done", {"output_index": 1, "item": answer}),
        ("response.mcp_call.in_progress", {**at, "x_upstream": "acme-inference"}),
    ]
    return [*events, *([("response.completed", {"response": response})] * behaviour.with_done)]
