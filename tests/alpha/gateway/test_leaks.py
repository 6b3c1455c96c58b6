"""Nothing of the upstream reaches a client: no field, header, id, name or count."""

from __future__ import annotations

import json
import re

import httpx2 as httpx
import pytest

from releases.models import Checkpoint
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.upstream import MARKS, Behaviour, Upstream

RATES = {
    f"x-ratelimit-{number}-{of}"
    for number in ("limit", "remaining", "reset")
    for of in ("requests", "tokens")
}
REPLY_HEADERS = RATES | {"x-request-id", "content-type", "content-length", "date"}
STREAM_HEADERS = REPLY_HEADERS - {"content-length"} | {
    "cache-control",
    "x-accel-buffering",
    "transfer-encoding",
}


def everything_of(reply: httpx.Response) -> str:
    return f"{reply.headers.raw!r}{reply.content!r}"


def told_of(upstream: Upstream) -> list[str]:
    """Whatever would tell the upstream."""
    told = [*MARKS, upstream.url, re.sub("^http://", "", upstream.url)]
    return told + [*Checkpoint.objects.values_list("name", flat=True), "You are brief"]


def found_in(reply: httpx.Response, upstream: Upstream) -> list[str]:
    shown = everything_of(reply).lower()
    return [mark for mark in told_of(upstream) if mark.lower() in shown]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tool", [False, True])
def test_no_byte_of_a_reply_tells_the_upstream(
    http: httpx.Client, upstream: Upstream, stream: bool, tool: bool
) -> None:
    upstream.behaviour.tool = tool and not stream
    extra = {"stream_options": {"include_usage": True}} if stream else {}
    replies = [
        http.post("/chat/completions", json=chat(stream=stream, logprobs=True, **extra)),
        http.get("/models"),
        http.get("/models/quasar-alpha"),
    ]
    for reply in replies:
        assert reply.status_code == 200
        assert not found_in(reply, upstream)


OTHERS: list[tuple[str, dict[str, object]]] = [
    ("responses", {"input": "hi", "include": ["message.output_text.logprobs"]}),
    ("responses", {"input": "hi", "instructions": "Be kind.", "stream": True}),
    ("completions", {"prompt": "hi", "logprobs": 2}),
    ("completions", {"prompt": "hi", "logprobs": 2, "stream": True}),
    ("embeddings", {"input": ["hi", "ho"]}),
    ("embeddings", {"input": "hi", "encoding_format": "base64"}),
]


@pytest.mark.parametrize("tool", [False, True])
def test_no_byte_of_another_endpoint_tells_the_upstream(
    http: httpx.Client, upstream: Upstream, tool: bool
) -> None:
    for endpoint, fields in OTHERS:
        upstream.behaviour = Behaviour(tool=tool)
        body = {"model": "quasar-alpha", "user": "ann", **fields}
        reply = http.post(f"/{endpoint}", json=body)
        assert reply.status_code == 200, (endpoint, reply.text)
        assert not found_in(reply, upstream), (endpoint, fields)
        assert set(reply.headers) == (STREAM_HEADERS if fields.get("stream") else REPLY_HEADERS)
        assert "ann" not in str(upstream.seen)
        for raw, status in (("PLANTED-WORDS", 500), ('{"error": {"code": "PLANTED-WORDS"}}', 429)):
            upstream.behaviour.raw, upstream.behaviour.status = raw, status
            failed = http.post(f"/{endpoint}", json=body)
            assert failed.status_code >= 500 and not found_in(failed, upstream), endpoint


def test_a_response_has_allowed_fields_only(http: httpx.Client) -> None:
    body = http.post("/responses", json={"model": "quasar-alpha", "input": "hi"}).json()
    assert set(body) == {
        *("id", "object", "created_at", "model", "status", "output", "usage", "error"),
        *("incomplete_details", "instructions", "max_output_tokens", "metadata", "reasoning"),
        *("parallel_tool_calls", "temperature", "text", "tool_choice", "tools", "top_logprobs"),
        *("top_p", "truncation", "user", "background", "previous_response_id", "store"),
    }
    (item,) = body["output"]
    assert set(item) == {"id", "type", "status", "role", "content"}
    assert set(item["content"][0]) == {"type", "text", "annotations", "logprobs"}


def test_a_completion_and_vectors_have_allowed_fields_only(http: httpx.Client) -> None:
    body = http.post("/completions", json={"model": "quasar-alpha", "prompt": "hi"}).json()
    assert set(body) == {
        *("id", "object", "created", "model", "choices", "usage", "system_fingerprint")
    }
    assert set(body["choices"][0]) == {"text", "index", "logprobs", "finish_reason"}
    body = http.post("/embeddings", json={"model": "quasar-alpha", "input": "hi"}).json()
    assert set(body) == {"object", "data", "model", "usage"}
    assert set(body["data"][0]) == {"object", "index", "embedding"}


def test_a_reply_has_allowed_fields_and_headers_only(http: httpx.Client) -> None:
    reply = http.post("/chat/completions", json=chat())
    assert set(reply.headers) == REPLY_HEADERS
    body = reply.json()
    assert set(body) == {
        *("id", "object", "created", "model", "choices", "usage", "system_fingerprint")
    }
    assert set(body["choices"][0]) == {"index", "message", "logprobs", "finish_reason"}
    assert set(body["choices"][0]["message"]) == {"role", "content", "refusal"}


def test_a_chunk_has_allowed_fields_and_headers_only(http: httpx.Client) -> None:
    reply = http.post("/chat/completions", json=chat(stream=True))
    assert set(reply.headers) == STREAM_HEADERS
    *events, done, empty = reply.text.split("\n\n")
    assert done == "data: [DONE]" and empty == ""
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    for chunk in chunks:
        assert set(chunk) == {"id", "object", "created", "model", "choices", "system_fingerprint"}
        for choice in chunk["choices"]:
            assert set(choice) == {"index", "delta", "logprobs", "finish_reason"}
            assert set(choice["delta"]) <= {"role", "content"}
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1


def test_no_header_or_field_of_a_client_reaches_the_upstream(
    http: httpx.Client, upstream: Upstream
) -> None:
    body = chat(user="ann", safety_identifier="bob", prompt_cache_key="c", service_tier="auto")
    assert http.post("/chat/completions", json=body).status_code == 200
    assert set(upstream.seen[0]) == {"model", "messages", "temperature", "seed"}
    assert upstream.seen[0]["model"] == "smollm2-135m-instruct"


def test_no_byte_of_a_partners_own_account_tells_the_upstream(
    http: httpx.Client, upstream: Upstream
) -> None:
    assert http.post("/chat/completions", json=chat()).status_code == 200
    for path in ("/usage", "/releases"):
        reply = http.get(path)
        assert reply.status_code == 200 and set(reply.headers) == REPLY_HEADERS
        assert not found_in(reply, upstream)
