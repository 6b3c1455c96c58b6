"""PostgreSQL and Valkey from their wheels, under the state folder; used when no URL is set."""

from infra.embedded.errors import EmbeddedError
from infra.embedded.paths import socket_dir, state_dir
from infra.embedded.postgres import (
    database_url,
    postgres_is_running,
    start_postgres,
    stop_postgres,
)
from infra.embedded.valkey import (
    broker_url,
    redis_url,
    start_valkey,
    stop_valkey,
    valkey_is_running,
)
from infra.embedded.vault import secret

__all__ = [
    "EmbeddedError",
    "broker_url",
    "database_url",
    "postgres_is_running",
    "redis_url",
    "secret",
    "socket_dir",
    "start_postgres",
    "start_valkey",
    "state_dir",
    "stop_postgres",
    "stop_valkey",
    "valkey_is_running",
]
