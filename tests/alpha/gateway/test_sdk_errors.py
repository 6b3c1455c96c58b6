"""Refusals as the stock SDK raises them: typed, and sent again only where that can help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from infra import clock
from releases.models import Price, Release
from tests.alpha.builders import Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, wait_for
from tests.alpha.gateway.test_limits import limit
from tests.alpha.gateway.test_sdk_javascript import state_of
from tests.alpha.gateway.upstream import Upstream

NAME = "quasar-alpha"
CALLS: list[Callable[[openai.OpenAI], Any]] = [
    lambda sdk: sdk.chat.completions.create(**chat(max_tokens=3)),
    lambda sdk: sdk.chat.completions.create(**chat(max_tokens=3, stream=True)),
    lambda sdk: sdk.responses.create(model=NAME, input="hi", max_output_tokens=30),
    lambda sdk: sdk.responses.create(model=NAME, input="hi", max_output_tokens=30, stream=True),
    lambda sdk: sdk.completions.create(model=NAME, prompt="hi"),
    lambda sdk: sdk.embeddings.create(model=NAME, input="hi"),
]


@contextmanager
def patient(gateway: Running, key: str) -> Iterator[tuple[openai.OpenAI, list[str]]]:
    """The SDK with its usual retries, and the paths of the requests that it sent."""
    sent: list[str] = []
    hooks = {"request": [lambda request: sent.append(request.url.path)]}
    with openai.DefaultHttpxClient(event_hooks=hooks) as http:
        yield openai.OpenAI(base_url=gateway.url, api_key=key, http_client=http), sent


def test_a_wrong_key_and_an_unknown_codename_are_never_sent_again(
    gateway: Running, granted: Access, upstream: Upstream
) -> None:
    with patient(gateway, granted.key_text[:-4] + "aaaa") as (sdk, sent):
        for call in CALLS:
            with pytest.raises(openai.AuthenticationError):
                call(sdk)
        assert len(sent) == len(CALLS)
    with patient(gateway, granted.key_text) as (sdk, sent):
        for create in (sdk.responses.create, sdk.embeddings.create):
            with pytest.raises(openai.NotFoundError) as caught:
                create(model="nebula-beta", input="hi")
            assert caught.value.code == "model_not_found" and caught.value.param == "model"
        assert len(sent) == 2
    assert upstream.seen == []


def test_a_spent_budget_is_a_status_error_that_is_never_sent_again(
    gateway: Running, granted: Access, upstream: Upstream
) -> None:
    # A micro a token, in or out: vectors cost what they read.
    Price.objects.create(
        checkpoint=granted.checkpoint,
        currency="USD",
        input_micros_per_million=1_000_000,
        cached_input_micros_per_million=1_000_000,
        output_micros_per_million=1_000_000,
        effective_at=clock.now(),
    )
    wait_for(lambda: price_in(gateway, granted) == 1_000_000, "the price is known")
    limit(granted, gateway, budget_micros=1)
    with patient(gateway, granted.key_text) as (sdk, sent):
        for call in CALLS:
            with pytest.raises(openai.APIStatusError) as caught:
                call(sdk)
            assert caught.value.status_code == 402
            assert caught.value.code == "insufficient_quota"
        assert len(sent) == len(CALLS)
    assert upstream.seen == []


def test_a_rate_is_a_rate_limit_error_that_says_when(
    gateway: Running, granted: Access, sdk: openai.OpenAI
) -> None:
    limit(granted, gateway, requests_per_minute=1)
    CALLS[0](sdk)
    for call in CALLS:
        with pytest.raises(openai.RateLimitError) as caught:
            call(sdk)
        headers = caught.value.response.headers
        assert caught.value.code == "rate_limit_exceeded" and int(headers["retry-after"]) >= 1
        assert headers["x-ratelimit-remaining-requests"] == "0"


def test_a_halt_is_an_internal_server_error_that_says_when(
    gateway: Running, granted: Access, sdk: openai.OpenAI
) -> None:
    Release.objects.update(state="halted")
    wait_for(lambda: state_of(gateway, granted) == "halted", "the halt is known")
    for call in CALLS:
        with pytest.raises(openai.InternalServerError) as caught:
            call(sdk)
        assert caught.value.status_code == 503 and caught.value.code == "release_halted"
        assert int(caught.value.response.headers["retry-after"]) >= 1


def test_a_short_outage_of_the_upstream_is_outlasted_by_the_sdk(
    gateway: Running, granted: Access, upstream: Upstream
) -> None:
    upstream.behaviour.status, upstream.behaviour.raw = 503, "PLANTED-WORDS"

    def heal(_: object) -> None:
        upstream.behaviour.raw = None

    with patient(gateway, granted.key_text) as (sdk, sent):
        sdk._client.event_hooks = {**sdk._client.event_hooks, "response": [heal]}
        assert sdk.responses.create(model=NAME, input="hi").output_text == "Hello there!"
        assert len(sent) == 2


def price_in(gateway: Running, granted: Access) -> int:
    table = gateway.parts.tables.table
    assert table is not None
    entry = table.releases[granted.stage.pk, granted.checkpoint.size][0].checkpoint.prices
    return entry[0].input if entry else 0
