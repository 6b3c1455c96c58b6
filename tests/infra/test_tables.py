"""Tables out of rendered pages, and what an export makes of their cells."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.http import HttpRequest, StreamingHttpResponse
from django.test import RequestFactory

from infra.console import exports, tables
from infra.errors import InvalidInput, NotFound

HEAD = "<h2>Open &amp; new</h2>"


def table(*cells: str, tag: str = "<table>") -> str:
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"{tag}<thead><tr><th>A</th><th>A</th></tr></thead><tbody><tr>{row}</tr></tbody></table>"


def test_tables_are_named_by_their_heading_and_each_name_is_one_table() -> None:
    html = f"{HEAD}{table('1')}{table('2')}<h3>Old</h3>{table('3')}"
    assert [place.name for place in tables.places(html)] == ["open-new", "open-new-2", "old"]


def test_a_label_names_a_table_and_one_may_be_kept_out() -> None:
    labelled = table("1", tag='<table aria-label="Last calls">')
    html = HEAD + labelled + table("2", tag='<table data-export="no">')
    assert [place.name for place in tables.places(html)] == ["last-calls"]


def test_a_list_continues_the_table_before_it_and_none_across_a_heading() -> None:
    html = (
        f"{HEAD}{table('1')}<!--more page 2--><h2>Other</h2>{table('2')}<h3>x</h3><!--more p 3-->"
    )
    assert [place.more for place in tables.places(html)] == [("page", 2), None]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1,204", 1204),
        ("-3.5", -3.5),
        ("007", "007"),
        ("12345678901234567890", "12345678901234567890"),
        ("83 ms", "83 ms"),
        ("a &lt;b&gt;<br>c", "a <b>; c"),
        ('<time datetime="2026-03-01T09:00:00+00:00">2 d ago</time>', "2026-03-01T09:00:00+00:00"),
        ('<code title="0123456789abcdef">0123</code> x', "0123456789abcdef x"),
        ('x<details class="sw-act"><summary>Revoke</summary><form><p>y</p></form></details>', "x"),
        ("x<svg><text>1</text></svg><button>Go</button>", "x"),
        ("x<table><tr><td>inner</td></tr></table>", "x"),
    ],
    ids=["thousands", "negative", "zeros", "long", "unit", "escaped", "moment", "digest", "form",
         "drawing", "inner"],
)  # fmt: skip
def test_a_cell_gives_its_exact_value(cell: str, value: object) -> None:
    found = tables.read(table(cell, "2"))
    assert found.rows == [[value, 2]]
    assert found.columns == ["A", "A 2"]


def exported(kind: str, *pages: str, name: str = "") -> str:
    request = RequestFactory().get("/console/x/", {"format": kind, "page": "1"})

    def render() -> str:
        return pages[int(request.GET["page"]) - 1]

    return _text(exports.answer(request, kind, name, render))


def _text(answer: StreamingHttpResponse) -> str:
    return b"".join(answer.streaming_content).decode()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "  =1", "\uff1d1", "\t=1"],
)
def test_no_cell_is_a_formula_to_a_spreadsheet(cell: str) -> None:
    rows = list(csv.reader(io.StringIO(exported("csv", HEAD + table(cell, "-5")))))
    assert rows[1][0].startswith("'")
    assert rows[1][1] == "-5"
    assert json.loads(exported("json", HEAD + table(cell, "-5")))[0]["A"] == cell.strip()


def test_no_cell_commands_a_terminal() -> None:
    assert "\x1b" not in exported("csv", HEAD + table("\x1b[31mred", "2"))
    assert "\x1b" not in exported("json", HEAD + table("\x1b[31mred", "2"))


def test_an_export_goes_through_all_pages_and_repeats_no_row() -> None:
    first = f"{HEAD}{table('a', '1')}<!--more page 2-->"
    pushed = table("a", "1").replace("</tbody>", "<tr><td>b</td><td>2</td></tr></tbody>")
    found = json.loads(exported("json", first, HEAD + pushed, name="open-new"))
    assert found == [{"A": "a", "A 2": 1}, {"A": "b", "A 2": 2}]


def test_an_empty_table_is_an_empty_list() -> None:
    empty = "<table><thead><tr><th>A</th></tr></thead><tbody></tbody></table>"
    assert json.loads(exported("json", empty)) == []
    assert exported("csv", empty) == "A\r\n"


def test_rows_name_their_page() -> None:
    linked = table('<a href="/console/runs/1/">one</a>', "2")
    (row,) = json.loads(exported("json", linked))
    assert row == {"A": "one", "A 2": 2, "Page": "http://testserver/console/runs/1/"}


def test_what_the_page_has_not_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="csv and json are known"):
        exported("xlsx", table("1"))
    with pytest.raises(NotFound, match="It has open-new"):
        exported("csv", HEAD + table("1"), name="closed")


def test_links_keep_the_filter_and_leave_the_page_number() -> None:
    request: HttpRequest = RequestFactory().get("/x/", {"state": "open", "page": "3"})
    html: Any = exports.with_links(f"{HEAD}{table('1')}<p>end</p>", request)
    assert 'href="?state=open&amp;format=csv&amp;table=open-new"' in html
    assert 'aria-label="JSON: Open &amp; new"' in html
    assert html.endswith("<p>end</p>") and html.index("sw-export") > html.index("</table>")
