"""Stages as a graph: columns by what comes before, fan-out and fan-in side by side."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.graph import layout, wanted_of


def after(*names: str, form: str = "all", **more: Any) -> dict[str, Any]:
    return {form: [{"stage": name} for name in names], **more}


def places(stages: list[tuple[str, dict[str, Any]]]) -> dict[str, tuple[int, int]]:
    return {node.name: (node.column, node.row) for node in layout(stages).nodes}


@pytest.mark.parametrize(
    ("name", "stages", "expected"),
    [
        ("nothing", [], {}),
        ("one", [("a", {})], {"a": (0, 0)}),
        ("no edges: a line", [("a", {}), ("b", {})], {"a": (0, 0), "b": (1, 0)}),
        ("a chain", [("a", {}), ("b", after("a"))], {"a": (0, 0), "b": (1, 0)}),
        (
            "fan-out and fan-in",
            [("a", {}), ("b", after("a")), ("c", after("a")), ("d", after("b", "c"))],
            {"a": (0, 0), "b": (1, 0), "c": (1, 1), "d": (2, 0)},
        ),
        (
            "the longest way counts",
            [("a", {}), ("b", after("a")), ("c", after("a", "b", form="any"))],
            {"a": (0, 0), "b": (1, 0), "c": (2, 0)},
        ),
        (
            "named before it is written",
            [("b", after("a")), ("a", {})],
            {"b": (1, 0), "a": (0, 0)},
        ),
        ("after a retired stage", [("b", after("gone"))], {"b": (0, 0)}),
    ],
)
def test_places(name: str, stages: Any, expected: dict[str, tuple[int, int]]) -> None:
    assert places(stages) == expected, name


def test_what_a_stage_waits_for_is_a_sentence() -> None:
    soaked = {"all": [{"stage": "internal", "soak": "24h"}]}
    assert wanted_of(soaked).sentence == "after internal (24h)"
    assert wanted_of(after("a", "b", form="any")).sentence == "after 1 of: a, b"
    assert wanted_of(after("a", "b", "c", form="of", k=2)).sentence == "after 2 of: a, b, c"
    assert wanted_of({}).sentence == ""


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="a, b wait for each other"):
        layout([("a", after("b")), ("b", after("a"))])


@given(st.lists(st.sets(st.integers(0, 11)), min_size=1, max_size=12))
def test_no_two_stages_share_a_place_and_every_edge_goes_right(given_after: list[set[int]]) -> None:
    stages = [
        (f"s{at}", after(*(f"s{one}" for one in sorted(before) if one < at)))
        for at, before in enumerate(given_after)
    ]
    graph = layout(stages)
    column = {node.name: node.column for node in graph.nodes}
    assert len({(node.column, node.row) for node in graph.nodes}) == len(stages)
    assert all(column[edge.source] < column[edge.target] for edge in graph.edges)
    assert all(node.column < graph.n_columns and node.row < graph.n_rows for node in graph.nodes)
