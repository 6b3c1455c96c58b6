"""The graph in pixels: where each node lies, and the curve of each edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from releases.graph import Edge, Node
from releases.selectors.board import BoardNode, FamilyBoard

WIDTH, GAP_X, GAP_Y = 200, 54, 28
HEAD, LINE, FOOT = 46, 24, 38
# A node with more occupants says how many more there are.
MOST_LINES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A node with its corner, and the lines that fit into it."""

    node: BoardNode
    x: int
    y: int
    n_more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """An edge as an SVG path, with its soak beside it."""

    path: str
    edge: Edge
    label_x: int
    label_y: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Everything in one coordinate system; sizes in CSS pixels."""

    width: int
    height: int
    box_width: int
    box_height: int
    boxes: Sequence[Box]
    curves: Sequence[Curve]


def drawing_of(board: FamilyBoard) -> Drawing:
    """All boxes as high as the fullest one needs, so that edges meet their middles."""
    lines = max((_n_lines(node) for node in board.nodes), default=1)
    height = HEAD + LINE * max(1, min(lines, MOST_LINES)) + FOOT
    places = {node.name: _corner(node, height) for node in board.graph.nodes}
    return Drawing(
        width=max(board.graph.n_columns * (WIDTH + GAP_X) - GAP_X, 0),
        height=max(board.graph.n_rows * (height + GAP_Y), 0),
        box_width=WIDTH,
        box_height=height,
        boxes=[_box(node, places[node.stage.name]) for node in board.nodes],
        curves=[_curve(edge, places, height) for edge in board.graph.edges],
    )


def _n_lines(node: BoardNode) -> int:
    return sum(max(1, len(cell.releases)) for cell in node.cells)


def _corner(node: Node, height: int) -> tuple[int, int]:
    return node.column * (WIDTH + GAP_X), GAP_Y // 2 + node.row * (height + GAP_Y)


def _box(node: BoardNode, corner: tuple[int, int]) -> Box:
    return Box(node=node, x=corner[0], y=corner[1], n_more=max(0, _n_lines(node) - MOST_LINES))


def _curve(edge: Edge, places: dict[str, tuple[int, int]], height: int) -> Curve:
    """From the middle of the right side to the middle of the left; past other columns, between."""
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    x1, y1, y2 = x1 + WIDTH, y1 + height // 2, y2 + height // 2
    bend = GAP_X // 2
    if x2 - x1 <= GAP_X:
        path = f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 6} {y2}"
        return Curve(path=path, edge=edge, label_x=(x1 + x2) // 2, label_y=(y1 + y2) // 2 - 7)
    lane = min(y1, y2) - (height + GAP_Y) // 2
    path = (
        f"M{x1} {y1} C{x1 + bend} {y1} {x1 + bend} {lane} {x1 + GAP_X} {lane} "
        f"L{x2 - GAP_X} {lane} C{x2 - bend} {lane} {x2 - bend} {y2} {x2 - 6} {y2}"
    )
    return Curve(path=path, edge=edge, label_x=(x1 + x2) // 2, label_y=lane + 12)
