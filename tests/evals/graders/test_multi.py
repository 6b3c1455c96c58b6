"""multi: graders joined by a formula that is read and never run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals import graders
from evals.graders import contract
from evals.graders.contract import (
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Policy,
    Sample,
)
from evals.graders.multi import formula
from evals.states import ResultState

IS = {"type": "string_check", "name": "is", "operation": "eq"}
HAS = {"type": "string_check", "name": "has", "operation": "ilike"}
LIKE = {"type": "text_similarity", "name": "like", "evaluation_metric": "fuzzy_match"}
NUMBER = {"type": "numeric", "name": "number"}
JSON = {"type": "json_schema", "name": "json", "schema": {"type": "object"}}
HUGE = "word, " * 170_000
REFUSAL = "I'm sorry, but I can't help with that."


def multi(output: str, *inner: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    named = {one["name"]: one for one in inner or (IS, HAS)}
    return {"type": "multi", "graders": named, "calculate_output": output, **spec}


def graded(spec: Mapping[str, Any], text: str, target: Any = "Paris") -> Grade:
    graders.check_spec(spec)
    case = GradedCase(case_id="one", target=target, components=("text.part",))
    graders.check_case(spec, case)
    return graders.grade_sample([spec], case, Sample(output_text=text), Policy())


SCORES: list[tuple[str, dict[str, Any], str, float]] = [
    ("both right", multi("(is + has) / 2"), "Paris", 1),
    ("one right", multi("(is + has) / 2"), "It is Paris.", 0.5),
    ("none right", multi("(is + has) / 2"), "Rome", 0),
    ("weighted", multi("0.25 * is + 0.75 * has"), "It is Paris.", 0.75),
    ("only one is used", multi("has"), "It is Paris.", 1),
    ("functions", multi("max(is, min(has, 0.5))"), "It is Paris.", 0.5),
    ("power", multi("(0.5 * has) ^ 2"), "It is Paris.", 0.25),
    ("similarity", multi("floor(like)", LIKE), "Pariss", 0),
    ("empty answer", multi("(is + has) / 2"), "", 0),
    ("unicode", multi("like", LIKE), "Pariś", 0.8),
    ("huge answer", multi("has"), HUGE + "paris", 1),
    ("refusal is a text", multi("has"), REFUSAL, 0),
    ("cut JSON is a text", multi("has"), '{"city": "Paris', 1),
    ("thirds", multi("is / 3 + has / 3 + is / 3"), "Paris", 1),
]


@pytest.mark.parametrize(("name", "spec", "text", "score"), SCORES)
def test_formula_joins_the_scores(name: str, spec: dict[str, Any], text: str, score: float) -> None:
    grade = graded(spec, text)
    assert grade.score == pytest.approx(score)
    assert grade.components["text.part"].score == pytest.approx(score)


SHAPES = [
    ("a map", {"is": IS, "has": HAS}),
    ("a list", [IS, HAS]),
]


@pytest.mark.parametrize(("name", "given_graders"), SHAPES)
def test_map_and_list_are_the_same(name: str, given_graders: Any) -> None:
    spec = {"type": "multi", "graders": given_graders, "calculate_output": "(is + has) / 2"}
    assert graded(spec, "It is Paris.").score == 0.5


def test_one_grader_alone_is_known_by_its_name() -> None:
    spec = {"type": "multi", "graders": HAS, "calculate_output": "1 - has"}
    assert graded(spec, "Rome").score == 1


def test_grader_may_be_called_type() -> None:
    spec = {"type": "multi", "graders": {"type": HAS}, "calculate_output": "type"}
    assert graded(spec, "Paris").score == 1


def test_prefix_makes_each_grader_a_component() -> None:
    grade = graded(multi("is * has", prefix="answer"), "It is Paris.")
    scores = {label: share.score for label, share in grade.components.items()}
    assert scores == {"text.part": 0, "answer.is": 0, "answer.has": 1}


@pytest.mark.parametrize("text", ["", "forty", '{"a": '])
def test_unreadable_for_one_grader_is_unreadable(text: str) -> None:
    grade = graded(multi("(json + has) / 2", JSON, HAS), text)
    assert (grade.state, grade.score, grade.parsed) == (ResultState.FAILED, 0.0, False)
    assert grade.explanation.startswith("json: ")


def test_refusal_that_one_grader_cannot_read_is_refused() -> None:
    assert graded(multi("number", NUMBER), REFUSAL, 4).state is ResultState.REFUSED


RUN_ERRORS = [
    ("division by zero", "1 / is", GraderErrorKind.OTHER, "has no value for is=0"),
    ("logarithm of zero", "log(is)", GraderErrorKind.OTHER, "math domain"),
    ("root of less than zero", "sqrt(is - 1)", GraderErrorKind.OTHER, "math domain"),
    ("overflow", "exp(999)", GraderErrorKind.OTHER, "math range"),
    ("infinity", "1e999", GraderErrorKind.OTHER, "inf"),
    ("above one", "2", GraderErrorKind.OTHER, "outside 0 to 1"),
    ("below zero", "is - 0.5", GraderErrorKind.OTHER, "outside 0 to 1"),
]


@pytest.mark.parametrize(("name", "output", "kind", "said"), RUN_ERRORS)
def test_formula_without_a_score_is_the_graders_error(
    name: str, output: str, kind: GraderErrorKind, said: str
) -> None:
    with pytest.raises(GraderError, match=said) as failed:
        graded(multi(output), "Rome")
    assert failed.value.kind is kind


FORMULAS = [
    ("(is", "formula_parse_error"),
    ("is has", "formula_parse_error"),
    ("is +", "formula_parse_error"),
    ("__import__('os').system('id')", "formula_parse_error"),
    ("is.score", "formula_parse_error"),
    ("is if has else 0", "formula_parse_error"),
    ("[is for x in y]", "formula_parse_error"),
    ("round(is)", "formula_parse_error"),
    ("is // has", "formula_parse_error"),
    ("(" * 60 + "is" + ")" * 60, "formula_parse_error"),
    ("is + " * 900 + "is", "formula_parse_error"),
    ("is + other", "invalid_variable_error"),
    ("min", "invalid_variable_error"),
]


@pytest.mark.parametrize(("output", "kind"), FORMULAS)
def test_bad_formula_is_refused_beforehand_and_errored_when_met(output: str, kind: str) -> None:
    with pytest.raises(GraderSpecError, match=kind) as refused:
        graded(multi(output), "Paris")
    assert refused.value.field_name == "calculate_output"
    with pytest.raises(GraderError) as failed:
        case = GradedCase(case_id="one", target="Paris")
        graders.grade_one(multi(output), case, Sample(output_text="Paris"))
    assert failed.value.kind == kind


class Asks:
    """An installed grader that waits for a model."""

    name = "asks"

    def load(self) -> Any:
        async def grade_async(spec: Any, case: GradedCase, sample: Sample, services: Any) -> Grade:
            answer = await services.complete(spec["model"], {"messages": []})
            return contract.single_grade(spec, case, answer, "as the model says")

        return SimpleNamespace(
            SCHEMA={"type": "object", "properties": {"model": {"type": "string"}}},
            TARGET_SCHEMA={},
            labels=contract.single_labels,
            grade_async=grade_async,
            models=lambda spec: {spec["model"]},
        )


class Answers:
    """Services whose every model says one half."""

    async def complete(self, model: str, body: Mapping[str, Any]) -> float:
        return 0.5


def test_grader_that_asks_a_model_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    graders.get.cache_clear()
    monkeypatch.setattr(graders, "entry_points", lambda group: [Asks()])
    spec = multi("(judge + has) / 2", {"type": "asks", "name": "judge", "model": "m"}, HAS)
    case = GradedCase(case_id="one", target="Paris", components=("text.part",))
    assert graders.needs_services(spec) and graders.models_of(spec) == {"m"}
    assert not graders.needs_services(multi("has")) and not graders.models_of(multi("has"))
    sample = Sample(output_text="Paris")
    grade = asyncio.run(graders.grade_sample_async([spec], case, sample, Policy(), Answers()))
    graders.get.cache_clear()
    assert grade.score == 0.75


GRADERS: list[tuple[str, Any, str]] = [
    ("a multi inside", {"is": multi("has")}, "graders.is.type"),
    ("a judge inside", {"is": {"type": "judge", "judge": "tone@1"}}, "graders.is.type"),
    ("an import inside", {"is": {"type": "external"}}, "graders.is.type"),
    ("type of another kind", {"is": {"type": ["multi"]}}, "graders.is.type"),
    ("unknown type", {"is": {"type": "vibes"}}, "graders.is.type"),
    ("bad settings", {"is": {"type": "string_check"}}, "graders.is"),
    ("no object", {"is": "string_check"}, "graders.is"),
    ("bad target", {"is": NUMBER}, "graders.is.target"),
    (
        "not offered",
        {"is": {**LIKE, "evaluation_metric": "meteor"}},
        "graders.is.evaluation_metric",
    ),
    ("none", {}, "graders"),
    ("empty list", [], "graders"),
    ("without a name", [{"type": "string_check", "operation": "eq"}], "graders[0]"),
    ("one name twice", [IS, IS], "graders[1].name"),
    ("text", "is", "graders"),
]


@pytest.mark.parametrize(("name", "inner", "field_name"), GRADERS)
def test_bad_graders_inside_are_refused_by_field(name: str, inner: Any, field_name: str) -> None:
    with pytest.raises(GraderSpecError) as refused:
        graded({"type": "multi", "graders": inner, "calculate_output": "is"}, "Paris")
    assert refused.value.field_name == field_name


VALUES = [
    ("1 + 2 * 3", 7),
    ("(1 + 2) * 3", 9),
    ("8 - 4 - 2", 2),
    ("8 / 4 / 2", 1),
    ("-2 ^ 2", -4),
    ("2 ^ -1", 0.5),
    ("2 ^ 3 ^ 2", 512),
    ("- - 2 + +1", 3),
    ("1.5e1 + .5", 15.5),
    ("min(3, 1, 2) + max(1)", 2),
    ("floor(1.5) + ceil(0.2) + abs(-3)", 5),
    ("sqrt(4) + exp(0) + log(1)", 3),
    ("+".join("1" * 900), 900),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_formula_has_the_value_of_arithmetic(text: str, value: float) -> None:
    assert formula.parse(text).value({}) == pytest.approx(value)


@given(st.text(alphabet="01.ab+-*/^()min,e ", max_size=40))
def test_any_text_is_a_formula_or_refused(text: str) -> None:
    try:
        read = formula.parse(text)
        read.value(dict.fromkeys(read.names, 0.5))
    except (formula.FormulaError, formula.NoValue):
        pass


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from("+-*"))
def test_formula_agrees_with_python(a: float, b: float, mark: str) -> None:
    by_python = {"+": a + b, "-": a - b, "*": a * b}[mark]
    assert formula.parse(f"a {mark} b").value({"a": a, "b": b}) == by_python
