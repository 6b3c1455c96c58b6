"""What a probe is made of, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alpha.models import Feedback
from evals import graders
from evals.caps import Caps
from evals.formats.contract import CaseSpec
from evals.graders import human
from evals.graders.contract import GraderSpecError
from evals.probes.changes import TEMPLATES, Asked
from evals.probes.planning import DEFAULT_REPEATS
from evals.services import case_checks
from evals.services.runs import MOST_CONCURRENCY, MOST_REPEATS, MOST_SEED
from infra.errors import InvalidInput
from releases.models import Checkpoint

MOST_PROMPTS = 200
MOST_HYPOTHESES = 30
LONGEST_TITLE = 200
LONGEST_QUESTION = 1000
HUMAN: Mapping[str, Any] = {"type": human.KIND}
COMPONENT = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSpec:
    """One original prompt."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    request: Mapping[str, Any] = field(default_factory=dict)
    target: Any = None
    feedback: Feedback | None = None
    """The remark whose call it was; None: written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """What a probe asks, of whom, and how the answers are judged."""

    title: str
    prompts: Sequence[PromptSpec]
    checkpoints: Sequence[Checkpoint]
    templates: Sequence[str] | None = None
    """Names of `TEMPLATES`; None: all that change something."""
    graders: Sequence[Mapping[str, Any]] = (HUMAN,)
    question: str = "Does this answer show the weakness?"
    request: Mapping[str, Any] = field(default_factory=dict)
    repeats: int = DEFAULT_REPEATS
    concurrency: int = 4
    seed: int | None = None
    may_stop_early: bool | None = None
    """None: wherever the looks could ever stop it."""
    caps: Caps = field(default_factory=Caps)
    """Of each checkpoint's run."""


def check(spec: ProbeSpec) -> None:
    if not spec.title.strip() or len(spec.title) > LONGEST_TITLE:
        raise InvalidInput("probe_title", f"Give it a title of at most {LONGEST_TITLE} letters.")
    if not spec.question.strip() or len(spec.question) > LONGEST_QUESTION:
        message = f"`question` is text of 1 to {LONGEST_QUESTION} characters."
        raise InvalidInput("probe_question", message)
    for name, n, least, most in (
        ("prompts", len(spec.prompts), 1, MOST_PROMPTS),
        ("checkpoints", len(spec.checkpoints), 1, 20),
        ("repeats", spec.repeats, 1, MOST_REPEATS),
        ("concurrency", spec.concurrency, 1, MOST_CONCURRENCY),
        ("seed", spec.seed or 0, 0, MOST_SEED),
    ):
        if not least <= n <= most:
            raise InvalidInput(f"bad_{name}", f"{name}: {n} given, choose {least} to {most:,}.")
    if len({checkpoint.pk for checkpoint in spec.checkpoints}) < len(spec.checkpoints):
        raise InvalidInput("checkpoint_twice", "A checkpoint is named twice.")
    unknown = sorted(set(spec.templates or ()) - set(TEMPLATES))
    if unknown:
        message = f"No template {unknown[0]!r}; there are: {', '.join(TEMPLATES)}."
        raise InvalidInput("no_such_template", message)
    if problems := spec.caps.problems():
        raise InvalidInput("bad_cap", " ".join(problems))
    _check_graders(spec.graders)
    for number, prompt in enumerate(spec.prompts, start=1):
        asked = asked_of(spec.request, prompt)
        check_asked(f"prompt {number}", asked, prompt.target, spec.graders)


def _check_graders(specs: Sequence[Mapping[str, Any]]) -> None:
    if not specs:
        raise InvalidInput("graders_missing", "Name a grader, or `human` for people's ratings.")
    for at, spec in enumerate(specs):
        try:
            graders.check_spec(spec)
        except GraderSpecError as error:
            message = f"graders[{at}], {error.field_name}: {error.problem}"
            raise InvalidInput("grader_spec", message) from error
    if len(specs) > 1 and any(spec["type"] == human.KIND for spec in specs):
        message = "People judge alone: name either `human` or graders."
        raise InvalidInput("human_and_graders", message)
    case_checks.check_judges(specs)


def check_asked(name: str, asked: Asked, target: Any, specs: Sequence[Mapping[str, Any]]) -> None:
    spec = case_of(name, asked, target)
    if not isinstance(asked.messages, list | tuple) or not asked.messages:
        raise InvalidInput("case_input", f"{name}: give at least one message.")
    if not all(isinstance(one, Mapping) and "role" in one for one in asked.messages):
        raise InvalidInput("case_input", f"{name}: each message is an object with a role.")
    case_checks.check_case(spec, specs, declared_by(specs, [spec]))


def case_of(case_id: str, asked: Asked, target: Any, **fields: Any) -> CaseSpec:
    """The case that asks this."""
    return CaseSpec(
        case_id=case_id,
        input=asked.messages,
        tools=asked.tools,
        request=asked.request,
        serving=asked.serving,
        target=target,
        components=[COMPONENT],
        **fields,
    )


def declared_by(specs: Sequence[Mapping[str, Any]], cases: Sequence[CaseSpec]) -> dict[str, str]:
    """Every component that the graders score on those cases."""
    labels = {COMPONENT}
    for case in cases:
        try:
            for _, scored in graders.check_graded(specs, case.graded()):
                labels |= set(scored)
        except GraderSpecError as error:
            message = f"{case.case_id}, {error.field_name}: {error.problem}"
            raise InvalidInput("case_target", message) from error
    return dict.fromkeys(sorted(labels), "scored by the probe's graders")


def asked_of(request: Mapping[str, Any], prompt: PromptSpec) -> Asked:
    """The prompt with the probe's request settings under its own."""
    return Asked(
        messages=prompt.messages, tools=prompt.tools, request={**request, **prompt.request}
    )
