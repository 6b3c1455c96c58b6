"""Templates of OpenAI's graders: `{{item.path}}` and `{{sample.path}}`, nothing else."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evals.graders.contract import (
    GradedCase,
    GraderError,
    GraderErrorKind,
    Sample,
    UnreadableSample,
)

VARIABLE = re.compile(
    r"""\{\{\s*(item|sample)((?:\.[\w-]+|\[\d+\]|\[(?:"[\w -]+"|'[\w -]+')\])+)\s*\}\}"""
)
STEP = re.compile(r"""(?:\.|\[["'])([\w -]+)(?:["']\])?|\[(\d+)\]""")
ANSWER = "{{sample.output_text}}"
TARGET = "{{item.target}}"
GIVEN_BY_MODEL = frozenset({"output_json", "output_tools", "choices"})


def render(template: str, case: GradedCase, sample: Sample) -> str:
    """The text with every variable filled in.

    GraderError when one names nothing; UnreadableSample for a part that the answer does not have.
    """
    if template == ANSWER:
        return sample.output_text
    if template == TARGET and "item" not in case.metadata and isinstance(case.target, str):
        return case.target

    def fill(match: re.Match[str]) -> str:
        steps = _steps(match[2])
        found: Any = item_space(case) if match[1] == "item" else _sample(sample, steps[0])
        for name in steps:
            try:
                found = _step(found, name)
            except LookupError as error:
                raise _missing(match, steps[0]) from error
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)

    return VARIABLE.sub(fill, template)


@functools.lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(name or index for name, index in STEP.findall(path))


def item_space(case: GradedCase) -> Mapping[str, Any]:
    """The case's own fields, and over them the row that an import kept under `metadata.item`."""
    row = case.metadata.get("item")
    return {
        "id": case.case_id,
        "input": case.input,
        "target": case.target,
        "metadata": case.metadata,
        **(row if isinstance(row, Mapping) else {}),
    }


def sample_space(sample: Sample) -> Mapping[str, Any]:
    """What `sample` names: the answer as OpenAI's graders see it; `output_json` if it is JSON."""
    space = _as_answered(sample)
    try:
        space["output_json"] = json.loads(sample.output_text)
    except (ValueError, RecursionError):
        pass
    return space


def _as_answered(sample: Sample) -> dict[str, Any]:
    message = {
        "role": "assistant",
        "content": sample.output_text,
        "tool_calls": sample.output_tools,
    }
    return {
        "output_text": sample.output_text,
        "output_tools": sample.output_tools,
        "finish_reason": sample.finish_reason,
        "choices": [{"index": 0, "message": message, "finish_reason": sample.finish_reason}],
    }


def _sample(sample: Sample, first: str) -> Mapping[str, Any]:
    """As sample_space for a path that begins so: JSON is read only where it is asked for."""
    if first != "output_json":
        return _as_answered(sample)
    try:
        return {"output_json": json.loads(sample.output_text)}
    except (ValueError, RecursionError) as error:
        raise UnreadableSample(f"the answer is not JSON ({error})") from error


def _step(space: Any, name: str) -> Any:
    if isinstance(space, Mapping):
        return space[name]
    if isinstance(space, Sequence) and not isinstance(space, str) and name.isdecimal():
        return space[int(name)]
    raise LookupError(name)


def _missing(match: re.Match[str], first: str) -> Exception:
    """The model's fault where it did not answer what is read; the grader's everywhere else."""
    if match[1] == "sample" and first in GIVEN_BY_MODEL:
        return UnreadableSample(f"the answer has no {match[0]}")
    kind = GraderErrorKind.INVALID_VARIABLE
    return GraderError(kind, f"{match[0]} names nothing in this case or sample")
