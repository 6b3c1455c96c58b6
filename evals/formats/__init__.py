"""The registry of suite formats."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evals.formats.contract import FormatError, SuiteFormat, SuiteSpec
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
# What reading a value of another shape than the tool writes ends in, wherever it is looked at.
MALFORMED = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    StopIteration,
    TypeError,
    ValueError,
)


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
    """The suite at the path, in the named format; FormatError says where it is none."""
    with _as_written_by(name, path):
        return get(name).read(path)


def run_names() -> tuple[str, ...]:
    """Every format that a run can be imported from."""
    return tuple(sorted(RUN_FORMATS))


def read_run(name: str, path: Path) -> RunLog:
    """The run at the path, in the named format; FormatError says where it is none."""
    if name not in RUN_FORMATS:
        known = ", ".join(run_names())
        raise InvalidInput("format", f"{name!r} carries no runs; the formats that do are {known}")
    module: RunFormat = importlib.import_module(FORMATS[name])
    with _as_written_by(name, path):
        return module.read_run(path)


@contextmanager
def _as_written_by(name: str, path: Path) -> Iterator[None]:
    """A file whose values have other shapes than the tool writes is refused, not a defect."""
    try:
        yield
    except MALFORMED as error:
        message = f"is not as {name} writes it ({type(error).__name__}: {error})"
        raise FormatError(path.name, message) from error
    except OSError as error:
        raise FormatError(path.name, f"can't be read: {error.strerror}") from error


def write(name: str, suite: SuiteSpec, path: Path) -> tuple[str, ...]:
    """Write the suite to the path in the named format.

    Gives what the format's own tool will not see of it, one sentence each.
    """
    return tuple(get(name).write(suite, path) or ())
