"""The API's objects in whatever files they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evals.formats.contract import FormatError
from evals.formats.documents import Placed, json_values

SUFFIXES = (".json", ".jsonl")
# Keys under which people keep several objects in one file.
KEPT_UNDER = ("eval", "run", "runs", "output_items", "items", "rows", "data", "graders", "grader")
GRADERS = ("string_check", "text_similarity", "score_model", "label_model", "python", "multi")


@dataclass(slots=True, kw_only=True)
class Objects:
    """What was found, in the order of the files."""

    evals: list[Placed] = field(default_factory=list)
    runs: list[Placed] = field(default_factory=list)
    rows: list[Placed] = field(default_factory=list)
    output_items: list[Placed] = field(default_factory=list)
    graders: list[Placed] = field(default_factory=list)


def objects_at(path: Path) -> Objects:
    """Every object of the file, or of the folder's files; FormatError names a stray one."""
    found = Objects()
    for file in _files(path):
        for place in json_values(file):
            _sort(place, found)
    return found


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise FormatError(path.name, f"not found in {path.parent}")
    if path.is_file():
        yield path
        data = path.with_suffix(".jsonl")
        if path.suffix == ".json" and data.is_file():
            yield data
        return
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise FormatError(path.name, "holds no .json or .jsonl file of an eval")
    yield from files


def _sort(place: Placed, found: Objects) -> None:
    value = place.value
    if isinstance(value, list):
        for entry in place.items():
            _sort(entry, found)
        return
    if not isinstance(value, Mapping):
        raise place.wrong("is no object of the Evals API")
    kept = _kind_of(value, found)
    if kept is not None:
        kept.append(place)
        return
    inner = [key for key in KEPT_UNDER if isinstance(value.get(key), Mapping | list)]
    if not inner:
        raise place.wrong(
            "is no object of the Evals API: an eval has `testing_criteria`, a run `data_source`, "
            "a row `item`, an output item `datasource_item`"
        )
    for key in inner:
        _sort(place.at(key), found)


def _kind_of(value: Mapping[str, object], found: Objects) -> list[Placed] | None:
    if "testing_criteria" in value:
        return found.evals
    if value.get("object") == "eval.run" or "data_source" in value:
        return found.runs
    if "datasource_item" in value:
        return found.output_items
    if isinstance(value.get("item"), Mapping):
        return found.rows
    # Rows of reinforcement fine-tuning: the messages, and beside them what graders may name.
    if "messages" in value:
        return found.rows
    return found.graders if value.get("type") in GRADERS else None
