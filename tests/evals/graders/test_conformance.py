"""What holds for every grader that needs no model: any output gets a grade, and soon."""

from __future__ import annotations

import time
from typing import Any

import pytest

from evals import graders
from evals.graders.contract import GradedCase, Policy, Sample
from evals.states import ResultState

ELSEWHERE = {"external", "human", "judge"}
"""Scores of another tool or of people, and models by name: nothing that is graded here."""
MEGABYTE = 1_000_000
PERSON = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
SETUP = "CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x');"
FACT = "The code is 4217."
GRADERS: dict[str, tuple[dict[str, Any], Any]] = {
    "ask_or_proceed": ({}, {"expect": "ask", "about": ["year"], "done": ["done"]}),
    "ifeval": (
        {},
        {
            "instruction_id_list": ["detectable_format:json_format", "keywords:existence"],
            "kwargs": [{}, {"keywords": ["name", "Zürich"]}],
        },
    ),
    "json_schema": ({"schema": PERSON}, None),
    "long_context": ({}, {"needles": [{"text": FACT, "answers": ["4217"]}]}),
    "multi": (
        {
            "graders": {
                "has": {"type": "string_check", "operation": "ilike"},
                "like": {"type": "text_similarity", "evaluation_metric": "rouge_l"},
            },
            "calculate_output": "(has + like) / 2",
        },
        "Paris",
    ),
    "numeric": ({}, 42),
    "regex": ({"pattern": r"^\s*\{.*\}\s*$|\bname\b"}, None),
    "sql": ({}, {"sql": "SELECT a FROM t WHERE b = 'x'", "setup": SETUP}),
    "string_check": ({"operation": "ilike"}, "Paris"),
    "text_similarity": ({"evaluation_metric": "fuzzy_match"}, "Paris"),
    "tool_call": ({}, [{"look_up": {"name": ["Ada"]}}]),
}
OUTPUTS: dict[str, str] = {
    "empty": "",
    "blank": " \n\t\u00a0\u200b ",
    "unicode": "Zürich 数据 🙃 \u0301 e\u0301 \u202eabc",
    "refusal": "I'm sorry, but I can't help with that.",
    "cut JSON": '{"name": "Ada", "tags": ["a", ',
    "JSON": '{"name": "Ada"}',
    "NUL": "SELECT a\x00 FROM t WHERE \x00 = 4217",
    "half a character": "name \ud83d 42 year?",
    "deep brackets": "[" * 5_000 + "(" * 5_000 + "{" * 5_000,
    "deep JSON": '{"a":' * 50_000,
    "one long word": "a" * MEGABYTE,
    "many words": "word, " * (MEGABYTE // 6),
    "many lines": "\n" * MEGABYTE,
    "many digits": "7" * MEGABYTE,
    "many quotes": "'\"`" * (MEGABYTE // 3),
    "many questions": "Which year? " * (MEGABYTE // 12),
    "many sentences": "I need to know. Please? SELECT a FROM t; " * (MEGABYTE // 40),
    "much JSON": '[{"name": "Ada"}' + ', {"name": "Ada"}' * (MEGABYTE // 17) + "]",
    "long query": "SELECT " + "a, " * (MEGABYTE // 3),
    "large wrong JSON": '["' + "x" * 900_000 + '"]',
    "many fences": "```json\n{}\n```\n" * (MEGABYTE // 15),
}


def test_every_grader_that_waits_for_nothing_has_its_row() -> None:
    alone = {name for name in graders.BUILT_IN if not hasattr(graders.get(name), "grade_async")}
    assert alone - ELSEWHERE <= set(GRADERS)


@pytest.mark.parametrize("name", sorted(GRADERS))
@pytest.mark.parametrize("output", OUTPUTS)
def test_any_output_is_graded_within_a_second(name: str, output: str) -> None:
    settings, target = GRADERS[name]
    spec = {"type": name, **settings}
    graders.check_spec(spec)
    asked = [{"role": "user", "content": FACT}]
    case = GradedCase(case_id="one", input=asked, target=target, components=("part",))
    labels = graders.check_case(spec, case)
    sample = Sample(output_text=OUTPUTS[output])
    begun = time.process_time()
    grade = graders.grade_sample([spec], case, sample, Policy())
    assert time.process_time() - begun < 1.0
    assert grade.score is not None and 0 <= grade.score <= 1
    assert set(grade.components) == set(labels)
    assert grade.explanation and len(grade.explanation) < 5_000
    assert grade.state in (ResultState.PASSED, ResultState.FAILED, ResultState.REFUSED)


@pytest.mark.parametrize("name", sorted(GRADERS))
def test_grading_twice_gives_the_same(name: str) -> None:
    settings, target = GRADERS[name]
    spec = {"type": name, **settings}
    asked = [{"role": "user", "content": FACT}]
    case = GradedCase(case_id="one", input=asked, target=target, components=("part",))
    for text in ('{"name": "Ada"}', "Which year?", "SELECT a FROM t WHERE b = 'x'", "4217 Paris"):
        first = graders.grade_sample([spec], case, Sample(output_text=text), Policy())
        assert graders.grade_sample([spec], case, Sample(output_text=text), Policy()) == first
