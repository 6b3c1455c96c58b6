"""The client of OpenAI-compatible upstreams: what it returns, retries, and gives up on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from infra.inference import Completion, CompletionFailed, OpenAIClient, RetryPolicy, retry_after_s
from tests.evals.upstream import Reply, Upstream, completion, failure

QUICK = RetryPolicy(most_calls=3, first_wait_s=0.01, longest_wait_s=0.02, within_s=5)
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "grammar": "root ::= x"}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def complete(base_url: str, **options: Any) -> Completion:
    async def call() -> Completion:
        client = OpenAIClient(base_url=base_url, **{"retry": QUICK, **options})
        try:
            return await client.complete(BODY)
        finally:
            await client.close()

    return asyncio.run(call())


def refused(base_url: str, **options: Any) -> CompletionFailed:
    with pytest.raises(CompletionFailed) as refusal:
        complete(base_url, **options)
    return refusal.value


def test_an_answer_has_text_tokens_and_latency(upstream: Upstream) -> None:
    found = complete(upstream.base_url)
    assert (found.text, found.finish_reason, found.n_calls) == ("hi", "stop", 1)
    assert (found.tokens_in, found.tokens_out, found.tokens_cached) == (20, 4, None)
    assert found.latency_ms > 0
    assert upstream.bodies == [BODY]


def test_tool_calls_and_refusals_are_kept(upstream: Upstream) -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    upstream.rules.append(lambda text, n: completion(None, "tool_calls", tool_calls=calls))
    assert complete(upstream.base_url).tool_calls == tuple(calls)
    upstream.rules[:] = [lambda text, n: completion(None, refusal="No.")]
    found = complete(upstream.base_url)
    assert (found.text, found.finish_reason) == ("No.", "refusal")


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
def test_passing_failures_are_called_again_up_to_the_bound(upstream: Upstream, status: int) -> None:
    upstream.rules.append(lambda text, n: failure(status))
    found = refused(upstream.base_url)
    assert (found.code, found.n_calls, found.retryable) == (f"upstream_{status}", 3, True)
    assert upstream.n_calls == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_final_failures_are_called_once(upstream: Upstream, status: int) -> None:
    upstream.rules.append(lambda text, n: failure(status))
    found = refused(upstream.base_url)
    assert (found.code, found.n_calls) == (f"upstream_{status}", 1)
    assert f"told to answer {status}" in found.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"choices": []}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": "many"}}',
        b"[" * 100_000,
    ],
)
def test_a_malformed_answer_is_called_again_and_then_named(upstream: Upstream, body: bytes) -> None:
    reply = Reply(body=body, headers={"Content-Type": "application/json"})
    upstream.rules.append(lambda text, n: reply if n < 3 else None)
    assert complete(upstream.base_url).n_calls == 3
    upstream.rules[:] = [lambda text, n: reply]
    assert refused(upstream.base_url).code == "upstream_malformed"


def test_a_slow_answer_and_a_closed_port_are_named(upstream: Upstream) -> None:
    once = RetryPolicy(most_calls=1)
    upstream.delay_s = 1
    assert refused(upstream.base_url, timeout_s=0.1, retry=once).code == "upstream_timeout"
    assert refused("http://127.0.0.1:9/v1", retry=once).code == "upstream_unreachable"


def test_retry_after_is_waited_for(upstream: Upstream) -> None:
    upstream.rules.append(lambda text, n: failure(429, Retry_After="0.4") if n == 1 else None)
    began = datetime.now(UTC)
    assert complete(upstream.base_url).n_calls == 2
    assert datetime.now(UTC) - began >= timedelta(seconds=0.4)


def test_a_wait_longer_than_the_bound_is_not_begun(upstream: Upstream) -> None:
    upstream.rules.append(lambda text, n: failure(429, Retry_After="3600"))
    assert refused(upstream.base_url).n_calls == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "-2"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    found = retry_after_s({"retry-after": later})
    assert found is not None
    assert 28 <= found <= 30
