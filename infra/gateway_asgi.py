"""The gateway alone, without Django's admin, SciPy or Celery in the process."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "infra.settings")

from django.conf import settings
from psycopg.conninfo import make_conninfo

from alpha.gateway.app import ROOT, Gateway, run_lifespan
from alpha.gateway.config import GatewayConfig, Objects
from alpha.gateway.metrics import PATH as METRICS
from infra import secrets_by_reference

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def gateway_config() -> GatewayConfig:
    """The worker's configuration from the settings."""
    database = settings.DATABASES["default"]
    return GatewayConfig(
        database=make_conninfo(
            dbname=database["NAME"],
            user=database["USER"],
            password=database["PASSWORD"],
            host=database["HOST"],
            port=database["PORT"],
            **database["OPTIONS"],
        ),
        redis_url=settings.REDIS_URL,
        journal_dir=Path(settings.STATE_DIR) / "journal",
        key_pepper=settings.KEY_PEPPER,
        # Units must be the same on every worker and after every restart.
        unit_secret=hashlib.sha256(f"unit {settings.KEY_PEPPER}".encode()).digest(),
        transcript_key=settings.TRANSCRIPT_KEY,
        object_store=_store,
        secret_of=secrets_by_reference.resolve,
        metrics_token=settings.METRICS_TOKEN,
    )


def _store() -> Objects:
    # Loads boto3, which takes long and is needed only where partners consent to transcripts.
    from infra.storage import object_store

    return object_store()


@cache
def gateway() -> Gateway:
    """The one gateway of this process."""
    return Gateway(gateway_config())


def is_gateway_path(path: str) -> bool:
    """Whether the gateway answers that path."""
    return path == ROOT or path.startswith(f"{ROOT}/") or path == METRICS


# Objects made and not yet freed before the youngest are looked through; then how many times that
# is done before older ones are.
COLLECT_AFTER = (20_000, 20, 20)


def spare_collections() -> None:
    """What the start has made is there for good: calls need not look through it for garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI: every path is the gateway's."""
    if scope["type"] == "lifespan":
        await run_lifespan(gateway(), receive, _sparing(send))
    elif scope["type"] == "http":
        await gateway()(scope, receive, send)
    else:
        raise NotImplementedError(f"the gateway speaks no {scope['type']}")


def _sparing(send: Send) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "lifespan.startup.complete":
            spare_collections()
        await send(message)

    return sent
