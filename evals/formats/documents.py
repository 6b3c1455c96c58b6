"""JSON, JSON Lines and YAML as other tools write them, each value with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from evals.formats import yaml_text
from evals.formats.contract import FormatError

NOT_IN_A_NAME = re.compile(r"[^a-z0-9._-]+")
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A value with where it stands."""

    value: Any
    file: str
    line: int | None = None
    field_name: str = ""

    def at(self, *parts: str | int) -> Placed:
        """The same place, deeper; the value is looked up where it is there, else None."""
        value, name = self.value, self.field_name
        for part in parts:
            name += f"[{part}]" if isinstance(part, int) else f".{part}"
            inside = isinstance(value, Mapping) and part in value
            inside |= isinstance(value, list) and isinstance(part, int) and part < len(value)
            value = value[part] if inside else None
        return replace(self, value=value, field_name=name.lstrip("."))

    def wrong(self, message: str) -> FormatError:
        """The refusal of this value."""
        return FormatError(self.file, message, line=self.line, field_name=self.field_name)

    def told(self, message: str) -> str:
        """A sentence about this value that begins with its place."""
        line = f" line {self.line}" if self.line else ""
        field_name = f", {self.field_name}" if self.field_name else ""
        return f"{self.file}{line}{field_name}: {message}"

    def mapping(self) -> Mapping[str, Any]:
        """The value, which must be an object."""
        if not isinstance(self.value, Mapping):
            raise self.wrong(f"must be an object, not {_kind(self.value)}")
        return self.value

    def items(self) -> list[Placed]:
        """The entries of the value, which must be a list."""
        if not isinstance(self.value, list):
            raise self.wrong(f"must be a list, not {_kind(self.value)}")
        return [self.at(index) for index in range(len(self.value))]

    def text(self) -> str:
        """The value, which must be a text."""
        if not isinstance(self.value, str):
            raise self.wrong(f"must be a text, not {_kind(self.value)}")
        return self.value


def _kind(value: object) -> str:
    return {"NoneType": "missing", "str": "a text", "dict": "an object", "list": "a list"}.get(
        type(value).__name__, f"{value!r}"
    )


def text_of(path: Path) -> str:
    """The file's text; FormatError when it is missing, no file or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise FormatError(path.name, f"not found in {path.parent}") from error
    except IsADirectoryError as error:
        raise FormatError(path.name, "is a folder, not a file") from error
    except UnicodeDecodeError as error:
        raise FormatError(path.name, f"is not UTF-8 (byte {error.start})") from error


def json_values(path: Path, *, nan_as_null: bool = False) -> Iterator[Placed]:
    """The one value of a JSON file, or each line's of a JSON Lines file.

    NaN and infinities are no JSON and refused, or null where a tool is known to write them.
    """
    text = text_of(path)
    loads = _loads_nan if nan_as_null else _loads
    if path.suffix != ".jsonl":
        try:
            yield Placed(value=loads(text), file=path.name)
            return
        except (ValueError, RecursionError) as error:
            if not _looks_like_lines(text):
                line = error.lineno if isinstance(error, json.JSONDecodeError) else None
                raise FormatError(path.name, f"is not JSON: {error}", line=line) from error
    yield from _lines(text, path.name, loads)


def _lines(text: str, file: str, loads: Callable[[str], Any]) -> Iterator[Placed]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield Placed(value=loads(line), file=file, line=number)
            except (ValueError, RecursionError) as error:
                raise FormatError(file, f"is not JSON: {error}", line=number) from error


def _looks_like_lines(text: str) -> bool:
    """Whether the first line alone is JSON, and more follow."""
    first, _, rest = text.strip().partition("\n")
    try:
        _loads(first)
    except (ValueError, RecursionError):
        return False
    return bool(rest)


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _loads_nan(text: str) -> Any:
    return json.loads(text, parse_constant=lambda name: None)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


class YamlFile:
    """A YAML file's value, whose places know their lines."""

    def __init__(self, path: Path) -> None:
        text = text_of(path)
        try:
            value, self._lines = yaml_text.load_large(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise FormatError(path.name, f"is not YAML: {error.problem}", line=line) from error
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise FormatError(path.name, f"is not YAML: {error}") from error
        self.root = Placed(value=value, file=path.name)

    def at(self, *parts: str | int) -> Placed:
        """The value at that path, with its line."""
        return replace(self.root.at(*parts), line=self._lines.of(parts))


def name_from(text: str) -> str:
    """A suite's name made of any text."""
    name = NOT_IN_A_NAME.sub("-", text.lower()).strip("-._")[:LONGEST_NAME]
    return name or "imported"
