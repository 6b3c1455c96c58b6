"""The stock OpenAI SDK against the gateway."""

from __future__ import annotations

import openai
import pytest

from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, usage_of
from tests.alpha.gateway.upstream import Upstream


def test_models_lists_the_codename_alone(sdk: openai.OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["quasar-alpha"]
    assert sdk.models.retrieve("quasar-alpha").owned_by == "slipway"


def test_a_completion_carries_the_codename_and_our_id(
    sdk: openai.OpenAI, granted: Access, upstream: Upstream
) -> None:
    raw = sdk.chat.completions.with_raw_response.create(**chat())
    reply, request_id = raw.parse(), raw.headers["x-request-id"]
    assert reply.choices[0].message.content == "Hello there!"
    assert reply.model == "quasar-alpha" and reply.system_fingerprint is None
    assert reply.id == "chatcmpl-" + request_id.replace("-", "")
    assert upstream.seen[0]["messages"][0] == {"role": "system", "content": "You are brief."}
    assert upstream.seen[0]["temperature"] == 0 and upstream.seen[0]["seed"] == 7
    event = usage_of(request_id)
    assert event.release_id == granted.release.pk and event.checkpoint_id == granted.checkpoint.pk
    assert event.state == "succeeded" and event.key_id == granted.key.pk


def test_the_hidden_prompt_is_not_in_the_counts_shown(sdk: openai.OpenAI) -> None:
    raw = sdk.chat.completions.with_raw_response.create(**chat())
    usage = raw.parse().usage
    assert usage is not None
    # Four words and a frame of four; the hidden prompt has three words and its own frame.
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (8, 3, 11)
    event = usage_of(raw.headers["x-request-id"])
    assert (event.tokens_in, event.tokens_in_shown, event.tokens_out) == (15, 8, 3)


@pytest.mark.parametrize("asked", [True, False])
def test_a_stream_shows_usage_only_when_asked_and_is_metered_anyway(
    sdk: openai.OpenAI, asked: bool
) -> None:
    extra = {"stream_options": {"include_usage": True}} if asked else {}
    chunks = list(sdk.chat.completions.create(**chat(stream=True, **extra)))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "Hello there!"
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.model for chunk in chunks} == {"quasar-alpha"}
    counts = [chunk.usage.prompt_tokens for chunk in chunks if chunk.usage]
    assert counts == ([8] if asked else [])
    identifier = chunks[0].id.removeprefix("chatcmpl-")
    event = usage_of(identifier)
    assert (event.tokens_in, event.tokens_in_shown, event.tokens_out) == (15, 8, 3)
    assert event.streamed and event.first_token_ms is not None


def test_a_wrong_key_raises_authentication_error(gateway: Running, granted: Access) -> None:
    wrong = granted.key_text[:-1] + ("a" if granted.key_text[-1] != "a" else "b")
    with openai.OpenAI(base_url=gateway.url, api_key=wrong) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.models.list()
    assert caught.value.code == "invalid_api_key"


def test_an_unknown_codename_raises_not_found(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.chat.completions.create(**chat(model="nebula-beta"))
    assert caught.value.code == "model_not_found" and caught.value.param == "model"


def test_tools_come_through_under_our_own_call_ids(sdk: openai.OpenAI, upstream: Upstream) -> None:
    upstream.behaviour.tool = True
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    reply = sdk.chat.completions.create(**chat(tools=[tool]))
    call = reply.choices[0].message.tool_calls[0]
    assert call.function.name == "look" and call.function.arguments == '{"at": "it"}'
    assert call.id.startswith("call_") and "upstream" not in call.id
    assert reply.choices[0].finish_reason == "tool_calls"
    assert upstream.seen[-1]["tools"] == [tool]


def test_feedback_is_bound_to_the_call(sdk: openai.OpenAI, granted: Access) -> None:
    reply = sdk.chat.completions.create(**chat())
    body = {"request_id": reply.id, "thumbs_up": False, "comment": "odd"}
    kept = sdk.post("/feedback", body=body, cast_to=dict[str, object])
    assert kept["object"] == "feedback" and kept["state"] == "new"
    again = sdk.get(f"/feedback/{kept['id']}", cast_to=dict[str, object])
    assert again == kept
