"""A test with its prompt as a case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from evals.formats import carried, yaml_text
from evals.formats.contract import CaseSpec, canonical_json
from evals.formats.documents import Placed
from evals.formats.promptfoo import asserts, counterparts, files
from evals.formats.promptfoo.makers import JUDGE, NotExpressibleError, Scene
from evals.graders import external
from evals.graders.text_similarity import differences

TOOL = "promptfoo"


@dataclass(slots=True, kw_only=True)
class Test:
    """One test with its vars chosen and its defaults merged in."""

    __test__ = False  # no test of ours

    place: Placed
    variables: Mapping[str, Any]
    asserts: Sequence[Placed]
    threshold: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    judge: str = JUDGE

    @property
    def description(self) -> str:
        return str(self.place.value.get("description") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A test and one prompt with the vars filled in."""

    test: Test
    prompt: str
    label: str


def ids_of(tests: Sequence[Test]) -> list[str]:
    """The descriptions when each test has its own, else `test-0`, `test-1`, …"""
    found = [test.description for test in tests]
    fit = all(0 < len(one) <= 150 for one in found) and len(set(found)) == len(found)
    return found if fit else [f"test-{number}" for number in range(len(tests))]


def messages_of(prompt: str) -> list[dict[str, Any]]:
    """The chat that a prompt's text holds as JSON or YAML, else the text as one user message."""
    text = prompt.strip()
    try:
        value = json.loads(text) if text[:1] == "[" else None
        if text.startswith("- role:"):
            value = yaml_text.load(text)
    except (ValueError, RecursionError, yaml.YAMLError):
        value = None
    if isinstance(value, list) and value and all(_is_message(one) for one in value):
        return value
    return [{"role": "user", "content": prompt}]


def _is_message(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("role"), str)


def case_of(
    asked: Asked, case_id: str, cluster: str, folder: files.Folder, told: list[str], lenient: bool
) -> CaseSpec:
    """The case; with `lenient`, what no grader stands for is `external` instead of only told."""
    messages = messages_of(asked.prompt)
    question = str(messages[-1].get("content", ""))
    test = asked.test
    scene = Scene(test.variables, question, test.judge, folder)
    specs = _specs(test, scene, told, lenient)
    metadata: dict[str, Any] = {k: v for k, v in test.metadata.items() if k != carried.KEY}
    if test.description and not case_id.startswith(test.description):
        metadata.setdefault("description", test.description)
    if cluster:
        metadata.setdefault("prompt", asked.label)
    if test.variables:
        metadata["item"] = {"vars": test.variables}
    return CaseSpec(
        case_id=case_id, input=messages, metadata=metadata, graders=specs, cluster=cluster
    )


def _specs(test: Test, scene: Scene, told: list[str], lenient: bool) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for place in test.asserts:
        kind = place.mapping().get("type")
        specs = (
            _of_set(place, scene, told, lenient)
            if kind == "assert-set"
            else _of_one(place, scene, told, lenient)
        )
        found += specs
    if test.threshold is None or not found:
        return found
    return _with_threshold(test, found, test.threshold, told)


def _with_threshold(
    test: Test, found: list[Mapping[str, Any]], threshold: float, told: list[str]
) -> list[Mapping[str, Any]]:
    """One grader that passes from the threshold; several metrics stay apart, and that is told."""
    labels = {label for spec in found for label in spec["components"]}
    place = test.place.at("threshold")
    named = any(one.value.get("metric") for one in test.asserts)
    if named and len(labels) > 1:
        message = f"{threshold:g}: metrics stay apart, so a case passes when all its graders do"
        told.append(place.told(message))
        return found
    try:
        return [asserts.merged(found, threshold, "threshold")]
    except NotExpressibleError as why:
        told.append(place.told(f"{threshold:g}: {why}"))
        return found


def _of_one(place: Placed, scene: Scene, told: list[str], lenient: bool) -> list[Mapping[str, Any]]:
    rider = place.at("config", carried.KEY).value
    if isinstance(rider, Mapping):
        if carried.same(counterparts.assert_of(rider)[0], place.value):
            return [rider]
        told.append(place.told("was changed after the export and is read as it stands"))
    try:
        spec = asserts.spec_of(place, scene)
        told += [place.told(said) for said in differences(spec)]
        return [spec]
    except NotExpressibleError as why:
        told.append(place.told(f"assert {place.value['type']}: {why}"))
    if not lenient:
        return []
    kind = str(place.value["type"])
    label = asserts.label_of(place, scene.variables)
    return [{"type": external.KIND, "tool": TOOL, "scorers": [kind], "components": [label]}]


def _of_set(place: Placed, scene: Scene, told: list[str], lenient: bool) -> list[Mapping[str, Any]]:
    """The graders of a set, weighted so that together they count as the set does."""
    whole = place.mapping()
    inner = [
        replace(one, value=_in_set(one.mapping(), whole)) for one in place.at("assert").items()
    ]
    found = [spec for one in inner for spec in _of_one(one, scene, told, lenient)]
    if not found:
        return []
    share = float(whole.get("weight", 1))
    total = sum(float(spec.get("weight", 1)) for spec in found)
    if share <= 0:
        told.append(place.told("weight 0, which only reports: a grader here always counts"))
        return []
    threshold = whole.get("threshold")
    if threshold is not None:
        try:
            spec = asserts.merged(found, threshold, str(whole.get("metric") or "assert-set"))
            return [{**spec, "weight": share} if share != 1 else spec]
        except NotExpressibleError as why:
            told.append(place.at("threshold").told(f"{threshold:g}: {why}"))
    if share == total:
        return found
    return [{**spec, "weight": spec.get("weight", 1) * share / total} for spec in found]


def _in_set(assertion: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """The assertion under its own metric, else the set's."""
    metric = assertion.get("metric", whole.get("metric"))
    return {**assertion, "metric": metric} if metric is not None else dict(assertion)


def shared_graders(
    cases: Sequence[CaseSpec], most: int | None = None
) -> tuple[list[Mapping[str, Any]], list[CaseSpec]]:
    """Graders that all cases begin with, at most so many, as the suite's; cases keep the rest."""
    shared: list[Mapping[str, Any]] = []
    shortest = min((len(case.graders) for case in cases), default=0)
    for index in range(shortest if most is None else min(most, shortest)):
        if len({canonical_json(case.graders[index]) for case in cases}) > 1:
            break
        shared.append(cases[0].graders[index])
    return shared, [replace(case, graders=list(case.graders)[len(shared) :]) for case in cases]
