"""Which checkpoint was made from which: lines of ancestors, and the tree around one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from releases.models import Checkpoint

MOST_STEPS = 50
"""Generations that are followed upwards."""
MOST_DOWN = 3
"""Generations that are followed downwards."""
MOST_NODES = 60

_UP = """
WITH RECURSIVE line(id, depth) AS (
    SELECT id, 0 FROM checkpoint WHERE id = ANY(%s)
    UNION
    SELECT made.parent_id, line.depth + 1 FROM checkpoint made JOIN line USING (id)
    WHERE made.parent_id IS NOT NULL AND line.depth < %s
) SELECT DISTINCT id FROM line
"""
_DOWN = """
WITH RECURSIVE line(id, depth) AS (
    SELECT id, 0 FROM checkpoint WHERE id = ANY(%s)
    UNION
    SELECT made.id, line.depth + 1 FROM checkpoint made JOIN line ON made.parent_id = line.id
    WHERE line.depth < %s
) SELECT id FROM line GROUP BY id ORDER BY min(depth), id DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One checkpoint of a tree."""

    pk: UUID
    name: str
    kind: str
    size: str
    parent_id: UUID | None


class Tree:
    """Checkpoints by id, each with whom it was made from."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = {node.pk: node for node in nodes}
        self.made: dict[UUID, list[Node]] = defaultdict(list)
        for node in self.nodes.values():
            if node.parent_id in self.nodes:
                self.made[node.parent_id].append(node)

    def __getitem__(self, pk: UUID) -> Node:
        return self.nodes[pk]

    def __contains__(self, pk: UUID) -> bool:
        return pk in self.nodes

    def __len__(self) -> int:
        return len(self.nodes)

    def line(self, pk: UUID) -> list[UUID]:
        """The checkpoint and its ancestors, nearest first."""
        found, at = list[UUID](), pk if pk in self.nodes else None
        while at is not None and at not in found:
            found.append(at)
            parent = self.nodes[at].parent_id
            at = parent if parent in self.nodes else None
        return found

    def roots(self) -> list[Node]:
        """Those whose parent is not in the tree."""
        return [node for node in self.nodes.values() if node.parent_id not in self.nodes]

    def walk(self) -> Iterator[tuple[int, Node]]:
        """Every checkpoint after whom it was made from, with its depth; siblings by name."""
        waiting = [(0, node) for node in sorted(self.roots(), key=_by_name, reverse=True)]
        while waiting:
            depth, node = waiting.pop()
            yield depth, node
            made = sorted(self.made[node.pk], key=_by_name, reverse=True)
            waiting += [(depth + 1, child) for child in made]


def _by_name(node: Node) -> str:
    return node.name


def tree_of(*checkpoints: Checkpoint) -> Tree:
    """Those checkpoints with all their ancestors, in two queries."""
    return _tree(_ids(_UP, [found.pk for found in checkpoints], MOST_STEPS))


def tree_around(checkpoint: Checkpoint) -> Tree:
    """Its ancestors, what was made from it, and its siblings; at most `MOST_NODES`."""
    above = _ids(_UP, [checkpoint.pk], MOST_STEPS)
    start = [checkpoint.pk] if checkpoint.parent_id is None else [checkpoint.parent_id]
    below = _ids(_DOWN, start, MOST_DOWN, MOST_NODES)
    return _tree([*dict.fromkeys([*above, *below])][:MOST_NODES])


def _ids(statement: str, start: Sequence[UUID], *limits: int) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(start), *limits])
        return [pk for (pk,) in cursor.fetchall()]


def _tree(ids: Sequence[UUID]) -> Tree:
    fields = ("pk", "name", "kind", "size", "parent_id")
    rows = Checkpoint.objects.filter(pk__in=ids).values_list(*fields)
    return Tree(Node(**dict(zip(fields, row, strict=True))) for row in rows)
