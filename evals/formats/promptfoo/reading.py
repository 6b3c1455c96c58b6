"""From a config to a suite: prompts × tests, vars expanded, defaults merged."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.formats import carried
from evals.formats.contract import CaseSpec, SuiteSpec, canonical_json
from evals.formats.documents import Placed, name_from
from evals.formats.promptfoo import cases, templates
from evals.formats.promptfoo.cases import Asked, Test
from evals.formats.promptfoo.prompts import is_for, prompts_of
from evals.formats.promptfoo.source import Source
from evals.formats.promptfoo.tests import Tests

READ = ("description", "prompts", "providers", "targets", "tests", "defaultTest", "scenarios")
REQUEST = (
    "temperature max_tokens max_completion_tokens top_p seed stop presence_penalty "
    "frequency_penalty response_format tool_choice reasoning_effort"
).split()


def read(path: Path) -> SuiteSpec:
    """The suite of a config, or of the `promptfooconfig.yaml` in a folder.

    FormatError names file, line and field.
    """
    return _Reading(Source(path)).suite()


class _Reading:
    """One config on its way to a suite."""

    def __init__(self, source: Source) -> None:
        self.source = source
        place = source.at("metadata", carried.KEY)
        self.head = carried.suite_at(place) if place.value is not None else None

    def suite(self) -> SuiteSpec:
        """All of it."""
        tests = Tests(self.source)
        found = self._cases(list(tests.all()))
        most = None if self.head is None else tests.n_default_asserts
        shared, found = cases.shared_graders(found, most)
        request, tools = self._request()
        if tools:
            found = [c if c.tools else dataclasses.replace(c, tools=tools) for c in found]
        self._tell_rest()
        labels = components_of(shared, found)
        if not (labels or self.head):
            message = "no assertion can be used, so nothing would be graded: "
            raise self.source.whole.wrong(message + "; ".join(self.source.told))
        given = str(self.source.whole.value.get("description") or "")
        name = name_from(given or self.source.folder.root.name)
        own = self.head or SuiteSpec(name=name, cases=(), graders=(), components={})
        return dataclasses.replace(
            own,
            cases=tuple(found),
            graders=shared,
            components={**labels, **own.components},
            request=request,
            description=own.description if given == own.name else given,
            not_expressible=tuple(dict.fromkeys(self.source.told)),
        )

    def _cases(self, tests: Sequence[Test]) -> list[CaseSpec]:
        prompts = prompts_of(self.source)
        found: dict[str, CaseSpec] = {}
        for test, base in zip(tests, cases.ids_of(tests), strict=True):
            chosen = [one for one in prompts if is_for(one, test)]
            if not chosen:
                raise test.place.at("prompts").wrong("names no prompt of this config")
            for label, text in chosen:
                case_id = base if len(prompts) == 1 else f"{base} · {label}"[:200]
                asked = Asked(test=test, prompt=self._render(text, test), label=label)
                case = self._case(asked, case_id, base if len(prompts) > 1 else "")
                if case.case_id in found:
                    raise test.place.wrong(f"case id {case.case_id!r} is used twice")
                if case.graders or self.head:
                    found[case.case_id] = case
                else:
                    message = f"case {case_id!r} is left out: no assertion of it can be used"
                    self.source.told.append(test.place.told(message))
        return list(found.values())

    def _case(self, asked: Asked, case_id: str, cluster: str) -> CaseSpec:
        rider = asked.test.metadata.get(carried.KEY)
        source = self.source
        made = cases.case_of(asked, case_id, cluster, source.folder, source.told, False)
        if self.head is None or not isinstance(rider, Mapping):
            return made
        row = {**rider, "id": asked.test.description, "input": made.input}
        row |= {"graders": made.graders} if made.graders else {}
        return carried.case_at(dataclasses.replace(asked.test.place, value=row))

    def _render(self, text: str, test: Test) -> str:
        options = test.place.value.get("options") or {}
        whole = f"{options.get('prefix', '')}{text}{options.get('suffix', '')}"
        place = self.source.at("prompts")
        for name in sorted(templates.names_in(whole) - set(test.variables) - {"env"}):
            self.source.told.append(
                place.told(f"{{{{{name}}}}} has no value in some tests: left empty")
            )
        try:
            parsed = json.loads(whole)
        except (ValueError, RecursionError):
            return templates.render(whole, test.variables, place)
        return json.dumps(templates.render_all(parsed, test.variables, place), ensure_ascii=False)

    def _request(self) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
        """Request settings and tools that all providers share."""
        whole = self.source.whole.value
        place = self.source.at("targets" if "targets" in whole else "providers")
        if place.value is None:
            return (self.head.request if self.head else {}), ()
        several = [place] if isinstance(place.value, str | Mapping) else place.items()
        names = carried.counted([_provider_name(one) for one in several])
        told = self.source.told
        told.append(place.told(f"{names}: a suite names no model; checkpoints answer"))
        if self.head is not None:
            return self.head.request, ()
        configs = [one.at("config").value or {} for one in several]
        if len({canonical_json(_asked_of(config)) for config in configs}) > 1:
            told.append(place.told("their config differs: none of it is taken over"))
            return {}, ()
        stray = sorted({key for config in configs for key in config} - {*REQUEST, "tools"})
        if stray:
            told.append(place.told(f"config {', '.join(stray)}: belongs to a deployment"))
        request = _asked_of(configs[0]) if configs else {}
        tools = request.pop("tools", ())
        return request, tools if isinstance(tools, list) else ()

    def _tell_rest(self) -> None:
        for key, value in self.source.whole.value.items():
            if key in READ or value in (None, [], {}):
                continue
            if key == "metadata" and set(value) == {carried.KEY}:
                continue
            self.source.told.append(self.source.at(key).told("is promptfoo's own and not kept"))


def _provider_name(place: Placed) -> str:
    if isinstance(place.value, str):
        return place.value
    if "id" in place.mapping():
        return str(place.value["id"])
    return str(next(iter(place.value), "?"))


def _asked_of(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key in (*REQUEST, "tools")}


def components_of(shared: Sequence[Mapping[str, Any]], found: Sequence[CaseSpec]) -> dict[str, str]:
    """Each component that these graders score, with what it means."""
    specs = [*shared, *(spec for case in found for spec in case.graders)]
    labels = [label for spec in specs for label in spec.get("components", ())]
    return {label: f"Assertions {label}" for label in labels}
