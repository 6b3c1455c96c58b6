"""The registry of suite formats."""

from __future__ import annotations

import importlib
from pathlib import Path

from evals.formats.contract import SuiteFormat, SuiteSpec
from evals.formats.results import RunFormat, RunLog
from infra.errors import InvalidInput

FORMATS = {
    "bfcl": "evals.formats.bfcl",
    "ifeval": "evals.formats.ifeval",
    "slipway": "evals.formats.slipway",
    "inspect": "evals.formats.inspect",
    "lm-eval": "evals.formats.lm_eval",
    "openai-evals": "evals.formats.openai_evals",
    "openai-registry": "evals.formats.openai_registry",
    "promptfoo": "evals.formats.promptfoo",
}
# Formats whose files may also carry a run: their modules have `read_run`.
RUN_FORMATS = frozenset({"inspect", "lm-eval", "openai-evals", "promptfoo"})


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


def run_names() -> tuple[str, ...]:
    """Every format that a run can be imported from."""
    return tuple(sorted(RUN_FORMATS))


def read_run(name: str, path: Path) -> RunLog:
    """The run at the path, in the named format."""
    if name not in RUN_FORMATS:
        known = ", ".join(run_names())
        raise InvalidInput("format", f"{name!r} carries no runs; the formats that do are {known}")
    module: RunFormat = importlib.import_module(FORMATS[name])
    return module.read_run(path)


def write(name: str, suite: SuiteSpec, path: Path) -> tuple[str, ...]:
    """Write the suite to the path in the named format.

    Gives what the format's own tool will not see of it, one sentence each.
    """
    return tuple(get(name).write(suite, path) or ())
