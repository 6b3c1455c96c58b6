"""A run as files of other tools carry it: what `read_run` of a format gives.

A format reads; `evals.services.run_imports` checks, stores and makes the metrics. Nothing in a
file is trusted to be a mean: what the tool stated is kept beside what Slipway computes.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from evals.formats.contract import FormatError, SuiteSpec, sha256_of
from evals.graders.contract import ComponentGrade
from evals.outputs import Output
from evals.states import SCORED, ResultState

LARGEST_COUNT = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSpec:
    """What became of one (case, repeat)."""

    case_id: str
    repeat: int = 0
    """From 0."""
    state: ResultState
    score: float | None = None
    """In 0..1 for passed, failed and refused; None for every other state."""
    components: Mapping[str, ComponentGrade] = field(default_factory=dict)
    output: Output | None = None
    """None when nothing was answered."""
    explanation: str = ""
    error_code: str = ""
    """Of an errored result; the tool's own name of the failure where it has one."""
    error_message: str = ""
    n_calls: int = 1
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_micros: int | None = None
    latency_ms: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The result as canonical JSON takes it, for the log's digest."""
        shares = {
            label: [share.score, share.explanation] for label, share in self.components.items()
        }
        output = self.output and [
            self.output.text,
            list(self.output.tool_calls),
            self.output.finish_reason,
        ]
        scalars = {
            name: getattr(self, name)
            for name in self.__slots__
            if name not in ("components", "output")
        }
        return {**scalars, "components": shares, "output": output}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedMetric:
    """A number that the tool itself reports of the run."""

    name: str
    """As the tool names it: `match/accuracy`, `acc,none`."""
    value: float | None
    """None when the tool states that there is none (NaN, `N/A`)."""
    node: str | None = None
    """The component whose mean it is; "" the whole suite; None: nothing that Slipway computes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """One model's answers to a suite, scored elsewhere."""

    suite: SuiteSpec
    """The cases as the log holds them; graders as in Slipway, or `external`."""
    model: str
    """The model's name in the log; the checkpoint is named by whoever imports."""
    results: Sequence[ResultSpec]
    """At most one of each (case, repeat); those left out were never answered."""
    repeats: int = 1
    stated: Sequence[StatedMetric] = ()
    created_at: datetime.datetime | None = None
    """When the tool made it, as the file says."""
    tool: str = ""
    """Name and version: `inspect_ai 0.3.100`."""
    not_expressible: Sequence[str] = ()
    """What the file said of the run and Slipway cannot hold, one sentence each."""

    def digest(self) -> str:
        """SHA-256 of cases, grading and every result: the same log, whichever file carried it."""
        return sha256_of(
            {
                "suite": self.suite.digest(),
                "model": self.model,
                "repeats": self.repeats,
                "results": [
                    result.as_json()
                    for result in sorted(self.results, key=lambda one: (one.case_id, one.repeat))
                ],
            }
        )


class RunFormat(Protocol):
    """A format that also carries results is a module with this function beside `read`."""

    def read_run(self, path: Path) -> RunLog:
        """The run at the path; FormatError names file, line and field."""


def check_log(log: RunLog, file: str) -> None:
    """FormatError unless each result is of a known case, once, with a score that fits its state."""
    known = {case.case_id for case in log.suite.cases}
    seen: set[tuple[str, int]] = set()
    for result in log.results:
        key, where = (result.case_id, result.repeat), f"case {result.case_id}#{result.repeat}"
        if result.case_id not in known:
            raise FormatError(
                file, "a result of a case that the log does not hold", field_name=where
            )
        if not 0 <= result.repeat < log.repeats:
            message = f"repeat {result.repeat} of a log with {log.repeats}"
            raise FormatError(file, message, field_name=where)
        if key in seen:
            raise FormatError(file, "it has two results for one (case, repeat)", field_name=where)
        seen.add(key)
        problem = _score_problem(result) or _value_problem(result)
        if problem:
            raise FormatError(file, problem, field_name=where)


def _value_problem(result: ResultSpec) -> str:
    """What is no count, no duration or no text, where one has to be."""
    for name in ("n_calls", "tokens_in", "tokens_out", "cost_micros"):
        value = getattr(result, name)
        is_count = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (is_count and 0 <= value <= LARGEST_COUNT):
            return f"{name} of {value!r}, which is no count"
    span = result.latency_ms
    is_number = isinstance(span, int | float) and not isinstance(span, bool)
    if span is not None and not (is_number and 0 <= span < math.inf):
        return f"latency_ms of {span!r}, which is no duration"
    for name in ("explanation", "error_code", "error_message"):
        if not isinstance(getattr(result, name), str):
            return f"{name} of {getattr(result, name)!r}, which is no text"
    return ""


def _score_problem(result: ResultSpec) -> str:
    if (result.state in SCORED) != (result.score is not None):
        return f"{result.state.value} with a score of {result.score}"
    scores = [share.score for share in result.components.values()]
    if result.score is not None:
        scores.append(result.score)
    bad = [score for score in scores if not (math.isfinite(score) and 0 <= score <= 1)]
    return f"a score of {bad[0]}, outside 0..1" if bad else ""
