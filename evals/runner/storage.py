"""Results into PostgreSQL, many at a time, each (run, case, repeat) once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import orjson
from django.db import IntegrityError, connection, transaction
from psycopg.errors import UniqueViolation

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
    n_grader_calls: int
    grader_tokens_in: int | None
    grader_tokens_out: int | None
    grader_cost_micros: int | None
    recorded_at: datetime


COLUMNS = ", ".join(field.name for field in fields(ResultRow))
_VALUES = attrgetter(*(field.name for field in fields(ResultRow)))
_COPY = f"COPY eval_result ({COLUMNS}) FROM STDIN"
_COPY_STAGE = f"COPY {_STAGE} ({COLUMNS}) FROM STDIN"
_INSERT = (
    f"INSERT INTO eval_result ({COLUMNS}) SELECT {COLUMNS} FROM {_STAGE} "  # noqa: S608  own names
    "ON CONFLICT (run_id, case_id, repeat) DO NOTHING"
)
_SPECIAL = re.compile(r"[\\\t\n\r]").search
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def write_results(rows: Sequence[ResultRow]) -> int:
    """Store the rows; those that exist already stay as they are. The number that were new."""
    return write_lines([copy_line(row) for row in rows])


def write_lines(lines: Sequence[bytes]) -> int:
    """As write_results, from lines of `copy_line`.

    Straight into the table, which costs half; by way of a stage when one of them exists already.
    """
    if not lines:
        return 0
    content = b"".join(lines)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            _copy(cursor, _COPY, content)
            return len(lines)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
    return _write_missing(content)


def _copy(cursor: Any, statement: str, content: bytes) -> None:
    # COPY goes past Django, whose own errors everybody here catches.
    with connection.wrap_database_errors, cursor.copy(statement) as copy:
        copy.write(content)


def _write_missing(content: bytes) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_MAKE_STAGE)
        _copy(cursor, _COPY_STAGE, content)
        cursor.execute(_INSERT)
        return int(cursor.rowcount)


def copy_line(row: ResultRow) -> bytes:
    """The row as one line of COPY's text format."""
    return ("\t".join([_cell(value) for value in _VALUES(row)]) + "\n").encode()


def _cell(value: Any) -> str:
    if value is None:
        return "\\N"
    kind = type(value)
    if kind is str:
        return value.translate(_ESCAPED) if _SPECIAL(value) else value  # type: ignore[no-any-return]
    if kind is UUID:
        return value.hex  # type: ignore[no-any-return]
    if kind is bytes:
        return "\\\\x" + value.hex()  # type: ignore[no-any-return]
    if isinstance(value, Mapping):
        return orjson.dumps(value).decode().replace("\\", "\\\\")
    return str(value)
