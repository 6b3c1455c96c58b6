"""Each value of an upstream's reply or a client's body, replaced by junk: refused or survived."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from alpha.gateway.chat import Chat
from alpha.gateway.completions import Completion
from alpha.gateway.embeddings import Embedding
from alpha.gateway.errors import Refusal, UpstreamFailed
from alpha.gateway.operation import Operation
from alpha.gateway.responses import Response
from tests.alpha.gateway.upstream import MARKS, Behaviour, Upstream
from tests.alpha.gateway.upstream_endpoints import _completion, _embeddings, _response

JUNK: list[Any] = [None, True, -1, 2**64 - 1, 1e300, "", "x", [], [None], {}, {"type": []}, [[]]]
NAME = "quasar-alpha"
LOOK = {"type": "function", "name": "look", "parameters": {}}
IMAGE = {"type": "input_image", "image_url": "https://x.example/a.png"}
SAID = [{"role": "user", "content": [{"type": "input_text", "text": "hi"}, IMAGE]}]
CALL = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
BODIES: list[tuple[type[Operation], dict[str, Any]]] = [
    (Chat, {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
            "stream": True, "stream_options": {"include_usage": True}, "tools": [LOOK]}),
    (Response, {"input": [*SAID, CALL, {"type": "function_call_output", "output": "x"}],
                "instructions": "x", "tools": [LOOK], "tool_choice": {"type": "function"},
                "include": ["message.output_text.logprobs"], "metadata": {"a": "b"},
                "text": {"format": {"type": "text"}}, "max_output_tokens": 20}),
    (Completion, {"prompt": ["a", "b"], "logprobs": 2, "suffix": "x", "n": 2, "stop": ["a"]}),
    (Embedding, {"input": [[1, 2], [3]], "encoding_format": "float", "dimensions": 3}),
]  # fmt: skip


def _chat(behaviour: Behaviour, body: dict[str, Any]) -> Any:
    """A chat completion, and as a stream of one chunk."""
    server = Upstream()
    server.behaviour = behaviour
    usage = {"prompt_tokens": 9, "completion_tokens": 3}
    whole = server._whole({**usage, "prompt_tokens_details": {"cached_tokens": 1}})
    choice = whole["choices"][0]
    token = {"token": "a", "logprob": -0.1, "bytes": [97]}
    choice["logprobs"] = {"content": [{**token, "top_logprobs": [token]}], "refusal": None}
    chunk = {**whole, "choices": [{**choice, "delta": choice["message"]}]}
    return whole, [b"data: %s\n\n" % orjson.dumps(chunk)]


REPLIES: list[tuple[type[Operation], dict[str, Any], Any]] = [
    (Chat, {"messages": [{"role": "user", "content": "hi"}], "logprobs": True}, _chat),
    (Response, {"input": "hi", "include": ["message.output_text.logprobs"]}, _response),
    (Completion, {"prompt": "hi", "logprobs": 2}, _completion),
    (Embedding, {"input": ["hi", "ho"]}, _embeddings),
]


def spoilt(value: Any) -> Iterator[Any]:
    """Copies of `value` with junk in one place, each place in turn."""
    yield from JUNK
    if not isinstance(value, dict | list):
        return
    for place, inner in value.items() if isinstance(value, dict) else enumerate(value):
        for worse in spoilt(inner):
            changed = copy.copy(value)
            changed[place] = worse
            yield changed


@pytest.mark.parametrize(("kind", "fields"), BODIES)
def test_a_bodys_junk_is_refused_or_goes_upstream(
    kind: type[Operation], fields: dict[str, Any]
) -> None:
    n_refused = 0
    serving = {"system_prompt": "Hidden.", "sampling": {"max_tokens": 5}}
    for name in fields:
        for worse in spoilt(fields[name]):
            try:
                asked = kind({"model": NAME, **fields, name: worse})
            except Refusal as refusal:
                assert refusal.status == 400 and refusal.param
                n_refused += 1
                continue
            assert orjson.dumps(asked.composed(serving, "upstream"))
            assert asked.n_bytes > 0
    assert n_refused > len(fields) * 4


@pytest.mark.parametrize(("kind", "fields", "build"), REPLIES)
@pytest.mark.parametrize("tool", [False, True])
def test_a_replys_junk_is_left_out_or_fails(
    kind: type[Operation], fields: dict[str, Any], build: Any, tool: bool
) -> None:
    asked = kind({"model": NAME, **fields})
    asked.begin("0" * 32, 1, keeps_text=True)
    whole, _ = build(Behaviour(tool=tool), dict(asked.forwarded))
    n_answered = 0
    for worse in spoilt(whole):
        asked.counts = None
        asked.count(worse)
        try:
            told = asked.whole(worse, 3)
        except UpstreamFailed:
            continue
        assert not [mark for mark in MARKS if mark.encode() in told]
        n_answered += 1
    assert n_answered


@pytest.mark.parametrize(("kind", "fields", "build"), REPLIES[:3])
@pytest.mark.parametrize("tool", [False, True])
def test_junk_in_a_stream_is_left_out_or_ends_it(
    kind: type[Operation], fields: dict[str, Any], build: Any, tool: bool
) -> None:
    body = {"model": NAME, "stream": True, **fields}
    _, sent = build(Behaviour(tool=tool), body)
    events = [orjson.loads(e.split(b"data: ", 1)[1]) for e in sent if b"[DONE]" not in e]
    n_ended = 0
    for at, event in enumerate(events):
        for worse in spoilt(event):
            if isinstance(worse, dict):
                told = streamed(kind(body), [*events[:at], worse, *events[at + 1 :]])
                assert not [mark for mark in MARKS if mark.encode() in told]
                n_ended += b"response.completed" in told or b"[DONE]" in told
    assert n_ended


def streamed(asked: Operation, events: list[dict[str, Any]]) -> bytes:
    """What the client is sent of the upstream's events."""
    asked.begin("0" * 32, 1, keeps_text=True)
    out = b""
    try:
        for event in events:
            out += asked.event(event)
        return out + asked.end(3)
    except UpstreamFailed:
        return out


@pytest.mark.parametrize("tool", [False, True])
@pytest.mark.parametrize("left_out", ["item_id", "output_index", "content_index", "id"])
def test_servers_that_name_items_in_their_own_way_are_understood(left_out: str, tool: bool) -> None:
    body = {"model": NAME, "stream": True, "input": "hi"}
    _, sent = _response(Behaviour(tool=tool), body)
    events = [orjson.loads(event.split(b"data: ", 1)[1]) for event in sent]
    usual = streamed(Response(body), copy.deepcopy(events))
    for event in events:
        held = event.get("item") if left_out == "id" else event
        if isinstance(held, dict):
            held.pop(left_out, None)
    assert streamed(Response(body), events) == usual
    assert b"response.completed" in usual
