"""Where the checkpoints of a lineage graph lie."""

from __future__ import annotations

from uuid import UUID

from releases.console.lineage import LANE, MARGIN, ROW, Drawing, drawn
from releases.selectors.family_tree import Node, Tree


def tree(*edges: tuple[int, int | None]) -> Tree:
    return Tree(
        Node(
            pk=UUID(int=pk),
            name=f"c{pk}",
            kind="sft",
            size="nano",
            parent_id=None if parent is None else UUID(int=parent),
        )
        for pk, parent in edges
    )


def lanes(found: Drawing) -> list[tuple[str, int]]:
    return [(row.node.name, (row.x - MARGIN) // LANE) for row in found.rows]


def test_the_line_to_the_checkpoint_stays_straight() -> None:
    """1 -> 2 -> 4, with 3 and 5 made from 1, and 6 from 3."""
    whole = tree((1, None), (2, 1), (3, 1), (4, 2), (5, 1), (6, 3))
    found = drawn(whole, UUID(int=4), {UUID(int=6): ["alpha"]})
    assert lanes(found) == [("c1", 0), ("c3", 1), ("c6", 1), ("c5", 1), ("c2", 0), ("c4", 0)]
    assert [row.node.name for row in found.rows if row.is_this] == ["c4"]
    assert [row.stages for row in found.rows if row.stages] == [["alpha"]]
    assert len(found.lines) == 5 and found.height == 6 * ROW


def test_a_long_line_needs_one_lane() -> None:
    found = drawn(tree((1, None), *((n, n - 1) for n in range(2, 51))), UUID(int=50), {})
    assert {lane for _, lane in lanes(found)} == {0}


def test_a_checkpoint_alone_has_no_line() -> None:
    found = drawn(tree((1, None)), UUID(int=1), {})
    assert (lanes(found), list(found.lines)) == ([("c1", 0)], [])


def test_a_parent_outside_of_the_tree_is_a_beginning() -> None:
    found = drawn(tree((2, 1), (3, 2)), UUID(int=3), {})
    assert lanes(found) == [("c2", 0), ("c3", 0)]
