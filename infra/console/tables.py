"""The tables of a rendered page: their names, headings and cells as a machine wants them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import unescape
from html.parser import HTMLParser

from django.utils.text import slugify

Cell = str | int | float
# User content is escaped wherever it is shown, so that each of these is the template's own.
_MARKS = re.compile(
    r"<h(?P<level>[1-4])\b[^>]*>(?P<heading>.*?)</h(?P=level)>"
    r"|(?P<open><table\b[^>]*>)|(?P<close></table>)|<!--more (?P<list>\S+) (?P<page>\d+)-->",
    re.DOTALL,
)
_LABEL = re.compile(r'\baria-label="(?P<text>[^"]*)"')
_NUMBER = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?|[+-]?\d+(\.\d+)?")
_NOT_CONTENT = frozenset(
    {"form", "button", "svg", "script", "style", "select", "textarea", "canvas", "table"}
)
_VOID = frozenset({"br", "hr", "img", "input", "wbr", "link", "meta", "col"})
_APART = frozenset({"br", "p", "div", "li", "pre", "summary", "dt", "dd"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a table stands in the page, and what continues it on the next page of its list."""

    name: str
    title: str
    start: int
    end: int
    more: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Headings and rows; `links` are the rows' first links within the console, "" for none."""

    columns: list[str]
    rows: list[list[Cell]]
    links: list[str]


def places(html: str) -> list[Place]:
    """Every table that can be exported, in order, under names that are unique on the page.

    A name is that of the table's label or of the heading before it. `data-export="no"` on a table
    keeps it out; tables within tables belong to their outermost one.
    """
    found: list[Place] = []
    taken: dict[str, int] = {}
    for place in _tables(html):
        name = slugify(place.title) or "table"
        taken[name] = number = taken.get(name, 0) + 1
        unique = name if number == 1 else f"{name}-{number}"
        found.append(replace(place, name=unique))
    return found


def _tables(html: str) -> Iterator[Place]:
    """Each outermost table by its title; what continues its list is said before a heading comes."""
    heading, depth, tag, last = "", 0, "", None
    for mark in _MARKS.finditer(html):
        if mark["open"]:
            depth += 1
            if depth == 1:
                tag, start = mark["open"], mark.start()
        elif mark["close"]:
            depth -= 1
            if depth == 0:
                yield from _of(last)
                last = _place(tag, heading, start, mark.end())
        elif mark["list"] and last is not None:
            last = replace(last, more=(mark["list"], int(mark["page"])))
        elif mark["heading"] is not None and not depth:
            yield from _of(last)
            heading, last = _plain(mark["heading"]), None
    yield from _of(last)


def _of(place: Place | None) -> list[Place]:
    return [] if place is None else [place]


def _place(tag: str, heading: str, start: int, end: int) -> Place | None:
    """None for a table that is kept out."""
    if 'data-export="no"' in tag:
        return None
    label = _LABEL.search(tag)
    return Place(name="", title=unescape(label["text"]) if label else heading, start=start, end=end)


def _plain(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def read(html: str) -> Table:
    """The table in `html`, which begins with its tag."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    width = max([len(reader.columns), *map(len, reader.rows)])
    names = reader.columns + [""] * (width - len(reader.columns))
    return Table(
        columns=_unique([name or f"Column {at}" for at, name in enumerate(names, 1)]),
        rows=[row + [""] * (width - len(row)) for row in reader.rows],
        links=reader.links,
    )


def _unique(names: list[str]) -> list[str]:
    counted: dict[str, int] = {}
    found = []
    for name in names:
        counted[name] = counted.get(name, 0) + 1
        found.append(name if counted[name] == 1 else f"{name} {counted[name]}")
    return found


class _Reader(HTMLParser):
    """Walks one table; moments and shortened digests give their whole, machine-readable value."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: list[str] = []
        self.rows: list[list[Cell]] = []
        self.links: list[str] = []
        self._head = False
        self._row: list[Cell] = []
        self._link = ""
        self._parts: list[str] | None = None
        # The tags open since one whose content is no text; empty while there is none.
        self._skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._skipped:
            if tag not in _VOID:
                self._skipped.append(tag)
        elif tag == "thead":
            self._head = True
        elif tag == "tr":
            self._row, self._link = [], ""
        elif tag in {"td", "th"}:
            self._parts = []
        elif self._parts is not None:
            self._inside(tag, given, self._parts)
        elif tag == "caption":
            self._skipped = [tag]

    def _inside(self, tag: str, given: dict[str, str], parts: list[str]) -> None:
        whole = given.get("datetime") if tag == "time" else given.get("title", "")
        if tag in _APART:
            parts.append("\n")
        if tag == "a" and not self._link and given.get("href", "").startswith("/console/"):
            self._link = given["href"]
        if tag in {"time", "code"} and whole:
            parts.append(whole)
            self._skipped = [tag]
        elif (
            tag in _NOT_CONTENT
            or given.get("aria-hidden") == "true"
            or "sw-act" in given.get("class", "").split()
        ):
            self._skipped = [tag]

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            if tag in self._skipped:
                while self._skipped.pop() != tag:
                    pass
        elif tag == "thead":
            self._head = False
        elif tag in {"td", "th"} and self._parts is not None:
            self._row.append(_cell("".join(self._parts)))
            self._parts = None
        elif tag == "tr":
            self._end_row()
        elif tag in _APART and self._parts is not None:
            self._parts.append("\n")

    def _end_row(self) -> None:
        if self._head:
            self.columns = [str(cell) for cell in self._row]
        elif self._row:
            self.rows.append(self._row)
            self.links.append(self._link)
        self._row = []

    def handle_data(self, data: str) -> None:
        if self._parts is not None and not self._skipped:
            self._parts.append(data)


def _cell(text: str) -> Cell:
    """The cell's lines joined by "; "; a plain number as one."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    joined = "; ".join(line for line in lines if line)
    if not _NUMBER.fullmatch(joined):
        return joined
    plain = joined.replace(",", "")
    # A long row of digits is a name: it would lose its last ones as a number.
    if len(plain) > 15 or (len(plain) > 1 and plain[0] == "0" and "." not in plain):
        return joined
    return float(plain) if "." in plain else int(plain)
