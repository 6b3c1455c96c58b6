"""The component tree: dotted labels such as `sql.columns`; the root is the empty label."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from infra.errors import InvalidInput

ROOT = ""


class ComponentError(InvalidInput):
    """A label that names no place in a tree."""

    def __init__(self, message: str) -> None:
        super().__init__("component_label", message)


def parse(label: str) -> tuple[str, ...]:
    r"""The parts of a label; the root has none. A literal dot is `\.`, a backslash `\\`."""
    if label == ROOT:
        return ()
    parts = [""]
    characters = iter(label)
    for character in characters:
        if character == ".":
            parts.append("")
        elif character == "\\":
            parts[-1] += _escaped(next(characters, ""), label)
        else:
            parts[-1] += character
    if any(not part.strip() for part in parts):
        raise ComponentError(
            f"component {label!r} has an empty part: write parts between single dots"
        )
    return tuple(parts)


def _escaped(character: str, label: str) -> str:
    if character in {".", "\\"} and character:
        return character
    raise ComponentError(
        rf"component {label!r}: a backslash stands before a dot or a backslash only (\. or \\)"
    )


def join(parts: Iterable[str]) -> str:
    """The label of these parts, dots and backslashes inside a part escaped."""
    return ".".join(part.replace("\\", "\\\\").replace(".", "\\.") for part in parts)


def parent(label: str) -> str | None:
    """The label one step up; None above the root."""
    parts = parse(label)
    return join(parts[:-1]) if parts else None


def ancestors(label: str) -> tuple[str, ...]:
    """Every label above this one, nearest first, ending with the root."""
    parts = parse(label)
    return tuple(join(parts[:end]) for end in range(len(parts) - 1, -1, -1))


def is_within(label: str, node: str) -> bool:
    """Whether the label is the node or lies below it."""
    parts = parse(node)
    return parse(label)[: len(parts)] == parts


def tree(labels: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Each node of the smallest tree that holds the labels, with its children.

    Nodes and children stand in the order of their parts; parents before children, root first.
    """
    parts = {()} | {parse(label)[:end] for label in labels for end in range(len(parse(label)) + 1)}
    ordered = sorted(parts)
    children: dict[str, tuple[str, ...]] = {join(node): () for node in ordered}
    for node in ordered:
        if node:
            children[join(node[:-1])] += (join(node),)
    return children


def roll_up(scores: Mapping[str, float]) -> dict[str, float]:
    """A case's score at every node: its own, else the mean of the scored labels below it."""
    return {
        node: sum(scores[label] for label in below) / len(below)
        for node, below in _sources(tuple(scores)).items()
    }


@functools.lru_cache(maxsize=4096)
def _sources(labels: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Which labels each node's score is the mean of; cases of a suite share few sets of labels."""
    return {
        node: (node,)
        if node in labels
        else tuple(label for label in labels if is_within(label, node))
        for node in tree(labels)
        if labels
    }
