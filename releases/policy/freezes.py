"""The freezes of a pipeline file: checked, and in the form in which they are kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from releases.documents import Document, Path, Problem
from releases.freezes import Schedule, schedule_problems
from releases.policy.shapes import Stages, items, table

# How the schema wants them written: it tells itself of what is written otherwise.
_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?")
_SPAN = re.compile(r"\d{1,9}[smhd]")
_KEYS = {"starts": "starts", "lasts": "for", "rule": "rule", "time_zone": "time_zone"}
_ANY_START, _ANY_SPAN = "2026-01-01T00:00:00", "1h"


def problems(document: Document, stages: Stages) -> Iterator[Problem]:
    """What is wrong with the freezes of the pipeline and of each stage."""
    yield from _of(document, (), table(document.value))
    for index, stage in stages:
        yield from _of(document, ("stages", index), stage)


def as_kept(item: Mapping[str, Any]) -> dict[str, Any]:
    """A freeze without problems by the fields of its row; `owner` as the file names the person."""
    return {
        "name": item["name"],
        "starts": _to_the_second(item["starts"]),
        "lasts": item["for"],
        "rule": item.get("rule", ""),
        "except_dates": [_to_the_second(text) for text in item.get("except", ())],
        "time_zone": item["time_zone"],
        "reason": item["reason"],
        "owner": item.get("owner", ""),
    }


def _of(document: Document, path: Path, owner: Mapping[str, Any]) -> Iterator[Problem]:
    names: set[str] = set()
    for number, item in enumerate(table(item) for item in items(owner, "freezes")):
        place: Path = (*path, "freezes", number)
        name = item.get("name")
        if isinstance(name, str):
            if name in names:
                yield document.problem((*place, "name"), f"the freeze {name} is there twice")
            names.add(name)
        for field, sentence in schedule_problems(_schedule(item)):
            key = _KEYS.get(field, "except")
            if key in item:
                yield document.problem((*place, key), sentence)


def _schedule(item: Mapping[str, Any]) -> Schedule:
    """What can be judged of it; a part that the schema tells of becomes a harmless one."""
    texts = [text for text in items(item, "except") if isinstance(text, str)]
    return Schedule(
        starts=_to_the_second(_written(item, "starts", _LOCAL, _ANY_START)),
        lasts=_written(item, "for", _SPAN, _ANY_SPAN),
        time_zone=_written(item, "time_zone", re.compile(r".+"), "UTC"),
        rule=_written(item, "rule", re.compile(r".+"), ""),
        except_dates=tuple(_to_the_second(text) for text in texts),
    )


def _written(item: Mapping[str, Any], key: str, form: re.Pattern[str], otherwise: str) -> str:
    text = item.get(key)
    return text if isinstance(text, str) and form.fullmatch(text) else otherwise


def _to_the_second(text: str) -> str:
    return f"{text}:00" if re.fullmatch(r".+T\d{2}:\d{2}", text) else text
