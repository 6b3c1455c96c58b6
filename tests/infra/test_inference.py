"""The clients of OpenAI-compatible upstreams: what they return, retry, and give up on, alike."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from infra.inference import (
    ChatClient,
    Completion,
    CompletionFailed,
    Ending,
    FastClient,
    RetryPolicy,
    chat_client,
    retries,
    retry_after_s,
)
from infra.inference.sdk import OpenAIClient
from tests.evals.upstream import Reply, Upstream, completion, failure

QUICK = RetryPolicy(most_calls=3, first_wait_s=0.01, longest_wait_s=0.02, within_s=5)
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "grammar": "root ::= x"}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(params=[FastClient, OpenAIClient])
def kind(request: pytest.FixtureRequest) -> Any:
    """Either client: every test that asks for it holds both to the same answers."""
    return request.param


def complete(kind: Any, base_url: str, body: Any = BODY, **options: Any) -> Completion:
    async def call() -> Completion:
        client: ChatClient = kind(base_url=base_url, **{"retry": QUICK, **options})
        try:
            return await client.complete(body)
        finally:
            await client.close()

    return asyncio.run(call())


def refused(kind: Any, base_url: str, **options: Any) -> CompletionFailed:
    with pytest.raises(CompletionFailed) as refusal:
        complete(kind, base_url, **options)
    return refusal.value


@contextmanager
def answering(raw: bytes) -> Iterator[str]:
    """The URL of a server that reads a little, sends those bytes and hangs up, each time."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                peer.sendall(raw)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_an_answer_has_text_tokens_and_latency(kind: Any, upstream: Upstream) -> None:
    found = complete(kind, upstream.base_url)
    assert (found.text, found.finish_reason, found.n_calls) == ("hi", "stop", 1)
    assert (found.tokens_in, found.tokens_out, found.tokens_cached) == (20, 4, None)
    assert found.latency_ms > 0
    assert upstream.bodies == [BODY]


def test_tool_calls_and_refusals_are_kept(kind: Any, upstream: Upstream) -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    upstream.rules.append(lambda text, n: completion(None, "tool_calls", tool_calls=calls))
    assert complete(kind, upstream.base_url).tool_calls == tuple(calls)
    upstream.rules[:] = [lambda text, n: completion(None, refusal="No.")]
    found = complete(kind, upstream.base_url)
    assert (found.text, found.finish_reason) == ("No.", "refusal")


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
def test_passing_failures_are_called_again_up_to_the_bound(
    kind: Any, upstream: Upstream, status: int
) -> None:
    upstream.rules.append(lambda text, n: failure(status))
    found = refused(kind, upstream.base_url)
    assert (found.code, found.n_calls, found.retryable) == (f"upstream_{status}", 3, True)
    assert upstream.n_calls == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_final_failures_are_called_once(kind: Any, upstream: Upstream, status: int) -> None:
    upstream.rules.append(lambda text, n: failure(status))
    found = refused(kind, upstream.base_url)
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
def test_a_malformed_answer_is_called_again_and_then_named(
    kind: Any, upstream: Upstream, body: bytes
) -> None:
    reply = Reply(body=body, headers={"Content-Type": "application/json"})
    upstream.rules.append(lambda text, n: reply if n < 3 else None)
    assert complete(kind, upstream.base_url).n_calls == 3
    upstream.rules[:] = [lambda text, n: reply]
    assert refused(kind, upstream.base_url).code == "upstream_malformed"


def test_a_slow_answer_and_a_closed_port_are_named(kind: Any, upstream: Upstream) -> None:
    once = RetryPolicy(most_calls=1)
    upstream.delay_s = 1
    assert refused(kind, upstream.base_url, timeout_s=0.1, retry=once).code == "upstream_timeout"
    assert refused(kind, "http://127.0.0.1:9/v1", retry=once).code == "upstream_unreachable"


