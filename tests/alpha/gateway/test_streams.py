"""Streams that end badly: told to the client, metered, and closed on the other side."""

from __future__ import annotations

import logging
import socket
import time

import httpx2 as httpx
import openai
import pytest

from alpha.models import UsageEvent
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, usage_of, wait_for
from tests.alpha.gateway.upstream import Upstream

log = logging.getLogger(__name__)


@pytest.mark.parametrize("how", ["dies", "ends without [DONE]", "sends an error"])
def test_a_stream_that_breaks_off_says_so(
    http: httpx.Client, sdk: openai.OpenAI, upstream: Upstream, how: str
) -> None:
    upstream.behaviour.die_after = 2 if how == "dies" else None
    upstream.behaviour.error_after = 2 if how == "sends an error" else None
    upstream.behaviour.with_done = how != "ends without [DONE]"
    reply = http.post("/chat/completions", json=chat(stream=True))
    assert reply.status_code == 200
    assert reply.text.endswith("}}\n\n") and "[DONE]" not in reply.text
    assert '\n\nevent: error\ndata: {"error":{' in reply.text
    event = usage_of(reply.headers["x-request-id"])
    assert event.state == "failed" and event.tokens_out >= 1 and event.problem
    with pytest.raises(openai.APIError, match="broke off"):
        list(sdk.chat.completions.create(**chat(stream=True)))


STREAMED = {
    "chat/completions": chat(stream=True),
    "completions": {"model": "quasar-alpha", "prompt": "Say hello", "stream": True},
    "responses": {"model": "quasar-alpha", "input": "Say hello", "stream": True},
}


def leave_after(http: httpx.Client, upstream: Upstream, path: str, n_words: int) -> float:
    """Seconds from the client's leaving until the upstream was closed; the usage is partial."""
    upstream.left_at = None
    upstream.behaviour.words = ["word "] * 400
    upstream.behaviour.chunk_delay_s = 0.02
    with http.stream("POST", f"/{path}", json=STREAMED[path]) as reply:
        request_id, pieces, seen = reply.headers["x-request-id"], reply.iter_bytes(), 0
        while seen < n_words:
            seen += next(pieces).count(b"word")
        left_at = time.monotonic()
    closed_at = wait_for(lambda: upstream.left_at, "the upstream saw the client leave")
    wait_for(lambda: upstream.n_streaming == 0, "the upstream's stream is over")
    event = usage_of(request_id)
    assert (event.state, event.endpoint) == ("client_gone", path)
    assert n_words <= event.tokens_out < 400 and event.tokens_in_shown > 0
    return closed_at - left_at


@pytest.mark.parametrize("path", STREAMED)
def test_a_client_that_leaves_closes_the_upstream(
    http: httpx.Client, upstream: Upstream, path: str
) -> None:
    assert leave_after(http, upstream, path, 3) < 4


@pytest.mark.long
@pytest.mark.parametrize("path", STREAMED)
def test_a_client_that_leaves_closes_the_upstream_within_250_ms(
    http: httpx.Client, upstream: Upstream, path: str
) -> None:
    took = [leave_after(http, upstream, path, n_words) for n_words in (1, 2, 7, 20, 50)]
    log.warning("%s: upstream closed after %s ms", path, [round(s * 1000) for s in took])
    assert max(took) < 0.25, took


def test_a_client_that_leaves_before_the_answer_is_metered_too(
    http: httpx.Client, upstream: Upstream, gateway: Running
) -> None:
    upstream.behaviour.delay_s = 5
    with pytest.raises(httpx.ReadTimeout):
        http.post("/chat/completions", json=chat(), timeout=0.3)
    event = wait_for(UsageEvent.objects.first, "the usage event landed")
    assert event.state == "client_gone" and event.tokens_out == 0


def test_chunks_are_not_held_back(http: httpx.Client, upstream: Upstream) -> None:
    upstream.behaviour.chunk_delay_s = 0.15
    with http.stream("POST", "/chat/completions", json=chat(stream=True)) as reply:
        arrivals = [time.monotonic() for _ in reply.iter_raw()]
    gaps = [later - earlier for earlier, later in zip(arrivals, arrivals[1:], strict=False)]
    assert len([gap for gap in gaps if gap > 0.1]) >= 3


def test_a_stream_without_counts_is_estimated_and_says_so(
    http: httpx.Client, upstream: Upstream
) -> None:
    upstream.behaviour.with_usage = False
    body = chat(stream=True, stream_options={"include_usage": True})
    reply = http.post("/chat/completions", json=body)
    assert '"choices":[],"system_fingerprint":null,"usage":null}' in reply.text
    event = usage_of(reply.headers["x-request-id"])
    assert event.state == "succeeded" and event.tokens_out == 3 and "estimated" in event.problem


def test_small_pieces_are_sent_at_once_on_both_sides(
    http: httpx.Client, upstream: Upstream, gateway: Running
) -> None:
    assert http.post("/chat/completions", json=chat()).status_code == 200
    sides = {
        "upstream": [held._transport for held in gateway.parts.upstreams.pool._open],
        "client": [held.transport for held in gateway._server.server_state.connections],
    }
    for side, transports in sides.items():
        assert transports, f"no connection to look at on the side of the {side}"
        for transport in transports:
            option = transport.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY
            )
            assert option, f"the {side}'s side waits for more to send"
