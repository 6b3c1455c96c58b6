"""What a gateway worker is told at its start; nothing in `alpha.gateway` reads settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Objects(Protocol):
    """What transcripts need of the object store."""

    def put(self, key: str, body: bytes) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Addresses, secrets and bounds of one worker; times in seconds."""

    database: str = field(repr=False)
    redis_url: str = field(repr=False)
    journal_dir: Path
    key_pepper: str = field(repr=False)
    unit_secret: bytes = field(repr=False)
    transcript_key: str = field(repr=False)
    object_store: Callable[[], Objects]
    secret_of: Callable[[str], str]

    # Without PostgreSQL the last table is served this long; later every call is 503.
    table_max_age_s: float = 3600.0
    poll_s: float = 5.0
    poll_deaf_s: float = 1.0
    first_load_s: float = 10.0

    body_limit_bytes: int = 20 * 1024 * 1024
    reply_limit_bytes: int = 64 * 1024 * 1024
    body_patience_s: float = 30.0
    connect_s: float = 5.0
    # Longest silence of an upstream, before the first byte too.
    silence_s: float = 120.0
    whole_call_s: float = 900.0

    # Calls with keys that are not valid, by source address: so many at once, then so many a second.
    failed_keys_burst: int = 60
    failed_keys_per_s: float = 1.0
    failed_keys_sources: int = 8192

    # After so many failures in a row a deployment is asked last for so long.
    rest_after: int = 3
    rest_s: float = 10.0

    # Without Valkey each key may make this many more calls per worker until it is back.
    local_allowance: int = 30
    valkey_patience_s: float = 1.0
    lease_s: int = 45

    # Who may read `/metrics`: "" for nobody.
    metrics_token: str = field(default="", repr=False)

    ship_every_s: float = 0.1
    rescue_every_s: float = 2.0
    segment_bytes: int = 16 * 1024 * 1024
    transcript_queue: int = 500
