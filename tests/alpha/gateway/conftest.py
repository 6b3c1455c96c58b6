"""A gateway over real HTTP, before a real upstream, with a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai
import pytest

from alpha.gateway.config import GatewayConfig
from infra.gateway_asgi import gateway_config
from tests.alpha.builders import Access, access
from tests.alpha.gateway.server import Running, running
from tests.alpha.gateway.upstream import Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def config(committed_db: str, valkey: str, tmp_path: Path, settings: Any) -> GatewayConfig:
    settings.STATE_DIR = tmp_path
    settings.REDIS_URL = valkey
    # Patient: one process runs everything here, on a machine that others use.
    return replace(gateway_config(), valkey_patience_s=10.0)


@pytest.fixture
def granted(config: GatewayConfig, upstream: Upstream) -> Access:
    """A partner with a grant to a stage where a checkpoint is live."""
    return access(upstream.url)


@pytest.fixture
def gateway(config: GatewayConfig, granted: Access) -> Iterator[Running]:
    with running(config) as server:
        yield server


@pytest.fixture
def http(gateway: Running, granted: Access) -> Iterator[httpx.Client]:
    """A client with the partner's key."""
    headers = {"authorization": f"Bearer {granted.key_text}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=20) as client:
        yield client


@pytest.fixture
def sdk(gateway: Running, granted: Access) -> Iterator[openai.OpenAI]:
    """The stock SDK, which may not retry: each refusal is looked at."""
    with openai.OpenAI(base_url=gateway.url, api_key=granted.key_text, max_retries=0) as client:
        yield client


def chat(**fields: Any) -> dict[str, Any]:
    """A chat body with boring content."""
    messages = [{"role": "user", "content": "Say hello to me"}]
    return {"model": "quasar-alpha", "messages": messages, **fields}
