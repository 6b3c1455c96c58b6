"""ask_or_proceed: asking back when it is needed, and only then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from evals import graders
from evals.graders.contract import (
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Policy,
    Sample,
)
from evals.states import ResultState

REFUSAL = "I'm sorry, but I can't help with that."
CODE = "```sql\nSELECT SUM(amount) FROM sales\n```"
LONG = "The revenue of the year is the sum of all its invoices. " * 10
HUGE = "word, " * 200_000


def call(name: str, arguments: str = "{}") -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def graded(
    text: str, expect: str = "ask", tools: Sequence[Any] = (), target: Any = None, **spec: Any
) -> Grade:
    whole = {"type": "ask_or_proceed", **spec}
    graders.check_spec(whole)
    case = GradedCase(case_id="one", target={"expect": expect, **(target or {})})
    graders.check_case(whole, case)
    sample = Sample(output_text=text, output_tools=tools)
    return graders.grade_sample([whole], case, sample, Policy())


ASK, PROCEED, BOTH = (1, 0), (0, 1), (0.5, 0.5)
TEXTS: list[tuple[str, str, tuple[float, float]]] = [
    ("a question", "Which year do you mean?", ASK),
    ("a choice offered", "Would you like the net or the gross revenue?", ASK),
    ("a request", "Please specify which table you mean.", ASK),
    ("a request for details", "I need to know which year before I can start.", ASK),
    ("let me know", "Let me know which of the two regions matters.", ASK),
    ("several questions", "1. Which year?\n2. Which region?\nThen I can write it.", ASK),
    ("a question in Chinese", "您指的是哪一年？", ASK),
    ("a question in Arabic", "أي سنة تقصد؟", ASK),
    ("an answer", "The revenue is 4.2 million.", PROCEED),
    ("code", CODE, PROCEED),
    ("an offer after it", f"{CODE}\nWould you like me to explain it?", PROCEED),
    ("a polite end", "It is 42. Is there anything else?", PROCEED),
    ("a question in code", "```python\nprint('Which year?')\n```", PROCEED),
    ("cut code", "```sql\nSELECT 'Which year?' FROM", PROCEED),
    ("cut JSON", '{"revenue": 4.2, "year": ', PROCEED),
    ("a URL with a question mark", "See the report of 2024.", PROCEED),
    ("a long answer", LONG, PROCEED),
    ("code and a question", f"{CODE}\nDid you mean the net revenue?", BOTH),
    ("a long answer and a question", f"{LONG} Which year do you mean?", BOTH),
]


@pytest.mark.parametrize(("name", "text", "scores"), TEXTS)
def test_way_of_an_answer(name: str, text: str, scores: tuple[float, float]) -> None:
    for expect, score in zip(("ask", "proceed"), scores, strict=True):
        grade = graded(text, expect)
        assert grade.score == score, grade.explanation
        assert set(grade.components) == {f"ambiguity.{expect}"}
        assert grade.state is (ResultState.PASSED if score == 1 else ResultState.FAILED)


@pytest.mark.parametrize("text", ["", " \n\t", HUGE])
def test_nothing_and_far_too_much_are_unreadable(text: str) -> None:
    begun = time.process_time()
    for expect in ("ask", "proceed"):
        assert (graded(text, expect).parsed, graded(text, expect).score) == (False, 0.0)
    assert time.process_time() - begun < 1.0


def test_long_text_without_an_end_is_read_in_time() -> None:
    begun = time.process_time()
    assert graded("please " * 14_000, "proceed").score == 1
    assert graded("Which? " * 14_000).score == 1
    assert time.process_time() - begun < 2.0


@pytest.mark.parametrize("expect", ["ask", "proceed"])
def test_refusal_is_recorded_as_refused(expect: str) -> None:
    assert graded(REFUSAL, expect).state is ResultState.REFUSED


def test_refusal_that_asks_back_asks() -> None:
    assert graded("I'm sorry, which year do you mean?").score == 1


CALLS = [
    ("does the thing", "", [call("run_query")], PROCEED),
    ("asks by its tool", "", [call("ask_user")], ASK),
    ("asks in words and does it", "Which year?", [call("run_query")], BOTH),
    ("asks by its tool and does it", "", [call("ask_user"), call("run_query")], BOTH),
]


@pytest.mark.parametrize(("name", "text", "tools", "scores"), CALLS)
def test_calls_tell_the_way(name: str, text: str, tools: Any, scores: tuple[float, float]) -> None:
    for expect, score in zip(("ask", "proceed"), scores, strict=True):
        assert graded(text, expect, tools, ask_tools=["ask_user"]).score == score


def test_question_must_be_about_what_is_missing() -> None:
    target = {"about": [r"\byear\b", r"\bperiod\b"]}
    right = graded("Which YEAR do you mean?", target=target)
    assert {label: share.score for label, share in right.components.items()} == {
        "ambiguity.ask": 1,
        "ambiguity.about": 1,
    }
    wrong = graded("The year is known. Which color do you like?", target=target)
    assert wrong.components["ambiguity.about"].score == 0
    by_tool = graded(
        "", tools=[call("ask_user", '{"q": "Which year?"}')], target=target, ask_tools=["ask_user"]
    )
    assert by_tool.score == 1


def test_suite_says_what_counts_as_done_and_what_both_is_worth() -> None:
    text = "REVENUE: 4.2. Which year do you mean?"
    assert graded(text).score == 1
    assert graded(text, target={"done": ["^REVENUE:"]}).score == 0.5
    assert graded(text, target={"done": ["^REVENUE:"]}, both=0).score == 0
    assert graded("Which year? " + "word " * 20, longest_question=10).score == 0.5


def test_runaway_pattern_is_the_graders_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evals.graders.ask_or_proceed.TIMEOUT_SECONDS", 0.05)
    with pytest.raises(GraderError) as failed:
        graded("Which " + "1," * 40 + "?", target={"about": [r"^(.*?,){12}P"]})
    assert failed.value.kind is GraderErrorKind.UNRESPONSIVE_REWARD


@pytest.mark.parametrize(
    ("target", "field_name"),
    [
        (None, "target"),
        ({}, "target"),
        ({"expect": "wait"}, "target.expect"),
        ({"expect": "ask", "about": ["("]}, "target.about[0]"),
        ({"expect": "proceed", "done": [""]}, "target.done[0]"),
    ],
)
def test_bad_target_is_refused_by_field(target: Any, field_name: str) -> None:
    with pytest.raises(GraderSpecError) as refused:
        graders.check_case({"type": "ask_or_proceed"}, GradedCase(case_id="one", target=target))
    assert refused.value.field_name == field_name
