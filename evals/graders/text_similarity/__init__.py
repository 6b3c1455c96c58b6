"""OpenAI's `text_similarity`: how alike the answer and a reference text are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals.graders import templates
from evals.graders.contract import (
    COMPONENTS,
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Sample,
    single_grade,
    single_labels,
    unparsable,
)
from evals.graders.text_similarity import meaning
from evals.graders.text_similarity.measures import MEASURES

COSINE = "cosine"
NOT_OFFERED: Mapping[str, str] = {
    "meteor": "METEOR needs WordNet, and Slipway downloads no corpora",
}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["evaluation_metric"],
    "additionalProperties": False,
    "properties": {
        "components": COMPONENTS,
        "input": {"type": "string"},
        "reference": {"type": "string"},
        "evaluation_metric": {"enum": [*MEASURES, COSINE, *NOT_OFFERED]},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {}
LONGEST = 1_000_000
"""Characters of a text that is compared."""
MOST_PAIRS = 4_000_000_000
"""Characters of one text times those of the other; comparing more takes over a second."""


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The case's components; refuses a measure that is not offered."""
    metric = spec["evaluation_metric"]
    if metric in NOT_OFFERED:
        offered = ", ".join([*MEASURES, COSINE])
        message = f"{NOT_OFFERED[metric]}; the measures here are {offered}"
        raise GraderSpecError("evaluation_metric", message)
    return single_labels(spec, case)


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """The measure, from 0 for nothing in common to 1; passed from `pass_threshold` upwards."""
    text = templates.render(spec.get("input", "{{sample.output_text}}"), case, sample)
    reference = templates.render(spec.get("reference", "{{item.target}}"), case, sample)
    if not reference:
        message = "the reference is empty: there is nothing to compare with"
        raise GraderError(GraderErrorKind.OTHER, message)
    metric = spec["evaluation_metric"]
    longest = meaning.LONGEST if metric == COSINE else LONGEST
    if max(len(text), len(reference)) > longest or len(text) * len(reference) > MOST_PAIRS:
        said = f"{len(text):,} characters are too many to compare with {len(reference):,}"
        return unparsable(said)
    score = (
        meaning.cosine(text, reference) if metric == COSINE else MEASURES[metric](text, reference)
    )
    by = f", by {meaning.EMBEDDING}" if metric == COSINE else ""
    said = f"{metric} of the answer and the reference{by}: {score:.3f}"
    return single_grade(spec, case, score, said)


def differences(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """What an import of OpenAI's or promptfoo's grader has to say; several of a `multi`."""
    inner = spec.get("graders")
    if isinstance(inner, Mapping):
        inner = list(inner.values())
    if isinstance(inner, list):
        return tuple(dict.fromkeys(said for one in inner for said in differences(one)))
    embeds = spec.get("type") == "text_similarity" and spec.get("evaluation_metric") == COSINE
    return (meaning.DIFFERS,) if embeds else ()
