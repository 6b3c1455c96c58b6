"""Runs one SELECT on a small database in memory, within fixed bounds."""

from __future__ import annotations

import functools
import math
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing

Row = tuple[object, ...]

STEPS_A_TICK = 1_000
MOST_TICKS = 5_000
"""Five million steps of SQLite's machine: well under a second, the same on every machine."""
MOST_ROWS = 1_000
LONGEST_VALUE = 100_000
READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
FORBIDDEN_IN_SETUP = frozenset(
    {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA}
)
FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "random", "randomblob"})


class QueryError(ValueError):
    """A script or query that did not run, or ran past a bound."""


@functools.lru_cache(maxsize=64)
def columns(setup: str) -> dict[str, dict[str, str]]:
    """Each table's columns with their declared types, in lower case."""
    with closing(_opened(setup)) as database:
        tables = database.execute("select name from sqlite_schema where type = 'table'").fetchall()
        found: dict[str, dict[str, str]] = {}
        for (table,) in tables:
            listed = database.execute("select name, type from pragma_table_info(?)", (table,))
            found[table.lower()] = {name.lower(): kind or "text" for name, kind in listed}
    return found


@functools.lru_cache(maxsize=512)
def rows(setup: str, sql: str) -> tuple[Row, ...]:
    """The query's rows on the database that the setup script makes."""
    with closing(_opened(setup)) as database:
        ticks = _bound(database)
        database.set_authorizer(_may_read)
        try:
            found = database.execute(sql).fetchmany(MOST_ROWS + 1)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise QueryError(_said(error, ticks)) from error
    if len(found) > MOST_ROWS:
        raise QueryError(f"returns over {MOST_ROWS:,} rows")
    return tuple(found)


def same(given: Sequence[Row], expected: Sequence[Row], *, ordered: bool) -> bool:
    """Whether both hold the same rows: in order where the target orders them."""
    if len(given) != len(expected):
        return False
    left, right = [_settled(row) for row in given], [_settled(row) for row in expected]
    return left == right if ordered else Counter(left) == Counter(right)


def _settled(row: Row) -> Row:
    """Whole floats equal integers, and sums taken in another order equal each other."""
    return tuple(
        float(f"{value:.9g}") if isinstance(value, int | float) and math.isfinite(value) else value
        for value in row
    )


def _opened(setup: str) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    database.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200)
    ticks = _bound(database)
    database.set_authorizer(_may_set_up)
    try:
        database.executescript(setup)
    except (sqlite3.Error, sqlite3.Warning) as error:
        database.close()
        raise QueryError(_said(error, ticks)) from error
    database.set_authorizer(None)
    database.execute("PRAGMA query_only = ON")
    return database


def _bound(database: sqlite3.Connection) -> list[int]:
    """Stops the database after its steps are used up; the list counts the ticks."""
    ticks: list[int] = [0]

    def tick() -> int:
        ticks[0] += 1
        return int(ticks[0] > MOST_TICKS)

    database.set_progress_handler(tick, STEPS_A_TICK)
    return ticks


def _said(error: Exception, ticks: list[int]) -> str:
    if ticks[0] > MOST_TICKS:
        return f"needs over {STEPS_A_TICK * MOST_TICKS:,} steps"
    return str(error)


def _may_read(
    action: int, first: str | None, second: str | None, schema: str | None, inner: str | None
) -> int:
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY


def _may_set_up(
    action: int, first: str | None, second: str | None, schema: str | None, inner: str | None
) -> int:
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_DENY if action in FORBIDDEN_IN_SETUP else sqlite3.SQLITE_OK
