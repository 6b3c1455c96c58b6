"""Every refusal has OpenAI's shape, names what is wrong, and tells nothing else."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx

from alpha.services import grants
from tests.alpha.builders import ACTOR, Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, wait_for
from tests.alpha.gateway.upstream import Upstream

USER = [{"role": "user", "content": "hi"}]
INVALID: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown field", chat(api_base="http://evil.example"), "api_base"),
    ("no model", {"messages": USER}, "model"),
    ("no messages", {"model": "quasar-alpha"}, "messages"),
    ("empty messages", chat(messages=[]), "messages"),
    ("messages of the wrong type", chat(messages="hi"), "messages"),
    ("a role nobody has", chat(messages=[{"role": "king", "content": "x"}]), "messages[0].role"),
    ("content of the wrong type", chat(messages=[*USER, {"role": "user", "content": 3}]),
     "messages[1].content"),
    ("a temperature as text", chat(temperature="hot"), "temperature"),
    ("a boolean as a number", chat(temperature=True), "temperature"),
    ("a stream as text", chat(stream="yes"), "stream"),
    ("no tokens", chat(max_tokens=0), "max_tokens"),
    ("two limits", chat(max_tokens=5, max_completion_tokens=6), "max_completion_tokens"),
    ("options without a stream", chat(stream_options={"include_usage": True}), "stream_options"),
    ("storing", chat(store=True), "store"),
    ("a model of the wrong type", chat(model=["a"]), "model"),
]  # fmt: skip


def is_error(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert set(reply.json()) == {"error"} and set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code and error["message"] and error["type"]
    assert len(reply.headers["x-request-id"]) == 36
    return error


def test_what_is_wrong_with_a_body_is_named(http: httpx.Client, upstream: Upstream) -> None:
    for name, body, param in INVALID:
        reply = http.post("/chat/completions", json=body)
        assert reply.status_code == 400, name
        assert reply.json()["error"]["param"] == param, name
    assert upstream.seen == []


def test_an_image_is_fetched_from_public_https_only(http: httpx.Client) -> None:
    metadata = "http://169.254.169.254/latest"
    for address in (metadata, "file:///etc/passwd", "HTTP://x.example/a.png", 7, None):
        for value in (address, {"url": address}):
            part = {"type": "image_url", "image_url": value}
            body = chat(messages=[{"role": "user", "content": [part]}])
            error = is_error(http.post("/chat/completions", json=body), 400, "invalid_value")
            assert error["param"] == "messages[0].content[0].image_url"


def test_other_parts_that_an_upstream_would_fetch_are_refused(http: httpx.Client) -> None:
    part = {"type": "video_url", "video_url": {"url": "http://10.0.0.1/"}}
    body = chat(messages=[{"role": "user", "content": [part]}])
    is_error(http.post("/chat/completions", json=body), 400, "invalid_value")


def test_a_body_that_is_no_json_is_refused(http: httpx.Client) -> None:
    for raw in (b"", b"{", b"\xff\xfe", b'{"model": NaN}', b"{" * 3000):
        is_error(http.post("/chat/completions", content=raw), 400, "invalid_json")


def test_a_body_that_is_no_object_is_refused(http: httpx.Client) -> None:
    is_error(http.post("/chat/completions", content=b"[1]"), 400, "invalid_type")


def test_a_body_too_large_is_refused_with_and_without_a_length(
    http: httpx.Client, gateway: Running
) -> None:
    limit = gateway.gateway._config.body_limit_bytes
    is_error(http.post("/chat/completions", content=b"x" * (limit + 1)), 413, "request_too_large")
    pieces = (b"x" * 2**20 for _ in range(limit // 2**20 + 2))
    is_error(http.post("/chat/completions", content=pieces), 413, "request_too_large")


WRONG_KEYS = [
    "",
    "Bearer",
    "Bearer sk-123",
    "Basic abc",
    "Bearer slw_'; DROP TABLE x;--_b",
    "Bearer " + "a" * 8192,
    "Bearer slw_" + "a" * 12 + "_" + "b" * 43,
]


def test_whatever_is_wrong_with_a_key_the_answer_is_one(
    gateway: Running, http: httpx.Client
) -> None:
    plain = httpx.get(f"{gateway.url}/models")
    is_error(plain, 401, "invalid_api_key")
    changed = http.headers["authorization"][:-2] + "__"
    for header in (*WRONG_KEYS, changed):
        reply = httpx.get(f"{gateway.url}/models", headers={"authorization": header})
        assert (reply.status_code, reply.content) == (401, plain.content), header
        assert headers_of(reply) == headers_of(plain)


def test_unknown_paths_and_methods_have_the_shape(http: httpx.Client) -> None:
    is_error(http.get("/nothing/here"), 404, "unknown_url")
    is_error(http.post("/images/generations", json={}), 404, "unknown_url")
    refused = http.get("/chat/completions")
    is_error(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "POST"


def test_an_ungranted_codename_answers_byte_for_byte_as_an_unknown_one(
    http: httpx.Client, granted: Access, gateway: Running
) -> None:
    grants.revoke_grant(actor=ACTOR, grant=granted.grant, reason="the test is about this")
    for ask in (
        lambda name: http.post("/chat/completions", json=chat(model=name)),
        lambda name: http.get(f"/models/{name}"),
    ):
        reply = wait_for(lambda ask=ask: refused(ask("quasar-alpha")), "the revocation is known")
        unknown = ask("zebula-alpha")
        is_error(reply, 404, "model_not_found")
        assert reply.content.replace(b"quasar", b"zebula") == unknown.content
        assert headers_of(reply) == headers_of(unknown)


def refused(reply: httpx.Response) -> httpx.Response | None:
    return reply if reply.status_code == 404 else None


def headers_of(reply: httpx.Response) -> dict[str, str]:
    own = {"x-request-id", "date"}
    return {name: value for name, value in reply.headers.items() if name not in own}


FAILURES = [
    ("an upstream's own error", 500, '{"error": {"message": "PLANTED-WORDS"}}', 502, "model_error"),
    ("an HTML page", 502, "<html>llama.cpp PLANTED-WORDS</html>", 502, "model_error"),
    ("its key is wrong", 401, '{"error": {"code": "bad_key"}}', 502, "model_error"),
    ("its name is unknown", 404, '{"error": {"message": "no model"}}', 502, "model_error"),
    ("it is busy", 429, "PLANTED-WORDS", 503, "model_overloaded"),
    ("it refuses the input", 422, '{"detail": "PLANTED-WORDS"}', 400, "invalid_request"),
    ("the context is full", 400, '{"error": {"code": "context_length_exceeded"}}', 400,
     "context_length_exceeded"),
    ("a redirect", 307, "", 502, "model_error"),
    ("no JSON", 200, "PLANTED-WORDS", 502, "model_error"),
    ("no choices", 200, '{"choices": []}', 502, "model_error"),
]  # fmt: skip


def test_a_failing_upstream_is_one_of_our_own_errors(
    http: httpx.Client, upstream: Upstream
) -> None:
    for name, status, raw, shown, code in FAILURES:
        upstream.behaviour.status, upstream.behaviour.raw = status, raw
        for stream in (False, True):
            reply = http.post("/chat/completions", json=chat(stream=stream))
            assert reply.status_code == shown, (name, reply.text)
            is_error(reply, shown, code)
            assert "PLANTED" not in reply.text


def test_an_upstream_out_of_reach_is_503(http: httpx.Client, upstream: Upstream) -> None:
    upstream.stop()
    reply = http.post("/chat/completions", json=chat())
    is_error(reply, 503, "model_unavailable")
    assert reply.headers["retry-after"] == "2"
