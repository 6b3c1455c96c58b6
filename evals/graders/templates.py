"""Templates of OpenAI's graders: `{{item.path}}` and `{{sample.path}}`, nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evals.graders.contract import GradedCase, GraderError, GraderErrorKind, Sample

VARIABLE = re.compile(r"\{\{\s*(item|sample)((?:\.\w+|\[\d+\])+)\s*\}\}")
STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def render(template: str, case: GradedCase, sample: Sample) -> str:
    """The text with every variable filled in; GraderError when one names nothing."""
    spaces = {"item": _item(case), "sample": _sample(sample)}

    def fill(match: re.Match[str]) -> str:
        found = _look_up(spaces[match[1]], match[2], match[0])
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)

    return VARIABLE.sub(fill, template)


def _item(case: GradedCase) -> Mapping[str, Any]:
    """The case's own fields, and over them the row that an import kept under `metadata.item`."""
    return {
        "id": case.case_id,
        "input": case.input,
        "target": case.target,
        "metadata": case.metadata,
        **case.metadata.get("item", {}),
    }


def _sample(sample: Sample) -> Mapping[str, Any]:
    space: dict[str, Any] = {
        "output_text": sample.output_text,
        "output_tools": sample.output_tools,
        "finish_reason": sample.finish_reason,
    }
    try:
        space["output_json"] = json.loads(sample.output_text)
    except (ValueError, RecursionError):
        pass
    return space


def _look_up(space: Any, path: str, variable: str) -> Any:
    for name, index in STEP.findall(path):
        if name and isinstance(space, Mapping) and name in space:
            space = space[name]
        elif index and isinstance(space, Sequence) and not isinstance(space, str):
            if int(index) >= len(space):
                raise _missing(variable)
            space = space[int(index)]
        else:
            raise _missing(variable)
    return space


def _missing(variable: str) -> GraderError:
    kind = GraderErrorKind.INVALID_VARIABLE
    return GraderError(kind, f"{variable} names nothing in this case or sample")
