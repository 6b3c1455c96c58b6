"""What an upstream is asked to know it again, over real HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.errors import UpstreamError
from infra.identity_probe import LEAST, PROMPTS, probe
from tests.releases.upstream import Upstream, running

MODEL = "smollm2-135m-instruct"


class Likely(Upstream):
    """Tells how likely each token was."""

    def answer(self, path: str, key: str, body: Any) -> tuple[int, bytes]:
        status, content = super().answer(path, key, body)
        if body is None or not body.get("logprobs"):
            return status, content
        told = json.loads(content)
        top = [
            {"token": "Blue", "logprob": -0.5},
            {"token": "Red", "logprob": float("-inf")},
        ]
        told["choices"][0]["logprobs"] = {"content": [{"token": "Blue", "top_logprobs": top}]}
        return status, json.dumps(told).encode()


class Strict(Upstream):
    """Refuses what it does not know, as some servers do."""

    def answer(self, path: str, key: str, body: Any) -> tuple[int, bytes]:
        if body and "logprobs" in body:
            self.seen.append((path, key, body))
            return 400, b'{"error": {"message": "unknown field logprobs"}}'
        return super().answer(path, key, body)


def test_likelihoods_are_kept_beside_each_reply() -> None:
    with running(Likely()) as upstream:
        known = probe(base_url=upstream.base_url, upstream_model=MODEL).as_json()
    assert known["texts"] == ["Blue"] * len(PROMPTS)
    assert known["tokens"] == [[{"token": "Blue", "top": {"Blue": -0.5, "Red": LEAST}}]] * 3
    json.dumps(known, allow_nan=False)


def test_a_server_that_refuses_the_question_is_asked_without_it() -> None:
    with running(Strict()) as upstream:
        known = probe(base_url=upstream.base_url, upstream_model=MODEL)
        assert len(upstream.seen) == 1 + 1 + len(PROMPTS)
        assert known.texts == ("Blue",) * 3 and [*known.tokens] == [[]] * 3
        assert all("logprobs" not in asked for asked in known.requests)
        upstream.seen.clear()
        again = probe(base_url=upstream.base_url, upstream_model=MODEL, requests=known.requests)
        assert again.texts == known.texts and len(upstream.seen) == 1 + len(PROMPTS)


def test_one_that_refuses_everything_is_named_once() -> None:
    class Closed(Upstream):
        def answer(self, path: str, key: str, body: Any) -> tuple[int, bytes]:
            return (400, b"no") if body else super().answer(path, key, body)

    with running(Closed()) as upstream, pytest.raises(UpstreamError, match="answered 400: no"):
        probe(base_url=upstream.base_url, upstream_model=MODEL)
