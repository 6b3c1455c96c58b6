"""Testing criteria: OpenAI's graders as Slipway's, and Slipway's as OpenAI's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evals import components, graders
from evals.formats.documents import Placed
from evals.formats.openai_evals.objects import GRADERS
from evals.graders.contract import GradedCase, GraderSpecError
from evals.graders.text_similarity import differences

OUTPUT = "{{sample.output_text}}"
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "string_check": {"input": OUTPUT, "reference": "{{item.target}}"},
    "text_similarity": {
        "input": OUTPUT,
        "reference": "{{item.target}}",
        "pass_threshold": 1,
    },
}
"""What Slipway lets a suite leave out and the API asks for."""
OWN = ("components", "weight")
"""Settings that every grader takes here and none there."""

_REGEX = """\
import re

def grade(sample, item):
    found = re.{match}({pattern!r}, sample["output_text"], {flags})
    return float((found is not None) != {negate})
"""
_JSON_SCHEMA = """\
import json
import jsonschema

SCHEMA = json.loads({schema!r})

def grade(sample, item):
    try:
        answer = json.loads(sample["output_text"])
    except ValueError:
        return 0.0
    schema = item["target"] if SCHEMA is None else SCHEMA
    return float(jsonschema.Draft202012Validator(schema).is_valid(answer))
"""
_NUMERIC = """\
import math
import re

NUMBER = {number!r}

def grade(sample, item):
    found = []
    for written in re.findall(NUMBER, sample["output_text"]):
        plain = written.replace("\\u2212", "-").replace(",", "")
        found.append(float(plain.rstrip("%")) / (100 if plain.endswith("%") else 1))
    if not found or ({take!r} == "only" and len(found) != 1):
        return 0.0
    given = found[0] if {take!r} == "first" else found[-1]
    return float(
        math.isclose(given, float(item["target"]), rel_tol={relative!r}, abs_tol={absolute!r})
    )
"""
_STAND_IN = """\
def grade(sample, item):
    raise NotImplementedError({message!r})
"""


def spec_of(place: Placed, told: list[str]) -> dict[str, Any] | None:
    """A criterion as a grader whose component is its name; None, and told why, when it is none."""
    criterion = place.mapping()
    kind = criterion.get("type")
    name = str(criterion.get("name") or kind)
    if kind not in graders.names():
        told.append(place.told(f"criterion {name!r}: there is no grader {kind!r} here"))
        return None
    spec = {key: value for key, value in criterion.items() if value is not None and key != "id"}
    spec.setdefault("components", [components.join([name])])
    try:
        graders.check_spec(spec)
        if kind in GRADERS:
            # What is not offered, a measure or a formula, shows on a case.
            graders.check_case(spec, GradedCase(case_id=name))
    except GraderSpecError as error:
        told.append(place.told(f"criterion {name!r} ({kind}), {error.field_name}: {error.problem}"))
        return None
    told += [place.told(f"criterion {name!r}: {said}") for said in differences(spec)]
    return spec


def criterion_of(spec: Mapping[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The criterion of a grader, and what OpenAI will not see of it ("" when all)."""
    kind = spec["type"]
    if kind in GRADERS:
        native = {key: value for key, value in spec.items() if key not in OWN}
        if isinstance(native.get("graders"), list):
            native["graders"] = {inner["name"]: inner for inner in native["graders"]}
        return {**DEFAULTS.get(kind, {}), **native, "name": name}, _lost(spec)
    source = _source_of(spec)
    if source:
        return {"type": "python", "name": name, "source": source}, _lost(spec)
    message = f"graded by Slipway alone: {kind}"
    stand_in = {"type": "python", "name": name, "source": _STAND_IN.format(message=message)}
    return stand_in, f"OpenAI has no grader like {kind}; a criterion that errors stands for it"


def _lost(spec: Mapping[str, Any]) -> str:
    parts = [f"{key} {json.dumps(spec[key])}" for key in OWN if key in spec]
    if spec["type"] == "multi":
        parts.append("evals refuse multi, only fine-tuning takes it")
    parts += differences(spec)
    return ", ".join(parts)


def _source_of(spec: Mapping[str, Any]) -> str:
    """Python that grades as the grader does; empty when there is none."""
    if spec.get("input", OUTPUT) != OUTPUT:
        return ""
    if spec["type"] == "regex":
        flags = "re.IGNORECASE" if spec.get("ignore_case") else "0"
        flags += " | re.MULTILINE" if spec.get("multiline") else ""
        return _REGEX.format(
            match=spec.get("match", "search"),
            pattern=spec["pattern"],
            flags=flags,
            negate=spec.get("negate", False),
        )
    if spec["type"] == "json_schema":
        return _JSON_SCHEMA.format(schema=json.dumps(spec.get("schema"), sort_keys=True))
    if spec["type"] == "numeric":
        return _NUMERIC.format(
            number=graders.get("numeric").NUMBER.pattern,  # type: ignore[attr-defined]
            take=spec.get("take", "last"),
            relative=spec.get("relative", 1e-9),
            absolute=spec.get("absolute", 0.0),
        )
    return ""


def names_of(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """One name a grader, each once: its own, else its type with its place."""
    names: list[str] = []
    for index, spec in enumerate(specs, start=1):
        name = spec.get("name") or f"{spec['type']}-{index}"
        names.append(name if name not in names else f"{name}-{index}")
    return names
