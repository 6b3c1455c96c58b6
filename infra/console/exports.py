"""Every table of the console as CSV or JSON: `?format=csv&table=NAME` on its page.

An export is what its reader sees: the page's own filters and rights, the words of its cells, on
all pages of its list. Moments are exact and in UTC, digests and texts are whole.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from itertools import chain

from django.http import HttpRequest, StreamingHttpResponse
from django.utils.html import format_html

from infra.api.streams import streamed
from infra.console import tables
from infra.console.tables import Cell, Table
from infra.errors import InvalidInput, NotFound
from infra.terminal_text import inert

# Rows of a list that are rendered at a time.
ROWS_AT_ONCE = 500
KINDS = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
LINK = "Page"
# Whether texts are shown whole, not shortened to fit the screen.
whole: ContextVar[bool] = ContextVar("whole", default=False)
# What a spreadsheet takes for a formula, half-width and full-width.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r]")


def is_asked(request: HttpRequest) -> bool:
    return "format" in request.GET


def rows_at_once(request: HttpRequest, size: int) -> int:
    """How many rows of a list a page shows: `size`, more in an export."""
    return max(size, ROWS_AT_ONCE) if is_asked(request) else size


def answer(
    request: HttpRequest, kind: str, table: str, render: Callable[[], str]
) -> StreamingHttpResponse:
    """The table called `table`, "" for the page's first, as `kind`.

    `render` makes the page for `request` as it is then, page after page of a list. InvalidInput
    for a kind that is none, NotFound for a table that the page has not.
    """
    if kind not in KINDS:
        known = " and ".join(KINDS)
        raise InvalidInput("unknown_format", f"There is no format {kind!r}: {known} are known.")
    parts = _tables(request, render, table)
    first = next(parts)
    write = _as_csv if kind == "csv" else _as_json
    written = write(first, chain([first], parts), request.build_absolute_uri("/")[:-1])
    return streamed(request, written, name=f"{table or 'table'}.{kind}", content_type=KINDS[kind])


def with_links(html: str, request: HttpRequest) -> str:
    """The page's content with links to its exports after every table."""
    pieces, at = [], 0
    for place in tables.places(html):
        pieces += [html[at : place.end], _links(request, place)]
        at = place.end
    return "".join([*pieces, html[at:]])


def _links(request: HttpRequest, place: tables.Place) -> str:
    addresses = []
    for kind in KINDS:
        query = request.GET.copy()
        query.pop("page", None)
        query["format"], query["table"] = kind, place.name
        addresses.append((f"?{query.urlencode()}", kind.upper()))
    (csv_address, csv_word), (json_address, json_word) = addresses
    return format_html(
        '<p class="sw-export"><span>Export</span> '
        '<a href="{}" aria-label="{}: {}" download>{}</a> '
        '<a href="{}" aria-label="{}: {}" download>{}</a></p>',
        csv_address, csv_word, place.title, csv_word,
        json_address, json_word, place.title, json_word,
    )  # fmt: skip


def _rendered(render: Callable[[], str]) -> str:
    token = whole.set(True)
    try:
        return render()
    finally:
        whole.reset(token)


def _missing(wanted: str, names: list[str]) -> NotFound:
    known = f"It has {', '.join(names)}." if names else "It has none now."
    return NotFound("no_such_table", f"This page has no table {wanted!r}. {known}")


def _tables(request: HttpRequest, render: Callable[[], str], wanted: str) -> Iterator[Table]:
    """The table as each page of its list has it; NotFound when the first has none."""
    before: set[tuple[Cell, ...]] = set()
    more: tuple[str, int] | None = ("", 1)
    while more is not None:
        html = _rendered(render)
        found = tables.places(html)
        place = next((one for one in found if wanted in ("", one.name)), None)
        if place is None and more == ("", 1):
            raise _missing(wanted, [one.name for one in found])
        if place is None:
            return
        table = tables.read(html[place.start : place.end])
        yield _without(table, before)
        before, more = {tuple(row) for row in table.rows}, place.more
        if more is not None:
            query = request.GET.copy()
            query[more[0]] = str(more[1])
            request.GET = query  # type: ignore[assignment]


def _without(table: Table, before: set[tuple[Cell, ...]]) -> Table:
    """Without the rows of the page before, which new rows at the list's top have pushed here."""
    kept = [at for at, row in enumerate(table.rows) if tuple(row) not in before]
    return replace(
        table, rows=[table.rows[at] for at in kept], links=[table.links[at] for at in kept]
    )


def _lines(
    first: Table, parts: Iterator[Table], origin: str
) -> tuple[list[str], Iterator[list[Cell]]]:
    """Column names and rows, each with its page's address where the first rows have one."""
    linked = any(first.links)
    columns = [*first.columns, LINK] if linked else first.columns

    def rows() -> Iterator[list[Cell]]:
        for table in parts:
            for row, link in zip(table.rows, table.links, strict=True):
                yield [*row, f"{origin}{link}" if link else ""] if linked else row

    return columns, rows()


def _as_csv(first: Table, parts: Iterator[Table], origin: str) -> Iterator[bytes]:
    columns, rows = _lines(first, parts, origin)
    for row in chain([columns], rows):
        line = io.StringIO()
        csv.writer(line).writerow([_inert(cell) for cell in row])
        yield line.getvalue().encode()


def _inert(cell: Cell) -> Cell:
    """Text that no spreadsheet reckons with and no terminal obeys; numbers stay numbers."""
    if not isinstance(cell, str):
        return cell
    shown = inert(cell)
    return f"'{shown}" if _FORMULA.match(cell) else shown


def _as_json(first: Table, parts: Iterator[Table], origin: str) -> Iterator[bytes]:
    columns, rows = _lines(first, parts, origin)
    between = "[\n"
    for row in rows:
        yield f"{between}{json.dumps(dict(zip(columns, row, strict=False)))}".encode()
        between = ",\n"
    yield b"[]\n" if between == "[\n" else b"\n]\n"
