"""OpenAI's `python`: `def grade(sample, item)` returns the score, in a confined process."""

from __future__ import annotations

import ast
import functools
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
    Limits,
    Sample,
    Services,
    single_grade,
    single_labels,
)

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["source"],
    "additionalProperties": False,
    "properties": {
        "components": COMPONENTS,
        "source": {"type": "string", "minLength": 1, "maxLength": 256_000},
        # OpenAI's image of packages: kept for exports; what is installed here is what there is.
        "image_tag": {"type": "string"},
        "timeout_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 600},
        "memory_mb": {"type": "integer", "minimum": 64, "maximum": 16_384},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {}


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The case's components; refuses a source that does not parse or defines no `grade`."""
    problem = _problem(spec["source"])
    if problem:
        raise GraderSpecError("source", problem)
    return single_labels(spec, case)


async def grade_async(
    spec: Mapping[str, Any], case: GradedCase, sample: Sample, services: Services
) -> Grade:
    """What the code returns, 0 to 1; GraderError `python_grader_runtime_error` for all else."""
    limits = Limits(
        timeout_s=spec.get("timeout_s", Limits().timeout_s),
        memory_bytes=spec.get("memory_mb", 2048) * 2**20,
    )
    score = await services.run_python(
        spec["source"], templates.sample_space(sample), templates.item_space(case), limits
    )
    if not 0 <= score <= 1:
        message = f"returned {score:g}: a score is 0 to 1"
        raise GraderError(GraderErrorKind.PYTHON_RUNTIME, message)
    return single_grade(spec, case, score, f"the code returned {score:g}")


@functools.lru_cache(maxsize=256)
def _problem(source: str) -> str:
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return f"is no Python: {error.msg} (line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"is no Python: {error}"
    # It may also be made by an import or an assignment, which only running it shows.
    makes = (ast.FunctionDef, ast.Import, ast.ImportFrom, ast.Assign)
    if not any(isinstance(node, makes) for node in tree.body):
        return "defines no function `grade(sample, item)`"
    return ""
