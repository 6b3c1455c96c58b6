"""Inspect's logs, `.json` and `.eval`: a run with its suite, scored by Inspect's scorers."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evals.formats.contract import CaseSpec, FormatError, SuiteSpec
from evals.formats.inspect import archive, messages, samples
from evals.formats.inspect.archive import Log
from evals.formats.inspect.scores import (
    Base,
    Grouping,
    grouping_of,
    number_of,
    stated,
    values_of,
)
from evals.formats.results import ResultSpec, RunLog
from infra.errors import InvalidInput

SHOWN = 5


def read(path: Path) -> SuiteSpec:
    """The suite of the log: the samples that ran, graded by Inspect alone."""
    log = read_run(path)
    return replace(log.suite, not_expressible=log.not_expressible)


def write(suite: SuiteSpec, path: Path) -> None:
    """Always refused: a log holds answers, and a suite has none."""
    message = "an Inspect log is made by a run of Inspect: a suite alone can't be written as one"
    raise InvalidInput("format", message)


def read_run(path: Path) -> RunLog:
    """The log's run; FormatError names the entry of the file and what is wrong with it."""
    log = archive.open_log(path)
    try:
        return _run_of(log)
    except (AttributeError, KeyError, TypeError) as error:
        message = f"is not shaped as Inspect's logs are: {error!r}"
        raise FormatError(log.file, message) from error


@dataclass(slots=True)
class _Read:
    """What the samples gave, gathered one at a time."""

    log: Log
    grouping: Grouping
    cases: dict[str, tuple[Any, CaseSpec]] = field(default_factory=dict)
    results: list[ResultSpec] = field(default_factory=list)
    bases: set[Base] = field(default_factory=set)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def add(self, where: str, sample: dict[str, Any]) -> None:
        """One sample; FormatError for one that can't be a case."""
        case_id = str(sample["id"])
        known = self.cases.get(case_id)
        if known is None:
            self.cases[case_id] = (sample["id"], self._case(where, sample))
        elif known[0] != sample["id"]:
            message = f"samples {known[0]!r} and {sample['id']!r} have one id as text"
            raise FormatError(self.log.file, message, field_name=where)
        self.bases |= samples.scored_bases(sample)
        self.results.append(
            samples.result_of(sample, self.log.header["eval"]["model"], self.grouping)
        )
        self._note(sample)

    def _case(self, where: str, sample: dict[str, Any]) -> CaseSpec:
        try:
            return samples.case_of(sample, ())
        except messages.Unknown as unknown:
            raise FormatError(self.log.file, str(unknown), field_name=where) from unknown

    def _note(self, sample: Mapping[str, Any]) -> None:
        """What this sample holds and Slipway does not, by kind."""
        name = f"{sample['id']}#{sample['epoch']}"
        for kind in ("sandbox", "files", "setup"):
            if sample.get(kind):
                self._lost(f"`{kind}` of a sample", name)
        if sample.get("invalidation"):
            self._lost("the invalidation of a sample (its score is kept)", name)
        for scorer, score in (sample.get("scores") or {}).items():
            if score.get("history"):
                self._lost(f"the history of edits to a score of {scorer}", name)
            for base, value in values_of(scorer, score.get("value")):
                number = number_of(value)
                is_nan = isinstance(value, float) and value != value
                if (number is None and not is_nan) or not 0 <= (number or 0) <= 1:
                    self._lost(f"scores of {'.'.join(base)} outside 0..1, such as {value!r}", name)

    def _lost(self, what: str, name: str) -> None:
        kind = next((k for k in self.left_out if k.split(",")[0] == what.split(",")[0]), what)
        self.left_out.setdefault(kind, []).append(name)


def _run_of(log: Log) -> RunLog:
    head = log.header["eval"]
    read = _Read(log=log, grouping=grouping_of(log.header))
    for where, sample in log.samples():
        read.add(where, sample)
    if not read.cases:
        raise FormatError(log.file, "holds no sample: nothing was logged before it ended")
    cases = [_labelled(case, read) for _, case in read.cases.values()]
    epochs = (head.get("config") or {}).get("epochs") or 1
    repeats = max([int(epochs), *(result.repeat + 1 for result in read.results)])
    labels = {label for case in cases for label in case.components}
    return RunLog(
        suite=_suite(head, cases, read.bases),
        model=str(head["model"]),
        results=read.results,
        repeats=repeats,
        stated=stated(log.header, labels),
        created_at=_moment(head.get("created")),
        tool=" ".join(["inspect_ai", (head.get("packages") or {}).get("inspect_ai", "")]).strip(),
        not_expressible=list(_not_expressible(log, read, repeats)),
    )


def _labelled(case: CaseSpec, read: _Read) -> CaseSpec:
    labels = {label for base in read.bases for label in read.grouping.labels(base, case.metadata)}
    return replace(case, components=tuple(sorted(labels)))


def _suite(head: Mapping[str, Any], cases: list[CaseSpec], bases: Iterable[Base]) -> SuiteSpec:
    labels = sorted({label for case in cases for label in case.components})
    scorers = sorted({base[0] for base in bases})
    return SuiteSpec(
        name=suite_name(str(head["task"])),
        cases=cases,
        graders=[{"type": "external", "tool": "Inspect", "scorers": scorers}],
        components={label: f"scored by Inspect: {label}" for label in labels},
        description=f"Inspect task {head['task']}, version {head.get('task_version', 0)}.",
    )


def suite_name(task: str) -> str:
    """The task's name in the letters that a suite's name may have."""
    name = re.sub(r"[^a-z0-9_-]+", "-", task.lower()).strip("-_")
    return name[:80] or "inspect"


def _moment(text: Any) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(text) if text else None
    except (TypeError, ValueError):
        return None


def _not_expressible(log: Log, read: _Read, repeats: int) -> Iterable[str]:
    yield "events, store and intermediate messages of the samples: only the last output is kept"
    status = log.header.get("status", "started")
    if status != "success":
        error = (log.header.get("error") or {}).get("message")
        yield f"the log's status is {status!r}" + (f": {error}" if error else "")
    wanted = (log.header["eval"].get("dataset") or {}).get("sample_ids") or ()
    absent = [str(one) for one in wanted if str(one) not in read.cases]
    if absent:
        yield f"{len(absent)} samples that never ended: {_some(absent)}"
    missing = len(read.cases) * repeats - len(read.results)
    if missing:
        yield f"{missing} epochs of samples that never ended: they are skipped"
    for what, names in read.left_out.items():
        yield f"{what}: {_some(names)}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
