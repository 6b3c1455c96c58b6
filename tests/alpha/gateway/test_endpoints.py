"""The endpoints beside chat, by the stock SDK: answered, metered and shaped as chat is."""

from __future__ import annotations

import itertools
from typing import Any

import httpx2 as httpx
import openai
import pydantic
import pytest

from alpha.gateway.config import GatewayConfig
from releases.models import Checkpoint
from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import running, usage_of
from tests.alpha.gateway.test_errors import is_error
from tests.alpha.gateway.upstream import Behaviour, Upstream

NAME = "quasar-alpha"
LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}


class Place(pydantic.BaseModel):
    """A structured answer."""

    town: str


def test_a_response_carries_the_codename_our_ids_and_the_clients_own_words(
    sdk: openai.OpenAI, upstream: Upstream
) -> None:
    raw = sdk.responses.with_raw_response.create(
        model=NAME, input="Say hello to me", instructions="Be kind.", metadata={"a": "b"}
    )
    reply, request_id = raw.parse(), raw.headers["x-request-id"]
    assert reply.output_text == "Hello there!" and reply.status == "completed"
    assert reply.id == "resp_" + request_id.replace("-", "") and reply.model == NAME
    assert reply.instructions == "Be kind." and reply.metadata == {"a": "b"}
    assert reply.temperature is None and [item.type for item in reply.output] == ["message"]
    assert upstream.seen[0]["instructions"] == "You are brief.\n\nBe kind."
    assert upstream.seen[0]["store"] is False and upstream.seen[0]["temperature"] == 0
    assert reply.usage is not None
    # A frame of four, four words and two of its own instructions; three hidden ones are not shown.
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (10, 3)
    event = usage_of(request_id)
    assert (event.tokens_in, event.tokens_in_shown, event.tokens_out) == (13, 10, 3)
    assert (event.endpoint, event.state, event.streamed) == ("responses", "succeeded", False)


def test_a_streamed_response_is_whole_numbered_and_metered(sdk: openai.OpenAI) -> None:
    with sdk.responses.stream(model=NAME, input="Say hello to me") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed" and "response.output_text.delta" in kinds
    assert not [kind for kind in kinds if "reasoning" in kind or "mcp" in kind]
    assert final.output_text == "Hello there!"
    assert final.usage is not None and final.usage.input_tokens == 8
    event = usage_of(final.id.removeprefix("resp_"))
    assert (event.tokens_in, event.tokens_in_shown, event.tokens_out) == (11, 8, 3)
    assert event.streamed and event.first_token_ms is not None


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_calls_tools_under_our_own_ids(
    sdk: openai.OpenAI, upstream: Upstream, stream: bool
) -> None:
    upstream.behaviour.tool = True
    asked: dict[str, Any] = {"model": NAME, "input": "Look", "tools": [LOOK]}
    if stream:
        with sdk.responses.stream(**asked) as events:
            reply = events.get_final_response()
    else:
        reply = sdk.responses.create(**asked)
    (call,) = reply.output
    assert (call.type, call.name, call.arguments) == ("function_call", "look", '{"at": "it"}')
    assert call.call_id.startswith("call_") and "upstream" not in call.call_id
    assert upstream.seen[0]["tools"] == [LOOK]
    upstream.behaviour.tool = False
    answer = {"type": "function_call_output", "call_id": call.call_id, "output": "seen"}
    asked_with = call.model_dump(exclude_none=True, exclude={"parsed_arguments"})
    again = sdk.responses.create(model=NAME, input=[asked_with, answer])
    assert again.output_text == "Hello there!"
    assert upstream.seen[1]["input"][1] == answer


def test_structured_output_is_parsed(sdk: openai.OpenAI, upstream: Upstream) -> None:
    upstream.behaviour.words = ['{"town":', ' "Bern"}']
    reply = sdk.responses.parse(model=NAME, input="Where?", text_format=Place)
    assert reply.output_parsed == Place(town="Bern")
    assert upstream.seen[0]["text"]["format"]["name"] == "Place"
    completion = sdk.chat.completions.parse(**chat(), response_format=Place)
    assert completion.choices[0].message.parsed == Place(town="Bern")


