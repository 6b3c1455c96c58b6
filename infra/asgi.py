"""The ASGI application: `/v1` is the gateway's, the rest is Django's console and management API."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "infra.settings")

from django.core.asgi import get_asgi_application

from infra import gateway_asgi
from infra.body_limit import with_body_limit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

django = with_body_limit(get_asgi_application())


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI: the gateway lives and dies with the server, whoever else is served by it."""
    if scope["type"] == "lifespan" or gateway_asgi.is_gateway_path(scope.get("path", "")):
        await gateway_asgi.application(scope, receive, send)
    else:
        await django(scope, receive, send)
