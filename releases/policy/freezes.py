"""The freezes of a pipeline file, checked. Pure."""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from releases.documents import Document, Path, Problem
from releases.policy.shapes import Stages, items, table, too_long


def problems(document: Document, stages: Stages) -> Iterator[Problem]:
    """What is wrong with the freezes of the pipeline and of each stage."""
    yield from _of(document, (), table(document.value))
    for index, stage in stages:
        yield from _of(document, ("stages", index), stage)


def _of(document: Document, path: Path, owner: Mapping[str, Any]) -> Iterator[Problem]:
    names: set[Any] = set()
    for number, item in enumerate(table(item) for item in items(owner, "freezes")):
        place: Path = (*path, "freezes", number)
        name = item.get("name")
        if isinstance(name, str) and name in names:
            yield document.problem((*place, "name"), f"the freeze {name} is there twice")
        names.add(str(name))
        yield from _moment(document, (*place, "starts"), item.get("starts"))
        for index, moment in enumerate(items(item, "except")):
            yield from _moment(document, (*place, "except", index), moment)
        yield from _zone(document, (*place, "time_zone"), item.get("time_zone"))
        yield from too_long(document, (*place, "for"), item.get("for"))


def _moment(document: Document, path: Path, text: Any) -> Iterator[Problem]:
    """A day or an hour that no calendar has; the schema tells of another form."""
    if not isinstance(text, str) or "T" not in text:
        return
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        yield document.problem(path, f"{text!r} is no moment: {error}")


def _zone(document: Document, path: Path, name: Any) -> Iterator[Problem]:
    if not isinstance(name, str):
        return
    known = zoneinfo.available_timezones()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else "write such as Europe/Berlin or UTC"
        yield document.problem(path, f"there is no time zone {name!r}; {hint}")