STATEFUL: list[tuple[dict[str, Any], str]] = [
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"prompt": {"id": "p"}}, "prompt"),
    ({"store": True}, "store"),
    ({"background": True}, "background"),
    ({"tools": [LOOK, {"type": "web_search"}]}, "tools[1].type"),
    ({"tools": [{"type": "mcp", "server_url": "http://10.0.0.1/"}]}, "tools[0].type"),
    ({"tool_choice": {"type": "mcp"}}, "tool_choice.type"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
    ({"input": [{"role": "king", "content": "x"}]}, "input[0].role"),
    ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
     "input[0].content[0].file_id"),
    ({"input": [{"role": "user", "content": [
        {"type": "input_image", "image_url": "http://10.0.0.1/"}]}]},
     "input[0].content[0].image_url"),
    ({"input": [{"type": "function_call_output", "call_id": "c", "output": [
        {"type": "input_file", "file_url": "file:///etc/passwd"}]}]},
     "input[0].output[0].file_url"),
    ({"include": ["file_search_call.results"]}, "include"),
    ({"input": ""}, "input"),
    ({"stream_options": {"include_usage": True}, "stream": True}, "stream_options"),
    ({"base_url": "http://evil.example"}, "base_url"),
]  # fmt: skip


def test_what_keeps_state_or_runs_elsewhere_is_refused_by_name(
    http: httpx.Client, upstream: Upstream
) -> None:
    for fields, param in STATEFUL:
        reply = http.post("/responses", json={"model": NAME, "input": "hi", **fields})
        assert reply.status_code == 400, fields
        assert reply.json()["error"]["param"] == param, fields
    assert upstream.seen == []


def test_embeddings_are_numbers_in_the_order_of_the_texts(
    sdk: openai.OpenAI, upstream: Upstream
) -> None:
    raw = sdk.embeddings.with_raw_response.create(model=NAME, input=["one two", "three"])
    reply = raw.parse()
    assert [entry.embedding for entry in reply.data] == [[0.5, -0.25, 0.0], [0.5, -0.25, 1.0]]
    assert reply.model == NAME and reply.usage.prompt_tokens == 3
    assert set(upstream.seen[0]) == {"model", "input", "encoding_format"}
    event = usage_of(raw.headers["x-request-id"])
    assert (event.tokens_in, event.tokens_in_shown, event.tokens_out) == (3, 3, 0)
    assert event.endpoint == "embeddings"


@pytest.mark.parametrize("upstream_knows_base64", [True, False])
def test_embeddings_come_in_the_form_asked_for(
    http: httpx.Client, upstream: Upstream, upstream_knows_base64: bool
) -> None:
    upstream.behaviour.tool = not upstream_knows_base64
    body = {"model": NAME, "input": "one", "encoding_format": "base64"}
    assert http.post("/embeddings", json=body).json()["data"][0]["embedding"] == "AAAAPwAAgL4AAAAA"
    body["encoding_format"] = "float"
    assert http.post("/embeddings", json=body).json()["data"][0]["embedding"] == [0.5, -0.25, 0.0]


def test_a_vector_that_is_none_is_an_error_of_ours(http: httpx.Client, upstream: Upstream) -> None:
    for vector in ('["PLANTED-WORDS"]', '"PLANTED-WORDS"', "[]", "null", '"QUJD"'):
        upstream.behaviour.raw = f'{{"data": [{{"index": 0, "embedding": {vector}}}]}}'
        reply = http.post("/embeddings", json={"model": NAME, "input": "one"})
        is_error(reply, 502, "model_error")
        assert "PLANTED" not in reply.text


def test_a_plain_completion_begins_with_the_checkpoints_own_text(
    sdk: openai.OpenAI, upstream: Upstream
) -> None:
    raw = sdk.completions.with_raw_response.create(model=NAME, prompt="Once upon", logprobs=1)
    reply = raw.parse()
    assert reply.choices[0].text == "Hello there!" and reply.model == NAME
    assert reply.id == "cmpl-" + raw.headers["x-request-id"].replace("-", "")
    assert reply.choices[0].logprobs.text_offset is None
    assert upstream.seen[0]["prompt"] == "You are brief.\n\nOnce upon"
    assert upstream.seen[0]["max_tokens"] == 16
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (2, 3)
    event = usage_of(raw.headers["x-request-id"])
    assert (event.tokens_in, event.tokens_in_shown, event.endpoint) == (5, 2, "completions")


@pytest.mark.parametrize("asked", [True, False])
def test_a_streamed_completion_shows_usage_only_when_asked(sdk: openai.OpenAI, asked: bool) -> None:
    extra: dict[str, Any] = {"stream_options": {"include_usage": True}} if asked else {}
    several = ["Once upon", "a time"]
    chunks = list(sdk.completions.create(model=NAME, prompt=several, stream=True, **extra))
    assert "".join(c.choices[0].text for c in chunks if c.choices) == "Hello there!"
    assert [c.usage.prompt_tokens for c in chunks if c.usage] == ([4] if asked else [])
    event = usage_of(chunks[0].id.removeprefix("cmpl-"))
    assert (event.tokens_in, event.tokens_in_shown, event.tokens_out) == (10, 4, 3)


