"""Nothing of the upstream reaches a client: no field, header, id, name or count."""

from __future__ import annotations

import json
import re

import httpx2 as httpx
import pytest

from releases.models import Checkpoint
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.upstream import MARKS, Upstream

REPLY_HEADERS = {"x-request-id", "content-type", "content-length", "date"}
STREAM_HEADERS = REPLY_HEADERS - {"content-length"} | {
    "cache-control",
    "x-accel-buffering",
    "transfer-encoding",
}


def everything_of(reply: httpx.Response) -> str:
    return f"{reply.headers.raw!r}{reply.content!r}"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tool", [False, True])
def test_no_byte_of_a_reply_tells_the_upstream(
    http: httpx.Client, upstream: Upstream, stream: bool, tool: bool
) -> None:
    upstream.behaviour.tool = tool and not stream
    told = [*MARKS, upstream.url, re.sub("^http://", "", upstream.url)]
    told += [*Checkpoint.objects.values_list("name", flat=True), "You are brief"]
    extra = {"stream_options": {"include_usage": True}} if stream else {}
    replies = [
        http.post("/chat/completions", json=chat(stream=stream, logprobs=True, **extra)),
        http.get("/models"),
        http.get("/models/quasar-alpha"),
    ]
    for reply in replies:
        assert reply.status_code == 200
        found = [mark for mark in told if mark.lower() in everything_of(reply).lower()]
        assert not found


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
