"""From the API's objects to a suite."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

from evals.formats import carried
from evals.formats.contract import FormatError, SuiteSpec, canonical_json
from evals.formats.documents import Placed, name_from
from evals.formats.openai_evals import criteria, rows
from evals.formats.openai_evals.objects import Objects, objects_at

SAMPLING = {
    "max_completion_tokens": "max_completion_tokens",
    "max_completions_tokens": "max_completion_tokens",
    "reasoning_effort": "reasoning_effort",
    "response_format": "response_format",
    "seed": "seed",
    "temperature": "temperature",
    "top_p": "top_p",
}
KNOWN_OF_EVAL = ("id", "object", "created_at", "name", "testing_criteria", "data_source_config")


def read(path: Path) -> SuiteSpec:
    """The suite of the one eval at the path; FormatError names file, line and field."""
    found = objects_at(path)
    return suite_of(found, path)


def suite_of(found: Objects, path: Path) -> SuiteSpec:
    """The suite of the objects."""
    told: list[str] = []
    whole = _eval_of(found, path)
    head = _carried_head(whole)
    specs = _graders(whole, head, told)
    template = _template(found, told)
    data = rows.rows_of(found, path, told)
    _check_items(whole, data)
    cases = rows.cases_of(data, template)
    _tell_metadata(whole, told)
    request, tools = _request(found, head, told)
    if tools:
        cases = [case if case.tools else dataclasses.replace(case, tools=tools) for case in cases]
    own = head or SuiteSpec(name="", cases=(), graders=(), components=_components(specs))
    return dataclasses.replace(
        own,
        name=_name(whole, head, path),
        cases=tuple(cases),
        graders=specs,
        components={**_components(specs), **own.components},
        request=request,
        not_expressible=tuple(told),
    )


def _eval_of(found: Objects, path: Path) -> Placed:
    if len(found.evals) > 1:
        names = carried.counted([str(place.value.get("name", "?")) for place in found.evals])
        message = f"holds {len(found.evals)} evals ({names}): a suite is one; part them in folders"
        raise FormatError(path.name, message)
    if found.evals:
        found.evals[0].at("testing_criteria").items()
        return found.evals[0]
    if found.graders:
        first = found.graders[0]
        return dataclasses.replace(
            first, value={"testing_criteria": [place.value for place in found.graders]}
        )
    message = "holds no eval: add the JSON that was sent to create it, with its testing_criteria"
    raise FormatError(path.name, message)


def _carried_head(whole: Placed) -> SuiteSpec | None:
    place = whole.at("data_source_config", "item_schema", carried.KEY)
    return carried.suite_at(place) if place.value is not None else None


def _name(whole: Placed, head: SuiteSpec | None, path: Path) -> str:
    given = whole.at("name").value
    if head is not None and given in (None, head.name):
        return head.name
    return name_from(str(given or path.stem))


def _graders(whole: Placed, head: SuiteSpec | None, told: list[str]) -> list[Mapping[str, Any]]:
    """The graders of the criteria: as they were before the export where they are unchanged."""
    mine = dict(zip(criteria.names_of(head.graders), head.graders, strict=True)) if head else {}
    found: list[Mapping[str, Any]] = []
    for place in whole.at("testing_criteria").items():
        spec = mine.get(str(place.mapping().get("name")))
        if spec is not None:
            if carried.same(criteria.criterion_of(spec, place.value["name"])[0], place.value):
                found.append(spec)
                continue
            told.append(place.told("was changed after the export: its components were not kept"))
        read_spec = criteria.spec_of(place, told)
        if read_spec is not None:
            found.append(read_spec)
    if not found and not (head and not head.graders):
        raise whole.at("testing_criteria").wrong("no criterion can be used: " + "; ".join(told))
    return found


def _components(specs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {
        label: f"Criterion {spec.get('name', spec['type'])}"
        for spec in specs
        for label in spec.get("components", ())
    }


def _template(found: Objects, told: list[str]) -> Placed | None:
    templates = [run.at("data_source", "input_messages") for run in found.runs]
    templates = [place for place in templates if place.value is not None]
    for other in templates[1:]:
        if not carried.same(other.value, templates[0].value):
            told.append(other.told("differs from the first run's, which is the one asked"))
    return templates[0] if templates else None


def _request(
    found: Objects, head: SuiteSpec | None, told: list[str]
) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """Request settings and tools of the first run."""
    if not found.runs:
        return (head.request if head else {}), ()
    source = found.runs[0].at("data_source")
    if source.at("model").value is not None:
        message = f"{source.value['model']}: a suite names no model; the run's checkpoint answers"
        told.append(source.at("model").told(message))
    place = source.at("sampling_params")
    given = place.value or {}
    if head is not None and carried.same(given, sampling_of(head.request)):
        return head.request, ()
    known = (*SAMPLING, "tools", "text")
    told += [place.at(key).told("is not known here") for key in given if key not in known]
    request = {SAMPLING[key]: value for key, value in given.items() if key in SAMPLING}
    output = place.at("text", "format").value
    if output is not None:
        request["response_format"] = _chat_format(output)
    return request, tuple(_chat_tool(tool) for tool in given.get("tools") or ())


def sampling_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a suite's request that a run of the API has a place for."""
    whole = {key: value for key, value in request.items() if key in SAMPLING}
    if "max_tokens" in request:
        whole["max_completion_tokens"] = request["max_tokens"]
    return whole


def _chat_format(output: Mapping[str, Any]) -> dict[str, Any]:
    """A `text.format` of the Responses API as chat completions take it."""
    if output.get("type") != "json_schema":
        return dict(output)
    schema = {key: value for key, value in output.items() if key != "type"}
    return {"type": "json_schema", "json_schema": schema}


def _chat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of the Responses API, flat, as chat completions take it."""
    if tool.get("type") != "function" or "function" in tool:
        return dict(tool)
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}


def _check_items(whole: Placed, data: Sequence[rows.Row]) -> None:
    """FormatError for an item that the eval's own schema does not admit."""
    schema = whole.at("data_source_config", "item_schema")
    if schema.value is None:
        return
    try:
        Draft202012Validator.check_schema(schema.value)
    except SchemaError as error:
        raise schema.wrong(f"is no JSON Schema: {error.message}") from error
    validator = Draft202012Validator(schema.value, registry=REGISTRY)
    for row in data:
        error = best_match(validator.iter_errors(row.item.value))
        if error is not None:
            raise row.item.at(*error.absolute_path).wrong(f"{error.message} (item_schema)")


def _tell_metadata(whole: Placed, told: list[str]) -> None:
    metadata = whole.at("metadata").value
    if isinstance(metadata, Mapping):
        told += [
            whole.at("metadata", key).told(f"{canonical_json(value)}: a suite has no such field")
            for key, value in metadata.items()
        ]
    source = whole.at("data_source_config", "type").value
    if source not in (None, "custom"):
        message = f"{source}: rows are read from the files, never asked of OpenAI"
        told.append(whole.at("data_source_config", "type").told(message))
    told += [
        whole.at(key).told("is not known here")
        for key in whole.mapping()
        if key not in (*KNOWN_OF_EVAL, "metadata") and whole.value[key] is not None
    ]
