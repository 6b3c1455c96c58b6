"""The registry of suite formats."""

from __future__ import annotations

import importlib
from pathlib import Path

from evals.formats.contract import SuiteFormat, SuiteSpec
from infra.errors import InvalidInput

FORMATS = {"slipway": "evals.formats.slipway"}


def names() -> tuple[str, ...]:
    """Every format that can be named."""
    return tuple(sorted(FORMATS))


def get(name: str) -> SuiteFormat:
    """The format of this name."""
    if name not in FORMATS:
        known = ", ".join(names())
        raise InvalidInput("format", f"unknown format {name!r}; the formats here are {known}")
    return importlib.import_module(FORMATS[name])


def read(name: str, path: Path) -> SuiteSpec:
    """The suite at the path, in the named format."""
    return get(name).read(path)


def write(name: str, suite: SuiteSpec, path: Path) -> None:
    """Write the suite to the path in the named format."""
    get(name).write(suite, path)
