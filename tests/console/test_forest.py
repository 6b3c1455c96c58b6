"""Where a forest plot's parts lie."""

from __future__ import annotations

from typing import Any

import pytest

from evals.console.forest import Only, Order, arranged, counted, forest_of


def node(name: str, delta: Any, lo: Any, hi: Any, verdict: str = "inconclusive") -> dict[str, Any]:
    return {"node": name, "delta": delta, "lo": lo, "hi": hi, "corrected_verdict": verdict}


def test_everything_lies_inside_in_the_order_of_its_numbers() -> None:
    plot = forest_of([node("", 0.1, -0.05, 0.25), node("sql.table", -0.3, -0.4, -0.2)], 0.05, "sql")
    whole, table = plot.lines
    places = [table.left, table.dot, table.right, plot.margin, plot.zero, whole.dot, whole.right]
    assert places == sorted(places) and places[0] > 0 and places[-1] < 100
    assert whole.left == plot.margin


def test_an_end_without_bound_touches_the_border() -> None:
    (line,) = forest_of([node("", 0.0, "-inf", 0.1)], 0.05, "sql").lines
    assert line.left == 0.0 and line.right is not None and line.right < 100


def test_a_node_without_numbers_has_no_marks() -> None:
    (line,) = forest_of([node("", None, None, None, "insufficient")], 0.05, "sql").lines
    assert (line.dot, line.left, line.right) == (None, None, None)


@pytest.mark.parametrize(
    ("verdict", "tone"),
    [
        ("better", "good"),
        ("non_inferior", "good"),
        ("worse", "bad"),
        ("regression", "bad"),
        ("inconclusive", "dim"),
        ("insufficient", "dim"),
        ("invalid", "dim"),
    ],
)
def test_tone_follows_the_verdict(verdict: str, tone: str) -> None:
    (line,) = forest_of([node("", 0.0, -0.1, 0.1, verdict)], 0.05, "sql").lines
    assert line.tone == tone


def test_depth_counts_parts_not_literal_dots() -> None:
    lines = forest_of([node("a.b", 0, 0, 0), node(r"a\.b", 0, 0, 0)], 0.05, "s").lines
    assert [line.depth for line in lines] == [2, 1]


def test_ticks_are_few_and_zero_is_one_of_them() -> None:
    for reach in (0.001, 0.02, 0.3, 1.0):
        ticks = forest_of([node("", 0.0, -reach, reach)], 0.0, "s").ticks
        assert 1 <= len(ticks) <= 9
        assert "0" in [tick.label for tick in ticks]


TREE = [
    node("", -0.05, -0.1, 0.0, "worse"),
    node("sql", 0.0, -0.1, 0.1),
    node("sql.columns", -0.2, -0.3, -0.1, "regression"),
    node("sql.table", 0.2, 0.1, 0.3, "better"),
    node("tone", None, None, None, "insufficient"),
]


@pytest.mark.parametrize(
    ("order", "only", "within", "expected"),
    [
        ("tree", "all", "", ["", "sql", "sql.columns", "sql.table", "tone"]),
        ("worst", "all", "", ["", "sql.columns", "sql", "sql.table", "tone"]),
        ("tree", "worse", "", ["", "sql.columns"]),
        ("tree", "better", "", ["sql.table"]),
        ("worst", "unsettled", "", ["sql", "tone"]),
        ("worst", "all", "sql", ["sql.columns", "sql", "sql.table"]),
        ("tree", "better", "tone", []),
    ],
)
def test_components_are_narrowed_and_put_in_order(
    order: str, only: str, within: str, expected: list[str]
) -> None:
    plot = forest_of(TREE, 0.05, "s")
    shown = arranged(plot, Order(order), Only(only), within)
    assert [line.node["node"] for line in shown.lines] == expected
    assert (shown.zero, shown.margin, shown.ticks) == (plot.zero, plot.margin, plot.ticks)


def test_components_are_counted_without_the_whole_suite() -> None:
    found = counted(forest_of(TREE, 0.05, "s"))
    assert found == {Only.ALL: 4, Only.WORSE: 1, Only.BETTER: 1, Only.UNSETTLED: 2}
