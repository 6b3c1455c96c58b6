"""Counts what PostgreSQL is asked while calls are served, by its own log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench_gateway.stack import superuser

ENTRY = re.compile(r"LOG: +(?:statement|execute [^:]*): +")
SETTINGS = {"log_statement": "'all'", "log_min_duration_statement": "-1"}
# What a worker does beside its calls: usage in batches, the table when it changed or by poll.
BESIDE = (
    "BEGIN",
    "COMMIT",
    "INSERT INTO usage_event",
    "UPDATE feedback f",
    "SET TRANSACTION ISOLATION LEVEL",
    "SET statement_timeout",
    "LISTEN slipway_routing",
    "SELECT k.id, k.public",
    "SELECT g.*, least(",
    "SELECT c.name, c.stage_id",
    "SELECT id, stage_id, size, arm",
    "SELECT id, serving, context_window",
    "SELECT id, checkpoint_id, base_url",
    "SELECT checkpoint_id, currency",
)


def counted(state: Path, work: Callable[[], Any]) -> tuple[int, dict[str, int]]:
    """Statements during `work`: those beside the calls, and every other with its count."""
    log = state / "logs" / "postgres.log"
    with _logged():
        began = log.stat().st_size
        work()
        # The last batch of usage is shipped after its calls.
        time.sleep(1.0)
    said = log.read_bytes()[began:].decode("utf-8", "replace")
    beside, others = 0, dict[str, int]()
    for entry in ENTRY.split(said)[1:]:
        statement = " ".join(entry.split())
        if statement.startswith(("ALTER SYSTEM", "SELECT pg_reload_conf")):
            continue
        if statement.startswith(BESIDE):
            beside += 1
        else:
            others[statement[:80]] = others.get(statement[:80], 0) + 1
    return beside, others


@contextmanager
def _logged() -> Iterator[None]:
    with superuser() as connection:
        _set(connection, "SET {name} = {value}")
        try:
            yield
        finally:
            _set(connection, "RESET {name}")


def _set(connection: Any, words: str) -> None:
    for name, value in SETTINGS.items():
        connection.execute("ALTER SYSTEM " + words.format(name=name, value=value))
    connection.execute("SELECT pg_reload_conf()")
    time.sleep(0.3)