@contextmanager
def never_accepting() -> Iterator[str]:
    """The URL of a listener whose queue is full: connections to it are begun and never made."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for peer in waiting:
            peer.setblocking(False)
            peer.connect_ex(listener.getsockname())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            for peer in waiting:
                peer.close()


def test_an_upstream_that_takes_no_connection_was_not_reached(kind: Any) -> None:
    once = RetryPolicy(most_calls=1)
    with never_accepting() as base_url:
        failed = refused(kind, base_url, timeout_s=0.6, retry=once)
    assert failed.code == "upstream_unreachable"


def test_a_slow_answer_is_not_asked_for_again_when_that_is_wanted(
    kind: Any, upstream: Upstream
) -> None:
    upstream.delay_s = 1.5
    policy = RetryPolicy(most_calls=5, first_wait_s=0.01, again_after_timeout=False)
    failed = refused(kind, upstream.base_url, timeout_s=1.0, retry=policy)
    assert (failed.code, failed.n_calls, upstream.n_calls) == ("upstream_timeout", 1, 1)


def test_retry_after_is_waited_for(kind: Any, upstream: Upstream) -> None:
    upstream.rules.append(lambda text, n: failure(429, Retry_After="0.4") if n == 1 else None)
    began = datetime.now(UTC)
    assert complete(kind, upstream.base_url).n_calls == 2
    assert datetime.now(UTC) - began >= timedelta(seconds=0.4)


def test_throttled_calls_are_outlasted_while_the_upstream_answers_others(
    kind: Any, upstream: Upstream
) -> None:
    policy = replace(QUICK, outlasts_throttling=True)
    busy = failure(429, Retry_After="0.01")
    upstream.rules.append(lambda text, n: busy if n <= 3 * QUICK.most_calls else None)
    found = complete(kind, upstream.base_url, retry=policy)
    assert found.n_calls == upstream.n_calls == 3 * QUICK.most_calls + 1


def test_an_upstream_that_answers_nobody_is_closed(
    kind: Any, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "LONGEST_SILENCE_S", 0.3)
    policy = replace(QUICK, outlasts_throttling=True)
    upstream.rules.append(lambda text, n: failure(429, Retry_After="0.1"))
    found = refused(kind, upstream.base_url, retry=policy)
    assert (found.code, 3 <= found.n_calls <= 6) == ("upstream_429", True)


@pytest.mark.parametrize("patient", [True, False])
def test_money_that_is_spent_does_not_come_back_by_waiting(
    kind: Any, upstream: Upstream, patient: bool
) -> None:
    body = b'{"error": {"code": "insufficient_quota", "message": "You exceeded your quota."}}'
    upstream.rules.append(lambda text, n: Reply(status=429, body=body.replace(b": ", b":")))
    policy = replace(QUICK, outlasts_throttling=patient)
    assert refused(kind, upstream.base_url, retry=policy).n_calls == 1


def test_a_wait_longer_than_the_bound_is_not_begun(kind: Any, upstream: Upstream) -> None:
    upstream.rules.append(lambda text, n: failure(429, Retry_After="3600"))
    assert refused(kind, upstream.base_url).n_calls == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
def test_a_broken_connection_is_called_again_and_then_named(kind: Any, raw: bytes) -> None:
    with answering(raw) as base_url:
        found = refused(kind, base_url)
    assert (found.code, found.n_calls, found.retryable) == ("upstream_unreachable", 3, True)


@pytest.mark.parametrize(
    ("status", "asked", "n_calls"), [(400, "true", 3), (429, "false", 1), (500, "false", 1)]
)
def test_the_upstreams_own_word_on_calling_again_is_taken(
    kind: Any, upstream: Upstream, status: int, asked: str, n_calls: int
) -> None:
    upstream.rules.append(lambda text, n: failure(status, x_should_retry=asked))
    assert refused(kind, upstream.base_url).n_calls == n_calls


@pytest.mark.parametrize("status", [429, 500])
def test_one_call_alone_when_no_retry_is_wanted(kind: Any, upstream: Upstream, status: int) -> None:
    upstream.rules.append(lambda text, n: failure(status, Retry_After="0"))
    found = refused(kind, upstream.base_url, retry=RetryPolicy(most_calls=1))
    assert (found.n_calls, upstream.n_calls) == (1, 1)


@pytest.mark.parametrize("text", ["", "é 漢 🙂", "half \ud800 pair", "a\x00b", "w" * 2_000_000])
def test_any_text_comes_back_as_it_was_sent(kind: Any, upstream: Upstream, text: str) -> None:
    upstream.rules.append(lambda _, n: completion(text))
    assert complete(kind, upstream.base_url).text == text


def test_the_key_goes_out_as_a_bearer_token(kind: Any, upstream: Upstream) -> None:
    complete(kind, upstream.base_url, secret="s3cret")
    assert upstream.headers[-1]["authorization"] == "Bearer s3cret"


class Recorded:
    """A pace that lets everything pass and keeps what it was told."""

    def __init__(self) -> None:
        self.endings: list[tuple[Ending, float | None]] = []
        self.n_inside = self.n_entered = 0

    async def enter(self) -> int:
        self.n_inside += 1
        self.n_entered += 1
        return self.n_entered

    def leave(self, place: int, ending: Ending, retry_after_s: float | None) -> None:
        self.n_inside -= 1
        self.endings.append((ending, retry_after_s))

    def silent_s(self) -> float:
        return 0.0


def test_the_pace_hears_how_every_call_ended(kind: Any, upstream: Upstream) -> None:
    replies = [failure(429, Retry_After="0.01"), failure(500), None]
    upstream.rules.append(lambda text, n: replies[n - 1])
    pace = Recorded()
    complete(kind, upstream.base_url, pace=pace)
    said = [(Ending.THROTTLED, 0.01), (Ending.FAILED, None), (Ending.ANSWERED, None)]
    assert (pace.endings, pace.n_inside) == (said, 0)


def test_a_proxy_in_the_environment_is_left_to_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    assert isinstance(chat_client(base_url="https://api.example.org/v1"), FastClient)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert isinstance(chat_client(base_url="https://api.example.org/v1"), OpenAIClient)
    assert isinstance(chat_client(base_url="https://127.0.0.1/v1"), FastClient)


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
