"""Where the stages of a pipeline stand as a graph: columns by what comes before, edges with soaks.

Pure. A column is the longest way from a stage that waits for none (Sugiyama's layering by longest
path); within it, stages stand near the mean row of what they wait for, which keeps edges short.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A stage's place; columns and rows count from 0."""

    name: str
    column: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One stage waits for another."""

    source: str
    target: str
    soak: str
    """How long it has to be there first, as the pipeline's file says it; empty: not at all."""
    is_choice: bool
    """Whether other stages would do in its place (`any`, or `k` of several)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """All stages, in the order of the file."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    n_columns: int
    n_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a stage waits for: so many of these branches."""

    branches: tuple[tuple[str, str], ...]
    """Stage and soak."""
    n_needed: int

    @property
    def is_choice(self) -> bool:
        return self.n_needed < len(self.branches)

    @property
    def sentence(self) -> str:
        """Such as: after 2 of: canary (24h), internal."""
        if not self.branches:
            return ""
        named = ", ".join(f"{name} ({soak})" if soak else name for name, soak in self.branches)
        return f"after {self.n_needed} of: {named}" if self.is_choice else f"after {named}"


def wanted_of(after: Mapping[str, Any]) -> Wanted:
    """`after` of a stage's policy: `all`, `any`, or `k` with `of`; nothing for a first stage."""
    for form in ("all", "any", "of"):
        if form in after:
            branches = tuple((item["stage"], item.get("soak", "")) for item in after[form])
            needed = {"all": len(branches), "any": 1, "of": after.get("k", 1)}[form]
            return Wanted(branches=branches, n_needed=needed)
    return Wanted(branches=(), n_needed=0)


def layout(stages: Sequence[tuple[str, Mapping[str, Any]]]) -> Graph:
    """Places for stages, given as (name, after) in the file's order.

    A branch that names no stage of these is left out: that stage is retired. Where no stage waits
    for another one, they stand in a line. ValueError for a circle, which `apply` refuses.
    """
    names = [name for name, _ in stages]
    wanted = {name: wanted_of(after) for name, after in stages}
    edges = tuple(
        Edge(source=source, target=name, soak=soak, is_choice=wanted[name].is_choice)
        for name in names
        for source, soak in wanted[name].branches
        if source in wanted
    )
    columns = _columns(names, edges) if edges else {name: at for at, name in enumerate(names)}
    rows = _rows(names, edges, columns)
    nodes = tuple(Node(name=name, column=columns[name], row=rows[name]) for name in names)
    return Graph(
        nodes=nodes,
        edges=edges,
        n_columns=max((node.column for node in nodes), default=-1) + 1,
        n_rows=max((node.row for node in nodes), default=-1) + 1,
    )


def _before(edges: Sequence[Edge]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        found[edge.target].append(edge.source)
    return found


def _columns(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    before, columns = _before(edges), {}
    left = list(names)
    while left:
        ready = [name for name in left if all(one in columns for one in before[name])]
        if not ready:
            raise ValueError(f"the stages {', '.join(left)} wait for each other in a circle")
        for name in ready:
            columns[name] = 1 + max((columns[one] for one in before[name]), default=-1)
        left = [name for name in left if name not in columns]
    return columns


def _rows(
    names: Sequence[str], edges: Sequence[Edge], columns: Mapping[str, int]
) -> dict[str, int]:
    before, rows = _before(edges), {}
    by_column: dict[int, list[str]] = defaultdict(list)
    for name in names:
        by_column[columns[name]].append(name)
    for column in sorted(by_column):
        hopes = {
            name: fmean([rows[one] for one in before[name]]) if before[name] else 0.0
            for name in by_column[column]
        }
        free = 0
        for name in sorted(by_column[column], key=lambda name: hopes[name]):
            rows[name] = max(free, int(hopes[name]))
            free = rows[name] + 1
    return rows
