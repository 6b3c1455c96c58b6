"""`file://` in a promptfoo config: texts, values and tables beside it, never outside its folder."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from evals.formats.documents import Placed, YamlFile, json_values, text_of

SCHEME = "file://"
PROGRAMS = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py", ".rb", ".sh", ".exe", ".bat")
TABLES = (".csv", ".tsv")
DATA = (".yaml", ".yml", ".json", ".jsonl")


class Folder:
    """The folder of a config, from which its references are read."""

    def __init__(self, path: Path) -> None:
        self.root = path.resolve()

    def found(self, reference: str, place: Placed) -> list[Path]:
        """The files that a reference or a pattern names; FormatError when none or outside."""
        name = reference.removeprefix(SCHEME)
        if Path(name).is_absolute() or ".." in Path(name).parts:
            message = f"{name} is outside of the config's folder: copy it in and name it from there"
            raise place.wrong(message)
        if any(character in name for character in "*?["):
            paths = sorted(path for path in self.root.glob(name) if path.is_file())
        else:
            paths = [path for path in [self.root / name] if path.is_file()]
        # A link may lead out of the folder.
        if any(not path.resolve().is_relative_to(self.root) for path in paths):
            raise place.wrong(f"{name} leads out of the config's folder: copy it in")
        if not paths:
            raise place.wrong(f"{name} is not found beside the config")
        return paths


def is_program(reference: str) -> bool:
    """Whether a reference names code that promptfoo would run: `file://grade.py:check`."""
    name = reference.removeprefix(SCHEME)
    return any(name.endswith(suffix) or f"{suffix}:" in name for suffix in PROGRAMS)


def value_of(path: Path) -> Placed:
    """The value of a YAML or JSON file, else its text without the white space around it."""
    if path.suffix in (".yaml", ".yml"):
        return YamlFile(path).at()
    if path.suffix == ".json":
        return next(json_values(path))
    return Placed(value=text_of(path).strip(), file=path.name)


def rows_of(path: Path) -> list[Placed]:
    """The rows of a table, or the objects of a data file, each with its line."""
    if path.suffix in TABLES:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        return _table(path, delimiter)
    if path.suffix in (".yaml", ".yml"):
        file = YamlFile(path)
        entries = file.at().items()
        return [replace(file.at(index), field_name="") for index in range(len(entries))]
    places = list(json_values(path))
    if len(places) == 1 and isinstance(places[0].value, list):
        return places[0].items()
    return places


def _table(path: Path, delimiter: str) -> list[Placed]:
    reader = csv.DictReader(io.StringIO(text_of(path), newline=""), delimiter=delimiter)
    rows = []
    try:
        for row in reader:
            place = Placed(value=None, file=path.name, line=reader.line_num)
            if None in row or None in row.values():
                raise place.wrong(f"has not as many cells as the header's {len(row)}")
            rows.append(replace(place, value={key.strip(): cell for key, cell in row.items()}))
    except csv.Error as error:
        message = f"is no table: {error}"
        raise Placed(value=None, file=path.name, line=reader.line_num).wrong(message) from error
    return rows


def var_value(path: Path) -> Any:
    """A var from a file, as promptfoo fills it in: YAML as the text of its JSON."""
    if path.suffix in (".yaml", ".yml"):
        return json.dumps(YamlFile(path).at().value, ensure_ascii=False, separators=(",", ":"))
    return text_of(path).strip()
