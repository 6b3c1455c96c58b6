"""One server for both: `/v1` is the gateway's, the rest is Django's."""

from __future__ import annotations

import asyncio
from typing import Any

from infra import gateway_asgi
from infra.asgi import application


def answered(path: str, method: str = "GET") -> tuple[int, dict[bytes, bytes]]:
    """Status and headers of an answer without a lifespan: the gateway is not open."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }

    body = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(application(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"])


def test_v1_is_the_gateways() -> None:
    for path in ("/v1", "/v1/models", "/v1/anything"):
        status, headers = answered(path)
        # Not open yet, so not ready: in the gateway's own words.
        assert status == 503 and b"x-request-id" in headers


def test_the_rest_is_djangos() -> None:
    for path in ("/v1beta", "/static/none.css", "/v2/models"):
        status, headers = answered(path)
        assert status == 404 and b"x-request-id" not in headers


def test_the_gateways_paths_are_its_own() -> None:
    assert gateway_asgi.is_gateway_path("/v1/") and not gateway_asgi.is_gateway_path("/api/v1/")
