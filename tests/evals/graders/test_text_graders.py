"""string_check, regex, numeric and json_schema: what each counts as right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from evals import graders
from evals.graders import numeric, refusals, templates
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

HUGE = "word, " * 100_000
REFUSAL = "I'm sorry, but I can't help with that."
CUT = '{"name": "Ada", "tags": ["a", '


def graded(spec: Mapping[str, Any], text: str, target: Any = None, **case: Any) -> Grade:
    graders.check_spec(spec)
    whole = GradedCase(case_id="one", target=target, components=("text.part",), **case)
    graders.check_case(spec, whole)
    return graders.grade_sample([spec], whole, Sample(output_text=text), Policy())


STRING_CHECKS = [
    ("equal", "eq", "Paris", "Paris", 1),
    ("another case", "eq", "paris", "Paris", 0),
    ("a space more", "eq", "Paris ", "Paris", 0),
    ("unequal", "ne", "Rome", "Paris", 1),
    ("not unequal", "ne", "Paris", "Paris", 0),
    ("like is contains", "like", "It is Paris.", "Paris", 1),
    ("like minds the case", "like", "It is paris.", "Paris", 0),
    ("ilike does not", "ilike", "It is PARIS.", "Paris", 1),
    ("ilike folds unicode", "ilike", "IN DER STRASSE", "straße", 1),
    ("per cent is no wildcard", "like", "100 per cent", "100%", 0),
    ("composed letters", "like", "🙃 数 Zürich", "数", 1),
    ("empty answer", "eq", "", "Paris", 0),
    ("empty answer contains nothing", "like", "", "Paris", 0),
    ("huge", "ilike", HUGE + "Paris", "paris", 1),
    ("refusal is a text", "like", REFUSAL, "Paris", 0),
    ("cut JSON is a text", "like", CUT, "Ada", 1),
]


@pytest.mark.parametrize(("name", "operation", "text", "target", "score"), STRING_CHECKS)
def test_string_check(name: str, operation: str, text: str, target: str, score: int) -> None:
    grade = graded({"type": "string_check", "operation": operation}, text, target)
    assert grade.score == score
    assert grade.state is (ResultState.PASSED if score else ResultState.FAILED)
    assert grade.components["text.part"].score == score


TEMPLATES = [
    ("target by default", {}, "Paris", 1),
    ("field of an imported row", {"reference": "{{item.city}}"}, "Oslo", 1),
    ("text around it", {"reference": "<{{ item.target }}>"}, "<Paris>", 1),
    ("list element", {"reference": "{{item.tags[1]}}"}, "b", 1),
    ("number as JSON", {"reference": "{{item.metadata.year}}"}, "2027", 1),
    ("parsed answer", {"input": "{{sample.output_json.city}}"}, '{"city": "Paris"}', 1),
    ("other braces stay", {"reference": "{{city}}"}, "{{city}}", 1),
    ("a hyphen", {"reference": "{{item.home-town}}"}, "Bergen", 1),
    ("a quoted name", {"reference": "{{item['home-town']}}"}, "Bergen", 1),
    ("an index after a dot", {"reference": "{{item.tags.1}}"}, "b", 1),
    ("nested answer", {"input": "{{sample.output_json.a[1].b}}"}, '{"a": [0, {"b": "Paris"}]}', 1),
    ("part of the answer as JSON", {"input": "{{sample.output_json.a}}"}, '{"a": ["Paris"]}', 0),
    ("a number of the answer", {"input": "<{{sample.output_json[0]}}>"}, "[7]", 0),
    ("as the API answers", {"input": "{{sample.choices[0].message.content}}"}, "Paris", 1),
    ("unicode", {"reference": "{{item.город}}"}, "Осло", 1),
    ("twice", {"reference": "{{item.target}}{{item.target}}"}, "ParisParis", 1),
    ("a variable inside an answer stays", {"reference": "x"}, "{{item.target}}", 0),
]


@pytest.mark.parametrize(("name", "fields", "text", "score"), TEMPLATES)
def test_templates_read_item_and_sample(
    name: str, fields: Mapping[str, Any], text: str, score: int
) -> None:
    spec = {"type": "string_check", "operation": "eq", **fields}
    item = {"city": "Oslo", "tags": ["a", "b"], "home-town": "Bergen", "город": "Осло"}
    metadata = {"year": 2027, "item": item}
    assert graded(spec, text, "Paris", metadata=metadata).score == score


@pytest.mark.parametrize(
    "template",
    [
        "{{item.nope}}",
        "{{item.input[3]}}",
        "{{item.target.x}}",
        "{{item.target[0]}}",
        "{{sample.nope}}",
        "{{sample.output_text.x}}",
    ],
)
def test_template_that_names_nothing_is_the_graders_error(template: str) -> None:
    spec = {"type": "string_check", "operation": "eq", "reference": template}
    with pytest.raises(GraderError) as failed:
        graded(spec, "Paris", "Paris")
    assert failed.value.kind is GraderErrorKind.INVALID_VARIABLE


CALL = {"id": "1", "type": "function", "function": {"name": "go", "arguments": '{"to": "Rome"}'}}
TOOL_TEMPLATES = [
    ("name", "{{sample.output_tools[0].function.name}}", "go"),
    ("arguments are a text", "{{sample.output_tools[0].function.arguments}}", '{"to": "Rome"}'),
    ("all of them", "{{sample.output_tools}}", json.dumps([CALL])),
    ("of the message", "{{sample.choices[0].message.tool_calls[0].id}}", "1"),
]


@pytest.mark.parametrize(("name", "template", "found"), TOOL_TEMPLATES)
def test_templates_read_tool_calls(name: str, template: str, found: str) -> None:
    case = GradedCase(case_id="one", target=found)
    assert templates.render(template, case, Sample(output_tools=[CALL])) == found


UNANSWERED = [
    ("no JSON", "{{sample.output_json.city}}", "Paris"),
    ("cut JSON", "{{sample.output_json.city}}", '{"city": "Par'),
    ("empty", "{{sample.output_json}}", ""),
    ("deep", "{{sample.output_json}}", "[" * 100_000),
    ("another field", "{{sample.output_json.city}}", '{"town": "Paris"}'),
    ("a list that is too short", "{{sample.output_json[1]}}", "[1]"),
    ("no object", "{{sample.output_json.city}}", '"Paris"'),
    ("no call", "{{sample.output_tools[0].function.name}}", "Paris"),
    ("no call in the message", "{{sample.choices[0].message.tool_calls[0]}}", "Paris"),
]


@pytest.mark.parametrize(("name", "template", "text"), UNANSWERED)
def test_answer_without_what_is_read_is_the_models_fault(
    name: str, template: str, text: str
) -> None:
    grade = graded({"type": "string_check", "operation": "eq", "input": template}, text, "Paris")
    assert (grade.parsed, grade.state, grade.score) == (False, ResultState.FAILED, 0.0)
    assert set(grade.components) == {"text.part"}


def test_refusal_where_json_is_read_is_recorded_as_refused() -> None:
    spec = {"type": "string_check", "operation": "eq", "input": "{{sample.output_json.city}}"}
    assert graded(spec, REFUSAL, "Paris").state is ResultState.REFUSED


REGEXES = [
    ("found", {"pattern": r"\d{3}"}, "call 112 now", 1),
    ("not found", {"pattern": r"\d{4}"}, "call 112 now", 0),
    ("whole", {"pattern": r"\d+", "match": "fullmatch"}, "112", 1),
    ("not the whole", {"pattern": r"\d+", "match": "fullmatch"}, "112!", 0),
    ("case", {"pattern": "paris", "ignore_case": True}, "PARIS", 1),
    ("lines", {"pattern": "^b$", "multiline": True}, "a\nb\nc", 1),
    ("lines off", {"pattern": "^b$"}, "a\nb\nc", 0),
    ("negated", {"pattern": "sorry", "negate": True}, "fine", 1),
    ("negated and found", {"pattern": "sorry", "negate": True}, REFUSAL, 0),
    ("unicode class", {"pattern": r"^\p{Han}+$"}, "数据", 1),
    ("empty answer", {"pattern": "."}, "", 0),
    ("empty answer, empty match", {"pattern": "^$"}, "", 1),
    ("huge", {"pattern": r"word, $"}, HUGE, 1),
    ("cut JSON", {"pattern": r"\}$"}, CUT, 0),
]


@pytest.mark.parametrize(("name", "fields", "text", "score"), REGEXES)
def test_regex(name: str, fields: Mapping[str, Any], text: str, score: int) -> None:
    assert graded({"type": "regex", **fields}, text).score == score


def test_runaway_pattern_is_the_graders_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evals.graders.regex.TIMEOUT_SECONDS", 0.05)
    with pytest.raises(GraderError) as failed:
        graded({"type": "regex", "pattern": r"^(.*?,){12}P"}, "1," * 40)
    assert failed.value.kind is GraderErrorKind.UNRESPONSIVE_REWARD


NUMBERS: list[tuple[str, Mapping[str, Any], str, Any, int]] = [
    ("last by default", {}, "First 3, then 4.", 4, 1),
    ("first", {"take": "first"}, "First 3, then 4.", 3, 1),
    ("only", {"take": "only"}, "It is 42.", 42, 1),
    ("thousands", {}, "About 1,234,567.5 people", 1234567.5, 1),
    ("a list is no thousands", {}, "1,2,3", 3, 1),
    ("negative", {}, "It is −7", -7, 1),
    ("a hyphen is no sign", {}, "pages 3-5", 5, 1),
    ("per cent", {}, "50%", 0.5, 1),
    ("exponent", {}, "6.02e23", 6.02e23, 1),
    ("leading dot", {}, "p = .05", 0.05, 1),
    ("absolute tolerance", {"absolute": 0.1}, "3.19", 3.1, 1),
    ("outside it", {"absolute": 0.1}, "3.21", 3.1, 0),
    ("relative tolerance", {"relative": 0.01}, "101", 100, 1),
    ("target as text", {}, "7", "7.0", 1),
    ("zero is not close to a little", {}, "0.0001", 0, 0),
    ("other script", {}, "٣", 3, 1),
    ("huge", {}, HUGE[:600] + "12 " + HUGE, 12, 1),
]


@pytest.mark.parametrize(("name", "fields", "text", "target", "score"), NUMBERS)
def test_numeric(name: str, fields: Mapping[str, Any], text: str, target: Any, score: int) -> None:
    assert graded({"type": "numeric", **fields}, text, target).score == score


UNREADABLE = [
    ("empty", {}, ""),
    ("no number", {}, "forty-two"),
    ("part of a word", {}, "the A4 and v2.0"),
    ("refusal", {}, "There is no answer."),
    ("two where one is wanted", {"take": "only"}, "3 or 4"),
    ("beyond every float", {}, "1e999"),
]


@pytest.mark.parametrize(("name", "fields", "text"), UNREADABLE)
def test_answer_without_the_number_is_unreadable(
    name: str, fields: Mapping[str, Any], text: str
) -> None:
    grade = graded({"type": "numeric", **fields}, text, 4)
    assert (grade.state, grade.score, grade.parsed) == (ResultState.FAILED, 0.0, False)


@pytest.mark.parametrize("target", ["many", None, [3], "nan", "inf"])
def test_numeric_target_must_be_a_finite_number(target: Any) -> None:
    with pytest.raises(GraderSpecError) as refused:
        graded({"type": "numeric"}, "3", target)
    assert refused.value.field_name == "target"


def test_numbers_are_found_in_time_on_a_hostile_text() -> None:
    assert numeric.numbers("1," * 100_000)[-1] == 1.0


PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
}
JSONS: list[tuple[str, str, int | None]] = [
    ("fits", '{"name": "Ada", "age": 34}', 1),
    ("unicode", '{"name": "Chloé 数"}', 1),
    ("escaped unicode", '{"name": "\\u6570"}', 1),
    ("missing field", '{"age": 34}', 0),
    ("wrong type", '{"name": 3}', 0),
    ("out of range", '{"name": "Ada", "age": -1}', 0),
    ("another kind", "[]", 0),
    ("null", "null", 0),
    ("empty", "", None),
    ("cut off", CUT, None),
    ("text around it", 'Here: {"name": "Ada"}', None),
    ("NaN is not JSON", '{"name": "Ada", "age": NaN}', None),
    ("deep", "[" * 100_000, None),
    ("huge", json.dumps({"name": HUGE * 2}), None),
    ("large", json.dumps({"name": HUGE}), 1),
]


@pytest.mark.parametrize(("name", "text", "score"), JSONS)
def test_json_schema(name: str, text: str, score: int | None) -> None:
    grade = graded({"type": "json_schema", "schema": PERSON}, text)
    assert grade.parsed is (score is not None)
    assert grade.score == (score or 0)
    assert graded({"type": "json_schema"}, text, PERSON).score == grade.score


def test_json_refusal_is_recorded_as_refused() -> None:
    grade = graded({"type": "json_schema", "schema": PERSON}, REFUSAL)
    assert (grade.state, grade.score) == (ResultState.REFUSED, 0.0)


def test_schema_elsewhere_is_never_fetched() -> None:
    spec = {"type": "json_schema", "schema": {"$ref": "http://127.0.0.1:9/schema.json"}}
    with pytest.raises(GraderError, match="127.0.0.1:9"):
        graded(spec, "{}")


@pytest.mark.parametrize(
    ("spec", "target", "field_name"),
    [
        ({"schema": {"type": "thing"}}, None, "schema"),
        ({}, None, "target"),
        ({}, {"type": 3}, "target"),
    ],
)
def test_malformed_schema_is_refused(spec: Any, target: Any, field_name: str) -> None:
    with pytest.raises(GraderSpecError) as refused:
        graded({"type": "json_schema", **spec}, "{}", target)
    assert refused.value.field_name == field_name


SPEECHES = [
    (REFUSAL, True),
    ("I cannot assist with that.", True),
    ("I’m sorry — no.", True),
    ("As an AI, I do not have opinions.", True),
    ("Sorry, I can't do that.", True),
    ("I can certainly help.", False),
    ("He said: I can't.", False),
    ("Icing is sweet.", False),
    ("", False),
    ("SELECT 'I cannot'", False),
]


@pytest.mark.parametrize(("text", "refused"), SPEECHES)
def test_refusal_is_told_by_how_an_answer_opens(text: str, refused: bool) -> None:
    assert refusals.sounds_like_refusal(Sample(output_text=text)) is refused
