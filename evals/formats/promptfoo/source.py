"""A config while it is read: its values with their lines, its folder, what was told of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from evals.formats.contract import FormatError
from evals.formats.documents import Placed, YamlFile, json_values
from evals.formats.promptfoo import files

CONFIG_NAMES = tuple(f"promptfooconfig.{suffix}" for suffix in ("yaml", "yml", "json"))


class Source:
    """A config file."""

    def __init__(self, path: Path) -> None:
        file = _config_file(path)
        self._document = None if file.suffix == ".json" else YamlFile(file)
        self.whole = self._document.at() if self._document else next(json_values(file))
        self.folder = files.Folder(file.parent)
        self.told: list[str] = []
        known = ("prompts", "tests", "scenarios")
        if not any(key in self.whole.mapping() for key in known):
            raise self.whole.wrong("is no config of promptfoo: it has neither prompts nor tests")

    def at(self, *parts: str | int) -> Placed:
        """The value there, with its line where the file is YAML."""
        return self._document.at(*parts) if self._document else self.whole.at(*parts)

    def read_in(self, place: Placed) -> Placed:
        """The place itself, or what the file or the part of this config that it names holds."""
        value = place.value
        if isinstance(value, str) and value.startswith(files.SCHEME):
            if files.is_program(value):
                raise place.wrong(f"{value} is a program; put what it gives into the file")
            return files.value_of(self.folder.found(value, place)[0])
        if isinstance(value, dict) and set(value) == {"$ref"}:
            found = self.at(*str(value["$ref"]).removeprefix("#/").split("/"))
            if found.value is None:
                raise place.wrong(f"{value['$ref']} is not in this file")
            return dataclasses.replace(found, line=place.line, field_name=place.field_name)
        return place


def _config_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in CONFIG_NAMES:
        if (path / name).is_file():
            return path / name
    raise FormatError(path.name, f"holds none of {', '.join(CONFIG_NAMES)}")
