"""Reads what may not have its shape: malformed parts are left to the schema's problem. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from releases.documents import Document, Path, Problem
from releases.durations import duration

Stages = list[tuple[int, Mapping[str, Any]]]


def stages_of(document: Document) -> Stages:
    """The stages that are tables, each with its place in the list."""
    return [(i, item) for i, item in enumerate(items(document.value, "stages")) if table(item)]


def items(value: Any, key: str) -> list[Any]:
    """The list under a key; empty when it is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def table(value: Any) -> dict[str, Any]:
    """The value as a table; empty when it is none."""
    return value if isinstance(value, dict) else {}


def branches(stage: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The stages that `after` names, each with its place."""
    after = table(stage.get("after"))
    for form in ("all", "any", "of"):
        for number, branch in enumerate(items(after, form)):
            if table(branch):
                yield ("after", form, number), branch


def too_long(document: Document, path: Path, text: Any) -> Iterator[Problem]:
    """A duration that is too long; the schema tells of one that is misspelt."""
    if not isinstance(text, str) or not text[:-1].isdigit() or text[-1:] not in "smhd":
        return
    try:
        duration(text)
    except ValueError as error:
        yield document.problem(path, str(error))
