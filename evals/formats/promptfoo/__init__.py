"""`promptfoo`: its configs as suites, and its results (version 3) as runs."""

from __future__ import annotations

from pathlib import Path

from evals.formats.contract import SuiteSpec
from evals.formats.promptfoo import reading, results
from evals.formats.promptfoo.results import read_run
from evals.formats.promptfoo.writing import write

__all__ = ["read", "read_run", "write"]


def read(path: Path) -> SuiteSpec:
    """The suite of a config, of a folder with one, or of an export of results.

    FormatError names file, line and field.
    """
    return read_run(path).suite if results.is_results(path) else reading.read(path)
