"""Where the parts of a lineage graph lie, in pixels: a row a checkpoint, a lane a branch. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from releases.selectors.family_tree import Node, Tree

ROW, LANE, MARGIN = 34, 18, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A checkpoint in its row; `x` and `y` are its dot's."""

    node: Node
    x: int
    y: int
    is_this: bool
    stages: Sequence[str]
    """Where it is live now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The whole graph: rows from the first ancestor down, and the lines between their dots."""

    rows: Sequence[Row]
    lines: Sequence[str]
    """SVG path data, one from each checkpoint to each that was made from it."""
    width: int
    height: int


def drawn(tree: Tree, this: UUID, live: Mapping[UUID, Sequence[str]]) -> Drawing:
    """The line that leads to `this` and on stays in one lane; other branches stand beside it."""
    main = set(tree.line(this))
    placed: list[tuple[Node, int]] = []
    waiting = [(node, 0) for node in sorted(tree.roots(), key=_newest, reverse=True)]
    while waiting:
        node, lane = waiting.pop()
        placed.append((node, lane))
        waiting += _made_from(tree, node, lane, main)
    rows = [
        Row(
            node=node,
            x=MARGIN + lane * LANE,
            y=ROW // 2 + at * ROW,
            is_this=node.pk == this,
            stages=live.get(node.pk, ()),
        )
        for at, (node, lane) in enumerate(placed)
    ]
    at = {row.node.pk: row for row in rows}
    return Drawing(
        rows=rows,
        lines=[_line(at[row.node.parent_id], row) for row in rows if row.node.parent_id in at],
        width=max((row.x for row in rows), default=0) + MARGIN,
        height=ROW * len(rows),
    )


def _made_from(tree: Tree, node: Node, lane: int, main: set[UUID]) -> list[tuple[Node, int]]:
    """What was made from it, last one first: the branches beside, then the one that goes on."""
    children = sorted(tree.made[node.pk], key=_newest)
    if not children:
        return []
    onward = next((child for child in children if child.pk in main), children[-1])
    beside = [(child, lane + 1) for child in children if child is not onward]
    return [(onward, lane), *reversed(beside)]


def _newest(node: Node) -> UUID:
    """Ids are made in the order of time."""
    return node.pk


def _line(parent: Row, child: Row) -> str:
    if parent.x == child.x:
        return f"M{parent.x} {parent.y}V{child.y}"
    bend = f"Q{parent.x} {child.y} {parent.x + 8} {child.y}"
    return f"M{parent.x} {parent.y}V{child.y - 8}{bend}H{child.x}"
