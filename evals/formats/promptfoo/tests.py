"""The tests of a config: from its files and scenarios, defaults merged, vars expanded."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from evals.formats.documents import Placed
from evals.formats.promptfoo import asserts, csv_tests, files, templates
from evals.formats.promptfoo.cases import Test
from evals.formats.promptfoo.makers import JUDGE
from evals.formats.promptfoo.source import Source

MOST_CASES = 100_000
OF_A_TEST = "description vars assert threshold metadata options prompts".split()
OF_OPTIONS = "provider prefix suffix disableVarExpansion disableDefaultAsserts".split()


@dataclasses.dataclass(frozen=True, slots=True)
class _At:
    """An assertion that keeps its place while tests are merged."""

    place: Placed


class Tests:
    """The tests that a config holds or names."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._default = self._default_test()
        self._default.mapping()

    @property
    def n_default_asserts(self) -> int:
        """How many assertions every test begins with."""
        return len(self._assert_list(self._default.at("assert")))

    def _default_test(self) -> Placed:
        place = self._source.read_in(self._source.at("defaultTest"))
        return place if place.value is not None else dataclasses.replace(place, value={})

    def all(self) -> Iterator[Test]:
        """Each test of the config, of its files and scenarios, in promptfoo's order."""
        default = self._default
        given = list(self._given_tests(self._source.at("tests")))
        scenarios = list(self._scenarios())
        if not given and not scenarios:
            given = [dataclasses.replace(self._source.whole, value={}, field_name="tests")]
        for place in (*given, *scenarios):
            yield from self._expanded(self._merged(place, default))

    def _given_tests(self, place: Placed) -> Iterator[Placed]:
        if place.value is None:
            return
        if isinstance(place.value, str):
            yield from self._tests_of_file(place)
            return
        if isinstance(place.value, Mapping):
            self._source.told.append(place.told("tests that a program makes are not made here"))
            return
        for index in range(len(place.items())):
            one = (
                self._source.at("tests", index) if place.field_name == "tests" else place.at(index)
            )
            if isinstance(one.value, str):
                yield from self._tests_of_file(one)
            elif isinstance(one.value, Mapping) and "path" in one.value:
                self._source.told.append(one.told("tests that a program makes are not made here"))
            else:
                yield one

    def _tests_of_file(self, place: Placed) -> Iterator[Placed]:
        if files.is_program(place.text()) or place.value.startswith(("http:", "https:")):
            raise place.wrong(f"{place.value}: export the tests to a .yaml, .json or .csv file")
        for path in self._source.folder.found(place.value, place):
            for row in files.rows_of(path):
                is_cell = path.suffix in files.TABLES
                yield csv_tests.test_of_row(row, asserts.KINDS) if is_cell else row

    def _scenarios(self) -> Iterator[Placed]:
        """Every config of a scenario with every test of it."""
        scenarios = self._source.at("scenarios")
        for scenario in scenarios.items() if scenarios.value is not None else ():
            read = self._source.read_in(scenario)
            configs = list(self._given_tests(read.at("config")))
            tests = list(self._given_tests(read.at("tests"))) or [
                dataclasses.replace(read, value={})
            ]
            for config, test in itertools.product(configs, tests):
                yield self._merged(test, config)

    def _merged(self, place: Placed, default: Placed) -> Placed:
        """The test with what `default` gives it; its own fields win, assertions add up."""
        test, under = place.mapping(), default.mapping()
        merged = {**under, **test}
        for key in ("vars", "options", "metadata"):
            inner = [self._fields(one.at(key)) for one in (default, place)]
            if any(inner):
                merged[key] = {**inner[0], **inner[1]}
        if (merged.get("options") or {}).get("disableDefaultAsserts"):
            under = {}
        given = [default.at("assert")] if "assert" in under else []
        given += [place.at("assert")] if "assert" in test else []
        merged["assert"] = [one for listed in given for one in self._assert_list(listed)]
        return dataclasses.replace(place, value=merged)

    def _fields(self, place: Placed) -> Mapping[str, Any]:
        return {} if place.value is None else self._source.read_in(place).mapping()

    def _assert_list(self, place: Placed) -> list[Any]:
        if place.value is None:
            return []
        found: list[Any] = []
        for one in place.items():
            read = one if isinstance(one.value, _At) else self._source.read_in(one)
            several = read.items() if isinstance(read.value, list) else [read]
            found += [each.value if isinstance(each.value, _At) else _At(each) for each in several]
        return found

    def _expanded(self, place: Placed) -> Iterator[Test]:
        test = place.mapping()
        options = test.get("options") or {}
        strays = [place.at(key) for key in test if key not in OF_A_TEST]
        strays += [place.at("options", key) for key in options if key not in OF_OPTIONS]
        self._source.told += [stray.told("is not applied here") for stray in strays]
        variables = test.get("vars") or {}
        for chosen in self._combinations(place, variables, options.get("disableVarExpansion")):
            yield Test(
                place=place,
                variables=chosen,
                asserts=[one.place for one in test["assert"]],
                threshold=test.get("threshold"),
                metadata=test.get("metadata") or {},
                judge=options.get("provider") or JUDGE,
            )

    def _combinations(
        self, place: Placed, variables: Mapping[str, Any], as_they_are: bool | None
    ) -> Iterator[dict[str, Any]]:
        """The product of those vars that are lists of texts, as promptfoo makes it."""
        choices: list[list[Any]] = []
        for key, value in variables.items():
            if isinstance(value, str) and value.startswith(files.SCHEME):
                choices.append(self._from_files(place.at("vars", key)))
            else:
                is_several = isinstance(value, list) and value and isinstance(value[0], str)
                choices.append(value if is_several and not as_they_are else [value])
        n = math.prod(len(several) for several in choices)
        if n > MOST_CASES:
            raise place.at("vars").wrong(f"make {n:,} tests; {MOST_CASES:,} is the most")
        for chosen in itertools.product(*choices):
            yield filled(dict(zip(variables, chosen, strict=True)), place)

    def _from_files(self, place: Placed) -> list[Any]:
        if files.is_program(place.value):
            raise place.wrong(f"{place.value} is a program; put what it gives into the file")
        return [files.var_value(path) for path in self._source.folder.found(place.value, place)]


def filled(variables: dict[str, Any], place: Placed) -> dict[str, Any]:
    """Vars may use each other; a text loses one line end, as in promptfoo."""
    trimmed = {
        key: value.removesuffix("\n") if isinstance(value, str) else value
        for key, value in variables.items()
    }
    found = dict(trimmed)
    for key, value in trimmed.items():
        if isinstance(value, str) and templates.names_in(value) <= set(trimmed):
            found[key] = templates.render(value, trimmed, place.at("vars", key))
    return found
