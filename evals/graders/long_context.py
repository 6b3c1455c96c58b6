"""`long_context`: facts found in a long text, by how deep they stand and how long the text is."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals import components
from evals.graders import refusals
from evals.graders.contract import (
    ComponentGrade,
    Grade,
    GradedCase,
    GraderSpecError,
    Sample,
    component_grade,
    unparsable,
)

DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
LENGTHS = (4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 1_000_000)
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "prefix": {"type": "string"},
        "depths": {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "maximum": 1},
            "minItems": 1,
            "uniqueItems": True,
        },
        "lengths": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1},
            "minItems": 1,
            "uniqueItems": True,
        },
        "match": {"enum": ["contains", "equals"]},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["needles"],
    "additionalProperties": False,
    "properties": {
        "needles": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["text", "answers"],
                "additionalProperties": False,
                "properties": {
                    "text": {"type": "string", "minLength": 1},
                    "answers": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "pattern": r"\S"},
                    },
                },
            },
        },
        "length": {"type": "integer", "minimum": 1},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Needle:
    """A fact that was put into the text."""

    answers: Sequence[str]
    depth: str
    """The label of the depth nearest to where it stands."""


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """One component a depth at which a needle stands, and the text's length."""
    depths = {needle.depth: None for needle in _needles(spec, case)}
    return (*depths, _length(spec, case))


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """Per depth, and for the length over all, the share of needles whose answer is given."""
    needles = _needles(spec, case)
    text = _plain(sample.output_text)
    found = [_is_given(spec, needle, text) for needle in needles]
    if not any(found) and refusals.sounds_like_refusal(sample):
        return unparsable("the answer holds no needle and reads like a refusal")
    shares: dict[str, ComponentGrade] = {}
    for label in labels(spec, case)[:-1]:
        at_depth = [i for i, needle in enumerate(needles) if needle.depth == label]
        shares[label] = _share([needles[i] for i in at_depth], [found[i] for i in at_depth])
    whole = _share(needles, found)
    grade = component_grade(spec, {**shares, _length(spec, case): whole})
    return Grade(
        state=grade.state,
        score=whole.score,
        components=grade.components,
        explanation=grade.explanation,
    )


def _needles(spec: Mapping[str, Any], case: GradedCase) -> list[_Needle]:
    haystack = _haystack(case)
    needles = []
    for place, needle in enumerate(case.target["needles"]):
        start = haystack.find(needle["text"])
        if start < 0:
            message = f"{needle['text'][:60]!r} is not in the case's input"
            raise GraderSpecError(f"target.needles[{place}].text", message)
        rest = len(haystack) - len(needle["text"])
        depth = start / rest if rest else 0.0
        needles.append(_Needle(answers=needle["answers"], depth=_depth(spec, depth)))
    return needles


def _haystack(case: GradedCase) -> str:
    """The texts of all messages, in their order."""
    parts = []
    for message in case.input:
        content = message.get("content") or ""
        if isinstance(content, str):
            parts.append(content)
        else:
            parts += [str(part.get("text", "")) for part in content if isinstance(part, Mapping)]
    return "\n".join(parts)


def _depth(spec: Mapping[str, Any], depth: float) -> str:
    nearest = min(spec.get("depths", DEPTHS), key=lambda edge: abs(edge - depth))
    return _label(spec, "depth", f"{round(nearest * 100)}%")


def _length(spec: Mapping[str, Any], case: GradedCase) -> str:
    """The smallest of `lengths` that holds the text: in the target's own unit, else characters."""
    length = case.target.get("length") or len(_haystack(case))
    edges = sorted(spec.get("lengths", LENGTHS))
    name = next((f"up to {edge}" for edge in edges if length <= edge), f"over {edges[-1]}")
    return _label(spec, "length", name)


def _label(spec: Mapping[str, Any], *parts: str) -> str:
    prefix = spec.get("prefix", "needle")
    label = components.join(parts)
    return f"{prefix}.{label}" if prefix else label


def _is_given(spec: Mapping[str, Any], needle: _Needle, text: str) -> bool:
    if spec.get("match") == "equals":
        return text in {_plain(answer) for answer in needle.answers}
    return any(_as_words(answer).search(text) is not None for answer in needle.answers)


@functools.lru_cache(maxsize=1024)
def _as_words(answer: str) -> re.Pattern[str]:
    """Finds the answer where it is no part of a longer word or number."""
    plain = _plain(answer)
    before = r"(?<!\w)(?<!\d[.,])" if plain[0].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if plain[-1].isalnum() else ""
    return re.compile(before + re.escape(plain) + after)


def _plain(text: str) -> str:
    """The text in one spelling: composed, without case, its blanks single."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _share(needles: Sequence[_Needle], found: Sequence[bool]) -> ComponentGrade:
    missed = [needle.answers[0] for needle, held in zip(needles, found, strict=True) if not held]
    said = f"without {', '.join(missed)[:200]}" if missed else "every needle is found"
    return ComponentGrade(score=1 - len(missed) / len(needles), explanation=said)
