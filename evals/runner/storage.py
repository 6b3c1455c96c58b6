"""Results into PostgreSQL, many at a time, each (run, case, repeat) once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

_STAGE = "eval_result_arriving"
_MAKE_STAGE = (
    f"CREATE TEMPORARY TABLE IF NOT EXISTS {_STAGE} "
    "(LIKE eval_result INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One result as the table holds it, in the table's own column names."""

    id: UUID
    run_id: UUID
    case_id: UUID
    repeat: int
    state: str
    score: float | None
    components: Mapping[str, Any]
    explanation: str
    output: bytes
    error_code: str
    error_message: str
    n_calls: int
    tokens_in: int | None
    tokens_out: int | None
    cost_micros: int | None
    latency_ms: float | None
    recorded_at: datetime


_COLUMNS = tuple(field.name for field in fields(ResultRow))
_LIST = ", ".join(_COLUMNS)
_COPY = f"COPY {_STAGE} ({_LIST}) FROM STDIN"
_INSERT = (
    f"INSERT INTO eval_result ({_LIST}) SELECT {_LIST} FROM {_STAGE} "  # noqa: S608  own names
    "ON CONFLICT (run_id, case_id, repeat) DO NOTHING"
)


def write_results(rows: Sequence[ResultRow]) -> int:
    """Store the rows; those that exist already stay as they are. The number that were new."""
    if not rows:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_MAKE_STAGE)
        with cursor.copy(_COPY) as copy:
            for row in rows:
                copy.write_row([_cell(getattr(row, name)) for name in _COLUMNS])
        cursor.execute(_INSERT)
        return int(cursor.rowcount)


def _cell(value: Any) -> Any:
    return json.dumps(value, allow_nan=False) if isinstance(value, Mapping) else value
