"""What an import would do, told before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evals.formats.contract import SuiteSpec
from evals.formats.results import RunLog, check_log
from evals.models import Suite
from evals.selectors import suites as reads
from evals.services import case_checks, drafts, run_imports
from releases.selectors.staleness import Stale


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenSuite:
    """What importing a suite under a name would make."""

    suite: str
    version: int
    """The number that it would have, or has already."""
    is_new: bool
    """False: the newest version holds exactly this already."""
    n_cases: int
    components: Sequence[str]
    graders: Mapping[str, int]
    """Type of grader, and how many of the suite or of cases are of it."""
    not_expressible: Sequence[str]
    stale: Sequence[Stale]

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return {**told, "stale": [one.as_dict() for one in self.stale]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenRun:
    """What importing a log for a checkpoint would make."""

    suite: str
    makes_suite: bool
    """True: there is no suite of that name, it would be imported from the log."""
    tool: str
    model: str
    n_cases: int
    repeats: int
    n_results: int
    states: Mapping[str, int]
    """Results by state."""
    stated: Sequence[str]
    """Names of the numbers that the tool states."""
    not_expressible: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def foresee_suite(*, name: str, suite: SuiteSpec, publish: bool = True) -> ForeseenSuite:
    """Refused for the same reasons as the import itself."""
    case_checks.check_suite(name, suite)
    row = Suite.objects.filter(name=name).first()
    newest = reads.newest_published(row) if row else None
    is_new = newest is None or newest.digest != suite.digest()
    if row and is_new:
        drafts.refuse_open(row)
    kinds = Counter(str(spec["type"]) for spec in suite.graders)
    kinds.update(str(spec["type"]) for case in suite.cases for spec in case.graders)
    numbers = row.versions.order_by("-number").values_list("number", flat=True)[:1] if row else ()
    last = next(iter(numbers), 0)
    return ForeseenSuite(
        suite=name,
        version=last + 1 if is_new or newest is None else newest.number,
        is_new=is_new,
        n_cases=len(suite.cases),
        components=sorted(suite.components),
        graders=dict(sorted(kinds.items())),
        not_expressible=suite.not_expressible,
        stale=reads.stale_by_import(name, suite) if is_new and publish else (),
    )


def foresee_run(*, log: RunLog, format_name: str, suite: str = "") -> ForeseenRun:
    """Refused for the same reasons as the import itself."""
    check_log(log, format_name)
    name = suite or log.suite.name
    version = run_imports.fitting_version(name, log.suite)
    if version is None:
        case_checks.check_suite(name, log.suite)
    return ForeseenRun(
        suite=name,
        makes_suite=version is None,
        tool=log.tool,
        model=log.model,
        n_cases=len(log.suite.cases),
        repeats=log.repeats,
        n_results=len(log.results),
        states=dict(sorted(Counter(result.state.value for result in log.results).items())),
        stated=[metric.name for metric in log.stated],
        not_expressible=list(dict.fromkeys([*log.suite.not_expressible, *log.not_expressible])),
    )
