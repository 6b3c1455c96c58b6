"""What a grader is given and what it answers."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from evals.states import ResultState
from infra.errors import InvalidInput
from infra.inference import Completion


class Ungradable(enum.StrEnum):
    """Answers without gradable content; each is scored by the suite's policy of the same name."""

    REFUSED = "refused"
    """The model declined."""
    UNPARSABLE = "unparsable"
    """The output could not be read: the model's fault."""
    TIMED_OUT = "timed_out"
    """The model's own time-out; a transport failure is errored instead."""


class GraderErrorKind(enum.StrEnum):
    """Why a grader gave no grade; the names are those of OpenAI's graders."""

    FORMULA_PARSE = "formula_parse_error"
    INVALID_VARIABLE = "invalid_variable_error"
    SAMPLE_PARSE = "sample_parse_error"
    TRUNCATED_OBSERVATION = "truncated_observation_error"
    UNRESPONSIVE_REWARD = "unresponsive_reward_error"
    PYTHON_RUNTIME = "python_grader_runtime_error"
    PYTHON_SERVER = "python_grader_server_error"
    MODEL_PARSE = "model_grader_parse_error"
    MODEL_REFUSAL = "model_grader_refusal_error"
    MODEL_SERVER = "model_grader_server_error"
    OTHER = "other_error"


class GraderError(Exception):
    """The grader, not the model, failed: the result is errored and has no score."""

    def __init__(self, kind: GraderErrorKind, message: str) -> None:
        super().__init__(f"{kind.value}: {message}")
        self.kind = kind
        self.message = message


class UnreadableSample(Exception):
    """The answer lacks what the grader reads: the model's fault, scored by the suite's policy."""


class GraderSpecError(InvalidInput):
    """A grader's settings, or a case's target, that the grader cannot work with."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__("grader_spec", f"{field_name}: {message}" if field_name else message)
        self.field_name = field_name
        self.problem = message


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedCase:
    """The part of a case that a grader may see."""

    case_id: str
    input: Sequence[Mapping[str, Any]] = ()
    """The messages that were sent, without the checkpoint's own system text."""
    tools: Sequence[Mapping[str, Any]] = ()
    target: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    components: Sequence[str] = ()
    graders: Sequence[Mapping[str, Any]] = ()
    """The case's own graders, in addition to the suite's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the model answered."""

    output_text: str = ""
    output_tools: Sequence[Mapping[str, Any]] = ()
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentGrade:
    """One component's score in 0..1 and why."""

    score: float
    explanation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """One sample's grade: passed, failed, refused or unscored."""

    state: ResultState
    score: float | None
    """In 0..1; None only when unscored, or while the suite's policy is still to set it."""
    components: Mapping[str, ComponentGrade] = field(default_factory=dict)
    explanation: str = ""
    parsed: bool = True
    """False when the output could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a suite counts for answers without gradable content, each in 0..1."""

    refused: float = 0.0
    unparsable: float = 0.0
    timed_out: float = 0.0
    refusal_patterns: Sequence[str] = ()
    """Regular expressions; an answer in which one is found is a refusal."""
    request_timeout_s: float | None = None
    """Seconds that an answer may take; one that took longer is scored by `timed_out`. None: a call
    without an answer is repeated and errored in the end."""


COMPONENTS: Mapping[str, Any] = {
    "type": "array",
    "items": {"type": "string"},
    "minItems": 1,
    "uniqueItems": True,
}
"""Schema of the settings' `components`, for graders whose one score goes to all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What code may use for one sample."""

    timeout_s: float = 120.0
    """Seconds of wall time, and of processor time."""
    memory_bytes: int = 2 * 2**30
    disk_bytes: int = 64 * 2**20
    """Of all files that it writes."""


class Services(Protocol):
    """What a grader may use beside the sample; whatever it uses is counted on the result."""

    async def complete(self, model: str, body: Mapping[str, Any]) -> Completion:
        """What the model of that name answers to a chat completion's body without `model`.

        GraderError `model_grader_server_error` when there is no answer.
        """

    async def run_python(
        self, source: str, sample: Mapping[str, Any], item: Mapping[str, Any], limits: Limits
    ) -> float:
        """What the source's `grade(sample, item)` returns, a finite number, in a confined process.

        GraderError `python_grader_runtime_error` when the code fails or passes a limit,
        `python_grader_server_error` when this machine can't run it confined.
        """


class Grader(Protocol):
    """A grader is a module, or any object, with these names.

    One that waits for a model or a process is an `AsyncGrader`, instead of `grade` or beside it;
    and, where only some settings need it, has `needs_services(spec) -> bool`. One that asks models
    names them by `models(spec)`, so that a run which could not reach them is refused before it
    begins.
    """

    @property
    def SCHEMA(self) -> Mapping[str, Any]:  # noqa: N802
        """JSON Schema of the settings, without the keys that every grader takes."""

    @property
    def TARGET_SCHEMA(self) -> Mapping[str, Any]:  # noqa: N802
        """JSON Schema of `case.target`; empty when any target will do."""

    def labels(self, spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
        """The components this grader scores on this case; GraderSpecError for a bad target."""

    def grade(self, spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
        """The grade; GraderError when the grader itself cannot tell."""


class AsyncGrader(Protocol):
    """A grader that waits for a model or a process."""

    async def grade_async(
        self, spec: Mapping[str, Any], case: GradedCase, sample: Sample, services: Services
    ) -> Grade:
        """As `Grader.grade`, asking through the services."""


def single_labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """The components that share one score: the settings' own, else the case's."""
    return tuple(spec.get("components", case.components))


def state_of(spec: Mapping[str, Any], score: float) -> ResultState:
    """Passed from the settings' `pass_threshold` (default 1) upwards."""
    return ResultState.PASSED if score >= spec.get("pass_threshold", 1.0) else ResultState.FAILED


def single_grade(
    spec: Mapping[str, Any], case: GradedCase, score: float, explanation: str
) -> Grade:
    """A grade whose components all carry the one score."""
    share = ComponentGrade(score=score, explanation=explanation)
    return Grade(
        state=state_of(spec, score),
        score=score,
        components=dict.fromkeys(single_labels(spec, case), share),
        explanation=explanation,
    )


def component_grade(spec: Mapping[str, Any], shares: Mapping[str, ComponentGrade]) -> Grade:
    """A grade whose score is the mean of its components; there is at least one."""
    score = sum(share.score for share in shares.values()) / len(shares)
    wrong = [f"{label}: {share.explanation}" for label, share in shares.items() if share.score < 1]
    return Grade(
        state=state_of(spec, score),
        score=score,
        components=shares,
        explanation="; ".join(wrong) or "every component is right",
    )


def unparsable(explanation: str) -> Grade:
    """The output could not be read; the suite's policy sets the score afterwards."""
    return Grade(state=ResultState.FAILED, score=None, explanation=explanation, parsed=False)
