"""promptfoo's results, version 3, as a run."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals import graders
from evals.formats import carried
from evals.formats.contract import CaseSpec, FormatError, SuiteSpec, canonical_json
from evals.formats.documents import Placed, json_values, name_from
from evals.formats.promptfoo import cases, files
from evals.formats.promptfoo.cases import TOOL, Asked, Test
from evals.formats.promptfoo.makers import JUDGE
from evals.formats.promptfoo.reading import components_of
from evals.formats.promptfoo.results.rows import result_of
from evals.formats.promptfoo.results.stated import stated
from evals.formats.promptfoo.tests import filled
from evals.formats.results import RunLog
from evals.graders.contract import GradedCase

VERSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One result with the case that it answers."""

    place: Placed
    case_id: str
    repeat: int


def is_results(path: Path) -> bool:
    """Whether the file is an export of results, not a config."""
    if path.suffix != ".json" or not path.is_file():
        return False
    value = next(json_values(path)).value
    return isinstance(value, Mapping) and "results" in value


def read_run(path: Path) -> RunLog:
    """The run of an export `promptfoo eval -o out.json`; FormatError names the field.

    `out.json#PROVIDER` chooses among several providers.
    """
    file, provider = _chosen(path)
    return _Results(next(json_values(file)), file, provider).log()


def _chosen(path: Path) -> tuple[Path, str]:
    """The file, and the provider after its `#`, whose name may hold slashes."""
    name, _, provider = str(path).rpartition("#")
    return (Path(name), provider) if name and not path.exists() else (path, "")