BODIES: list[tuple[str, dict[str, Any]]] = [
    ("/responses", {"model": NAME, "input": "hi there"}),
    ("/completions", {"model": NAME, "prompt": "hi there"}),
    ("/embeddings", {"model": NAME, "input": "hi there"}),
]


def test_an_upstream_without_the_endpoint_is_said(http: httpx.Client, upstream: Upstream) -> None:
    upstream.behaviour.raw = '{"detail": "PLANTED-WORDS"}'
    for status, (path, body) in itertools.product((404, 405, 501), BODIES):
        upstream.behaviour.status = status
        for stream in (False, True):
            extra = {"stream": True} if stream and path != "/embeddings" else {}
            reply = http.post(path, json={**body, **extra})
            is_error(reply, 400, "unsupported_endpoint")
            assert "PLANTED" not in reply.text


def test_a_model_that_an_upstream_lost_is_no_missing_endpoint(
    http: httpx.Client, upstream: Upstream
) -> None:
    upstream.behaviour.status = 404
    upstream.behaviour.raw = '{"error": {"code": "model_not_found"}}'
    for path, body in BODIES:
        is_error(http.post(path, json=body), 502, "model_error")


def test_garbage_from_an_upstream_is_one_of_our_own_errors(
    http: httpx.Client, upstream: Upstream
) -> None:
    for raw in ("PLANTED", "[]", "{}", '{"choices": [1], "output": 3, "data": {}}',
                '{"choices": [{"index": 0}], "output": [], "status": "queued", "data": [1]}',
                '{"status": "failed", "output": [], "error": {"message": "PLANTED"}}'):  # fmt: skip
        upstream.behaviour.raw = raw
        for path, body in BODIES:
            reply = http.post(path, json=body)
            is_error(reply, 502, "model_error")
            assert "PLANTED" not in reply.text


@pytest.mark.parametrize(("path", "body"), BODIES[:2])
def test_a_stream_that_breaks_off_says_so_and_is_metered(
    http: httpx.Client, upstream: Upstream, path: str, body: dict[str, Any]
) -> None:
    for how in ({"die_after": 8}, {"error_after": 8}, {"with_done": False}):
        upstream.behaviour = Behaviour(words=["word "] * 8, **how)
        reply = http.post(path, json={**body, "stream": True})
        assert reply.status_code == 200 and "word " in reply.text
        last = reply.text.rstrip().rsplit("\n\n", 1)[1]
        assert last.startswith("event: error\n") and "stream_interrupted" in last, how
        assert "[DONE]" not in reply.text and "response.completed" not in reply.text, how
        assert "PLANTED" not in reply.text
        event = usage_of(reply.headers["x-request-id"])
        assert event.state == "failed" and event.tokens_out >= 1 and event.problem, how


def test_the_sdk_raises_when_a_response_breaks_off(sdk: openai.OpenAI, upstream: Upstream) -> None:
    upstream.behaviour.error_after = 7
    with pytest.raises(openai.APIError, match="broke off"):
        list(sdk.responses.create(model=NAME, input="hi", stream=True))


def test_a_client_that_leaves_a_response_is_metered_in_part(
    http: httpx.Client, upstream: Upstream
) -> None:
    upstream.behaviour.words = ["word "] * 400
    upstream.behaviour.chunk_delay_s = 0.02
    body = {"model": NAME, "input": "hi", "stream": True}
    with http.stream("POST", "/responses", json=body) as reply:
        request_id, pieces = reply.headers["x-request-id"], reply.iter_bytes()
        while b"word" not in next(pieces):
            pass
    event = usage_of(request_id)
    assert event.state == "client_gone" and 0 < event.tokens_out < 400


def test_embeddings_take_no_hidden_text_or_sampling_along(
    sdk: openai.OpenAI, upstream: Upstream
) -> None:
    assert Checkpoint.objects.get().serving["system_prompt"] == "You are brief."
    sdk.embeddings.create(model=NAME, input="one")
    assert set(upstream.seen[0]) == {"model", "input", "encoding_format"}
    assert upstream.seen[0]["input"] == "one"


def test_an_upstream_that_stalls_is_a_timeout_of_ours(
    config: GatewayConfig, granted: Access, upstream: Upstream
) -> None:
    upstream.behaviour.delay_s = 30
    headers = {"authorization": f"Bearer {granted.key_text}"}
    with running(config, silence_s=0.3) as worker:
        for path, body in (("/chat/completions", chat()), *BODIES):
            for stream in (False, True):
                extra = {"stream": True} if stream and path != "/embeddings" else {}
                url = f"{worker.url}{path}"
                reply = httpx.post(url, json={**body, **extra}, headers=headers, timeout=20)
                is_error(reply, 504, "timeout")
