"""`ask_or_proceed`: asks when the request leaves open what is meant, and proceeds when not.

Told by rules, not by a model: what is a question back is read from the sentences of an answer.
The phrases are English; question marks and tool calls are known in every language.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any

import regex  # type: ignore[import-untyped]

from evals.graders import refusals
from evals.graders.contract import (
    ComponentGrade,
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Sample,
    component_grade,
    unparsable,
)

PATTERNS: Mapping[str, Any] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1},
    "minItems": 1,
}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "prefix": {"type": "string"},
        "both": {"type": "number", "minimum": 0, "maximum": 1},
        "ask_tools": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "longest_question": {"type": "integer", "minimum": 1},
    },
}
TARGET_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["expect"],
    "additionalProperties": False,
    "properties": {
        "expect": {"enum": ["ask", "proceed"]},
        "about": PATTERNS,
        "done": PATTERNS,
    },
}
LONGEST = 100_000
"""Characters of an answer that are read."""
LONGEST_QUESTION = 80
"""Words beside the questions from which on an answer also proceeds."""
TIMEOUT_SECONDS = 1.0
CODE = regex.compile(r"```.*?(?:```|\Z)", regex.DOTALL)
SENTENCE = regex.compile(r"[^.!?。！？؟\n]+(?:[.!](?=\w)[^.!?。！？؟\n]+)*[.!?。！？؟\n]*")
QUESTION = regex.compile(r"[?？؟]")
REQUEST = regex.compile(
    r"\b(?:please|kindly|could you|can you|would you|i(?:['’]d)? need(?: you)? to|let me know|"
    r"tell me|before i (?:can )?\w+)\b.{0,80}?\b(?:clarify|specify|confirm|provide|share|elaborate|"
    r"tell me|let me know|know (?:which|what|who|when|where|whether|if|how)|which|more (?:details|"
    r"information|context))\b",
    regex.IGNORECASE,
)
OFFER = regex.compile(
    r"\b(?:would you like|do you (?:want|need)|shall i|should i also|want me to|"
    r"(?:is there )?anything else|any (?:other|further|more) questions?|need (?:any )?"
    r"(?:more|further|other|anything)|does (?:this|that) (?:help|work|make sense)|"
    r"how (?:else )?can i (?:help|assist))\b",
    regex.IGNORECASE,
)
CHOICE = regex.compile(r"\bor\b", regex.IGNORECASE)


class Way(enum.StrEnum):
    """What an answer does."""

    ASKED = "ask"
    PROCEEDED = "proceed"
    BOTH = "both"


def labels(spec: Mapping[str, Any], case: GradedCase) -> tuple[str, ...]:
    """`ask` or `proceed`, whichever is right; `about` where a question must name something."""
    for field_name in ("about", "done"):
        for place, pattern in enumerate(case.target.get(field_name, ())):
            _compiled(pattern, f"target.{field_name}[{place}]")
    expected = case.target["expect"]
    wants_topic = expected == Way.ASKED and "about" in case.target
    return (_label(spec, expected), *([_label(spec, "about")] if wants_topic else ()))


def grade(spec: Mapping[str, Any], case: GradedCase, sample: Sample) -> Grade:
    """1 for the right way, the settings' `both` (default 0.5) for an answer that goes both."""
    text = sample.output_text
    if not text.strip() and not sample.output_tools:
        return unparsable("the answer is empty")
    if len(text) > LONGEST:
        return unparsable(f"the answer is longer than {LONGEST:,} characters")
    questions, rest = _split(text)
    way = _way(spec, case, sample, questions, rest)
    if way is Way.PROCEEDED and refusals.sounds_like_refusal(sample):
        return unparsable("the answer neither asks nor proceeds: it reads like a refusal")
    expected = case.target["expect"]
    score = spec.get("both", 0.5) if way is Way.BOTH else float(way == expected)
    said = {Way.ASKED: "asks", Way.PROCEEDED: "proceeds", Way.BOTH: "asks and proceeds"}[way]
    shares = {_label(spec, expected): ComponentGrade(score=score, explanation=said)}
    if len(labels(spec, case)) > 1:
        shares[_label(spec, "about")] = _about(case, [*questions, *_asked_by_tool(spec, sample)])
    return component_grade(spec, shares)


def _way(
    spec: Mapping[str, Any],
    case: GradedCase,
    sample: Sample,
    questions: Sequence[str],
    rest: str,
) -> Way:
    called = {_name(call) for call in sample.output_tools}
    ask_tools = set(spec.get("ask_tools", ()))
    asks = bool(questions or called & ask_tools)
    longest = spec.get("longest_question", LONGEST_QUESTION)
    proceeds = bool(
        called - ask_tools
        or CODE.search(sample.output_text)
        or any(_found(pattern, sample.output_text) for pattern in case.target.get("done", ()))
        or len(rest.split()) > longest
    )
    if asks and proceeds:
        return Way.BOTH
    return Way.ASKED if asks else Way.PROCEEDED


def _split(text: str) -> tuple[list[str], str]:
    """The sentences that ask for what is missing, and all the others."""
    questions: list[str] = []
    rest: list[str] = []
    for sentence in SENTENCE.findall(CODE.sub("\n", text)):
        (questions if _asks(sentence) else rest).append(sentence.strip())
    return questions, " ".join(rest)


def _asks(sentence: str) -> bool:
    """A question or a request for details; an offer of further help is neither."""
    if OFFER.search(sentence) and not CHOICE.search(sentence):
        return False
    return bool(QUESTION.search(sentence) or REQUEST.search(sentence))


def _about(case: GradedCase, questions: Sequence[str]) -> ComponentGrade:
    asked = " ".join(questions)
    if any(_found(pattern, asked) for pattern in case.target["about"]):
        return ComponentGrade(score=1.0, explanation="asks for what is missing")
    wanted = " or ".join(repr(pattern) for pattern in case.target["about"])
    return ComponentGrade(score=0.0, explanation=f"does not ask about {wanted}")


def _asked_by_tool(spec: Mapping[str, Any], sample: Sample) -> list[str]:
    return [
        str(call.get("function", {}).get("arguments", ""))
        for call in sample.output_tools
        if _name(call) in spec.get("ask_tools", ())
    ]


def _name(call: Mapping[str, Any]) -> str:
    return str(call.get("function", {}).get("name", ""))


def _compiled(pattern: str, field_name: str) -> regex.Pattern[str]:
    try:
        return regex.compile(pattern, regex.IGNORECASE)
    except regex.error as error:
        raise GraderSpecError(field_name, f"is not a regular expression: {error}") from error


def _found(pattern: str, text: str) -> bool:
    try:
        return _compiled(pattern, "target").search(text, timeout=TIMEOUT_SECONDS) is not None
    except TimeoutError as error:
        message = f"pattern {pattern!r} took over {TIMEOUT_SECONDS:g} s on this output"
        raise GraderError(GraderErrorKind.UNRESPONSIVE_REWARD, message) from error


def _label(spec: Mapping[str, Any], part: str) -> str:
    prefix = spec.get("prefix", "ambiguity")
    return f"{prefix}.{part}" if prefix else part