class _Results:
    """One export while it is read."""

    def __init__(self, whole: Placed, file: Path, provider: str) -> None:
        self.whole = whole
        self.file = file
        self.told: list[str] = []
        body = whole.at("results")
        version = body.at("version")
        if version.value != VERSION:
            message = f"is {version.value!r}; export the eval again with a promptfoo of today"
            raise version.wrong(message)
        rows = body.at("results").items()
        if not rows:
            raise body.at("results").wrong("holds no result")
        self.provider = self._provider(rows, provider)
        mine = [row for row in rows if _provider_of(row) == self.provider]
        self.rows = sorted(mine, key=lambda row: (row.value["testIdx"], row.value["promptIdx"]))

    def _provider(self, rows: Sequence[Placed], wanted: str) -> str:
        names = sorted({_provider_of(row) for row in rows})
        if wanted in names:
            return wanted
        if wanted or len(names) > 1:
            several = ", ".join(names)
            message = f"holds answers of {several}: choose one as {self.file.name}#{names[0]}"
            raise FormatError(self.file.name, message, field_name="results.results")
        return names[0]

    def log(self) -> RunLog:
        """All of it."""
        rows = self._numbered()
        suite = self._suite(rows)
        known = {case.case_id: _labelled(suite, case) for case in suite.cases}
        results = [
            result_of(row.place, (row.case_id, row.repeat), known[row.case_id], self.told)
            for row in rows
        ]
        stamp = self.whole.at("results", "timestamp").value
        version = self.whole.at("metadata", "promptfooVersion").value
        return RunLog(
            suite=suite,
            model=self.provider,
            results=results,
            repeats=1 + max(row.repeat for row in rows),
            stated=tuple(stated(self.whole, self.provider, self.rows)),
            created_at=_instant(stamp),
            tool=f"{TOOL} {version}" if version else TOOL,
            not_expressible=tuple(dict.fromkeys(self.told)),
        )

    def _numbered(self) -> list[_Row]:
        """Results by case and repeat; a test that stands twice in the config is two cases."""
        n_repeats = self._n_repeats()
        several = len({row.value["promptIdx"] for row in self.rows}) > 1
        seen: Counter[str] = Counter()
        tests: dict[str, Test] = {}
        found: list[tuple[Placed, str, int, str]] = []
        for place in self.rows:
            test = _test(place)
            key = canonical_json([test.place.value, test.variables])
            count = seen[f"{key}{place.value['promptIdx']}"]
            seen[f"{key}{place.value['promptIdx']}"] += 1
            whose = f"{key}#{count // n_repeats}"
            tests.setdefault(whose, test)
            found.append((place, whose, count % n_repeats, _label(place)))
        bases = dict(zip(tests, cases.ids_of(list(tests.values())), strict=True))
        return [
            _Row(
                place=place,
                case_id=f"{bases[whose]} · {label}"[:200] if several else bases[whose],
                repeat=repeat,
            )
            for place, whose, repeat, label in found
        ]

    def _n_repeats(self) -> int:
        for where in (("runtimeOptions", "repeat"), ("config", "evaluateOptions", "repeat")):
            value = self.whole.at(*where).value
            if isinstance(value, int) and value > 0:
                return value
        return 1

    def _suite(self, rows: Sequence[_Row]) -> SuiteSpec:
        several = len({row.place.value["promptIdx"] for row in rows}) > 1
        found: dict[str, CaseSpec] = {}
        for row in rows:
            if row.case_id not in found:
                cluster = row.case_id.removesuffix(f" · {_label(row.place)}") if several else ""
                prompt = row.place.at("prompt", "raw").text()
                asked = Asked(test=_test(row.place), prompt=prompt, label=_label(row.place))
                folder = files.Folder(self.file.parent)
                made = cases.case_of(asked, row.case_id, cluster, folder, self.told, True)
                found[row.case_id] = self._carried(made, asked)
        head = self._head()
        default = self.whole.at("config", "defaultTest", "assert").value or ()
        most = None if head is None else len(default)
        shared, kept = cases.shared_graders(list(found.values()), most)
        description = str(self.whole.at("config", "description").value or "")
        name = name_from(description or self.file.stem)
        own = head or SuiteSpec(
            name=name, description=description, cases=(), graders=(), components={}
        )
        labels = components_of(shared, kept) | _own_labels(shared, kept)
        return dataclasses.replace(
            own, cases=kept, graders=shared, components=labels | dict(own.components)
        )

    def _head(self) -> SuiteSpec | None:
        """The suite that the config was exported from."""
        place = self.whole.at("config", "metadata", carried.KEY)
        return carried.suite_at(place) if place.value is not None else None

    def _carried(self, made: CaseSpec, asked: Asked) -> CaseSpec:
        """With what an exported test carries of the case that it was."""
        rider = asked.test.metadata.get(carried.KEY)
        if not isinstance(rider, Mapping):
            return made
        row = {**rider, "id": made.case_id, "input": made.input, "graders": made.graders}
        return carried.case_at(dataclasses.replace(asked.test.place, value=row))


def _provider_of(row: Placed) -> str:
    place = row.at("provider")
    return place.at("label").value or place.at("id").text()


def _label(row: Placed) -> str:
    return str(row.at("prompt", "label").value or row.value["promptIdx"])


def _test(row: Placed) -> Test:
    """The test as it was run: defaults merged in, one choice of each var."""
    place = row.at("testCase")
    options = place.mapping().get("options") or {}
    given = place.at("assert")
    return Test(
        place=place,
        variables=filled(dict(row.at("vars").value or {}), row),
        asserts=given.items() if given.value else (),
        threshold=place.value.get("threshold"),
        metadata=place.value.get("metadata") or {},
        judge=options.get("provider") or JUDGE,
    )


def _labelled(suite: SuiteSpec, case: CaseSpec) -> tuple[GradedCase, list[str]]:
    """The case as graders see it, and each component that they score on it."""
    graded = case.graded()
    every = graders.check_graded(suite.graders, graded)
    return graded, sorted({label for _, labels in every for label in labels})


def _own_labels(shared: Sequence[Any], kept: Sequence[CaseSpec]) -> dict[str, str]:
    """Components of graders that name them by the case."""
    labels = {
        label
        for case in kept
        for _, several in graders.check_graded(shared, case.graded())
        for label in several
    }
    return {label: f"Assertions {label}" for label in sorted(labels)}


def _instant(text: object) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
