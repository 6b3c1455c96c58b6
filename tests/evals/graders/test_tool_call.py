"""tool_call: functions and arguments as BFCL judges them, each a component."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from evals import graders
from evals.graders.contract import Grade, GradedCase, GraderSpecError, Policy, Sample
from evals.states import ResultState

HUGE = "word, " * 200_000
REFUSAL = "I'm sorry, but I can't help with that."
AREA = {
    "type": "function",
    "function": {
        "name": "geo_area",
        "parameters": {
            "type": "object",
            "properties": {
                "base": {"type": "integer"},
                "height": {"type": "number"},
                "unit": {"type": "string"},
            },
            "required": ["base", "height"],
        },
    },
}
TARGET = [{"geo.area": {"base": [10], "height": [5.0, 5], "unit": ["sq. cm", ""]}}]
RIGHT = {"base": 10, "height": 5, "unit": "sq cm"}


def native(name: str, arguments: Any) -> Mapping[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": text}}


def graded(text: str = "", tools: Sequence[Any] = (), target: Any = None, **spec: Any) -> Grade:
    whole = {"type": "tool_call", **spec}
    graders.check_spec(whole)
    wanted = TARGET if target is None else target
    case = GradedCase(case_id="one", target=wanted, tools=[AREA])
    graders.check_case(whole, case)
    sample = Sample(output_text=text, output_tools=tools)
    return graders.grade_sample([whole], case, sample, Policy())


def scores(grade: Grade) -> dict[str, float]:
    return {label.removeprefix("tools."): share.score for label, share in grade.components.items()}


def parts(function: float, base: float, height: float, unit: float, rest: float) -> Any:
    arguments = {"argument.base": base, "argument.height": height, "argument.unit": unit}
    return {"function": function, **arguments, "nothing_else": rest}


ALL = parts(1, 1, 1, 1, 1)
NONE = parts(0, 0, 0, 0, 1)
NATIVE: list[tuple[str, Sequence[Any], Any]] = [
    ("right", [native("geo_area", RIGHT)], ALL),
    ("dotted name", [native("geo.area", RIGHT)], ALL),
    ("optional left out", [native("geo_area", {"base": 10, "height": 5.0})], ALL),
    ("arguments as an object", [{"function": {"name": "geo_area", "arguments": RIGHT}}], ALL),
    ("texts are compared loosely", [native("geo_area", {**RIGHT, "unit": "SQ-CM"})], ALL),
    ("wrong value", [native("geo_area", {**RIGHT, "base": 11})], parts(1, 0, 1, 1, 1)),
    ("required left out", [native("geo_area", {"base": 10})], parts(1, 1, 0, 1, 1)),
    (
        "fraction for an integer",
        [native("geo_area", {**RIGHT, "base": 10.0})],
        parts(1, 0, 1, 1, 1),
    ),
    ("text for a number", [native("geo_area", {**RIGHT, "base": "10"})], parts(1, 0, 1, 1, 1)),
    ("true is no number", [native("geo_area", {**RIGHT, "height": True})], parts(1, 1, 0, 1, 1)),
    ("null", [native("geo_area", {**RIGHT, "unit": None})], parts(1, 1, 1, 0, 1)),
    ("unicode", [native("geo_area", {**RIGHT, "unit": "см²"})], parts(1, 1, 1, 0, 1)),
    ("unasked argument", [native("geo_area", {**RIGHT, "color": 1})], parts(1, 1, 1, 1, 0)),
    ("unasked call", [native("geo_area", RIGHT), native("pay", {})], parts(1, 1, 1, 1, 0)),
    ("called twice", [native("geo_area", RIGHT)] * 2, parts(1, 1, 1, 1, 0)),
    ("another function", [native("geo_volume", RIGHT)], parts(0, 0, 0, 0, 0)),
    ("no call", [], NONE),
    ("no arguments", [native("geo_area", "")], parts(1, 0, 0, 1, 1)),
]


@pytest.mark.parametrize(("name", "tools", "expected"), NATIVE)
def test_native_calls(name: str, tools: Sequence[Any], expected: Mapping[str, float]) -> None:
    grade = graded(tools=tools)
    assert scores(grade) == expected
    assert grade.state is (ResultState.PASSED if expected == ALL else ResultState.FAILED)
    assert grade.score == pytest.approx(sum(expected.values()) / len(expected))


TEXTS = [
    ("JSON object", '{"name": "geo.area", "arguments": {"base": 10, "height": 5}}', ALL),
    ("JSON list", '[{"name": "geo.area", "parameters": {"base": 10, "height": 5}}]', ALL),
    ("under function", '{"function": {"name": "geo_area", "arguments": {"base": 10}}}', None),
    ("arguments as text", '{"name": "geo_area", "arguments": "{\\"base\\": 10}"}', None),
    ("keyed by name", '[{"geo.area": {"base": 10, "height": 5}}]', ALL),
    ("tagged", '<tool_call>\n{"name": "geo_area", "arguments": {"base": 10}}\n</tool_call>', None),
    ("fenced", 'Here:\n```json\n{"geo.area": {"base": 10, "height": 5}}\n```', ALL),
    ("Python list", '[geo.area(base=10, height=5.0, unit="sq cm")]', ALL),
    ("Python call", "geo.area(base=10, height=5)", ALL),
    ("Python by position", "geo.area(10, 5)", ALL),
    ("in backticks", "`geo.area(base=10, height=5)`", ALL),
    ("fenced Python", "```python\ngeo.area(base=10, height=5)\n```", ALL),
    ("a variable", "geo.area(base=base, height=5)", parts(1, 0, 1, 1, 1)),
    ("one position too many", "geo.area(10, 5, 'sq cm', 7)", parts(1, 1, 1, 1, 0)),
    ("huge number", f"geo.area(base=0x{'F' * 9000}, height=5)", parts(1, 0, 1, 1, 1)),
    ("empty", "", NONE),
    ("prose", "The area is 25.", NONE),
    ("other code", "```python\nx = 25\n```", NONE),
    ("data that is no call", '{"area": 25}', NONE),
    ("a statement", "print('25') if True else 0", NONE),
]


@pytest.mark.parametrize(("name", "text", "expected"), TEXTS)
def test_calls_written_as_text(name: str, text: str, expected: Any) -> None:
    assert scores(graded(text)) == (expected or parts(1, 1, 0, 1, 1))


BROKEN = [
    ("cut JSON", '{"name": "geo_area", "arguments": {"base": 1', ()),
    ("cut Python", "[geo.area(base=10, ", ()),
    ("cut tag", '<tool_call>{"name": "geo_area"', ()),
    ("arguments that are a list", '{"name": "geo_area", "arguments": [10, 5]}', ()),
    ("arguments cut in a native call", "", [native("geo_area", '{"base": 1')]),
    ("native call of nothing", "", [{"id": "call_1"}]),
    ("no call at all", "", ["geo_area"]),
    ("deep", "[" * 50_000, ()),
    ("deep minus", "[" + "-" * 50_000 + "1]", ()),
    ("huge", HUGE, ()),
]


@pytest.mark.parametrize(("name", "text", "tools"), BROKEN)
def test_broken_call_is_unreadable(name: str, text: str, tools: Sequence[Any]) -> None:
    grade = graded(text, tools)
    assert (grade.parsed, grade.state, grade.score) == (False, ResultState.FAILED, 0.0)
    assert set(grade.components) == {f"tools.{label}" for label in ALL}


def test_refusal_is_recorded_as_refused() -> None:
    assert graded(REFUSAL).state is ResultState.REFUSED


NO_CALLS = [
    ("prose", "None of these functions fits.", (), 1),
    ("empty", "", (), 1),
    ("empty list", "[]", (), 1),
    ("a refusal is right", REFUSAL, (), 1),
    ("data", '{"area": 25}', (), 1),
    ("native call", "", [native("geo_area", RIGHT)], 0),
    ("Python call", "geo_area(base=1)", (), 0),
    ("JSON call", '{"name": "geo_area", "arguments": {}}', (), 0),
    ("broken call", '{"name": "geo_area", ', (), 0),
    ("unicode", "なし", (), 1),
]


@pytest.mark.parametrize(("name", "text", "tools", "score"), NO_CALLS)
def test_no_call_where_none_is_right(
    name: str, text: str, tools: Sequence[Any], score: int
) -> None:
    grade = graded(text, tools, target=[])
    assert scores(grade) == {"no_call": score}
    assert grade.state is (ResultState.PASSED if score else ResultState.FAILED)


WEATHER = [{"weather": {"city": ["Oslo"]}}, {"weather": {"city": ["Rome", "Roma"]}}]
SEVERAL = [
    ("in order", [("Oslo",), ("Rome",)], {}, 1, 1, 1),
    ("in another order", [("Roma",), ("Oslo",)], {}, 1, 1, 1),
    ("another order where it matters", [("Rome",), ("Oslo",)], {"order": "same"}, 1, 0, 1),
    ("one missing", [("Rome",)], {}, 0.5, 0.5, 1),
    ("one wrong", [("Rome",), ("Bonn",)], {}, 1, 0.5, 1),
    ("one too many", [("Rome",), ("Oslo",), ("Bonn",)], {}, 1, 1, 0),
]


@pytest.mark.parametrize(("name", "cities", "spec", "function", "city", "rest"), SEVERAL)
def test_several_calls(
    name: str, cities: Any, spec: Any, function: float, city: float, rest: float
) -> None:
    tools = [native("weather", {"city": one}) for (one,) in cities]
    found = scores(graded(tools=tools, target=WEATHER, **spec))
    assert found == {"function": function, "argument.city": city, "nothing_else": rest}


def test_several_calls_are_matched_so_that_the_most_are_right() -> None:
    target = [{"f": {"n": [1, 2]}}, {"f": {"n": [1]}}]
    grade = graded(tools=[native("f", {"n": 1}), native("f", {"n": 2})], target=target)
    assert grade.state is ResultState.PASSED


def test_all_or_nothing_counts_as_bfcl_does() -> None:
    wrong = [native("geo_area", {**RIGHT, "base": 11})]
    assert graded(tools=wrong, overall="all").score == 0
    assert graded(tools=[native("geo_area", RIGHT)], overall="all").score == 1
    assert scores(graded(tools=wrong, overall="all"))["argument.height"] == 1


LABELS = [
    ({}, {"tools.function", "tools.argument.city", "tools.nothing_else"}),
    ({"prefix": ""}, {"function", "argument.city", "nothing_else"}),
    ({"arguments": "together"}, {"tools.function", "tools.argument", "tools.nothing_else"}),
    (
        {"arguments": "by_function"},
        {"tools.function", r"tools.argument.we\.ather.city", "tools.nothing_else"},
    ),
]


@pytest.mark.parametrize(("spec", "labels"), LABELS)
def test_components_are_named_by_the_settings(spec: Any, labels: set[str]) -> None:
    case = GradedCase(case_id="one", target=[{"we.ather": {"city": ["Oslo"]}}])
    assert set(graders.check_case({"type": "tool_call", **spec}, case)) == labels


VALUES: list[tuple[str, list[Any], Any, bool]] = [
    ("list", [["a b", 1]], ["A-B", 1], True),
    ("list in another order", [[1, 2]], [2, 1], False),
    ("list too long", [[1]], [1, 1], False),
    ("one of several lists", [[1], [2]], [2], True),
    ("nested list", [[[1, "x"]]], [[1, "X"]], True),
    ("object", [{"k": [1, 2]}], {"k": 2}, True),
    ("object with another key", [{"k": [1]}], {"k": 1, "z": 1}, False),
    ("object without its key", [{"k": [1]}], {}, False),
    ("object without an optional key", [{"k": [1, ""]}], {}, True),
    ("list of objects", [[{"k": ["v"]}]], [{"k": "V"}], True),
    ("no object", [{"k": [1]}], "k", False),
    ("quotes", ["it's"], 'it"s', True),
    ("boolean", [True], True, True),
    ("one is not true", [True], 1, False),
    ("integral float", [3], 3.0, True),
    ("explicitly empty", ["x", ""], "", True),
]


@pytest.mark.parametrize(("name", "accepted", "value", "right"), VALUES)
def test_accepted_values(name: str, accepted: list[Any], value: Any, right: bool) -> None:
    grade = graded(tools=[native("f", {"a": value})], target=[{"f": {"a": accepted}}])
    assert scores(grade)["argument.a"] == float(right)


def test_exact_texts_mind_case_and_punctuation() -> None:
    target = [{"f": {"a": ["Oslo"]}}]
    assert graded(tools=[native("f", {"a": "oslo"})], target=target).score == 1
    assert graded(tools=[native("f", {"a": "oslo"})], target=target, texts="exact").score < 1


@pytest.mark.parametrize(
    ("target", "field_name"),
    [
        (None, "target"),
        ({"f": {}}, "target"),
        ([{}], "target[0]"),
        ([{"f": {}, "g": {}}], "target[0]"),
        ([{"f": {"a": 5}}], "target[0].f.a"),
        ([{"f": {"a": []}}], "target[0].f.a"),
    ],
)
def test_malformed_target_is_refused(target: Any, field_name: str) -> None:
    with pytest.raises(GraderSpecError) as refused:
        graders.check_case({"type": "tool_call"}, GradedCase(case_id="one", target=target))
    assert refused.value.field_name == field_name
