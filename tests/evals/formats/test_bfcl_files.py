"""BFCL's own files (Berkeley, Apache-2.0; the longer ones cut) as suites, and back."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from evals import components, formats, graders
from evals.formats.contract import FormatError
from evals.graders.contract import Policy, Sample
from evals.services.case_checks import check_suite

DATA = Path(__file__).parent / "data"
FILES = [
    ("BFCL_v4_simple_python.json", 25),
    ("BFCL_v4_multiple.json", 25),
    ("BFCL_v4_sql.json", 42),
    ("BFCL_v4_irrelevance.json", 20),
]


@pytest.mark.parametrize(("name", "n_cases"), FILES)
def test_every_question_is_a_case_and_every_argument_a_component(name: str, n_cases: int) -> None:
    suite = formats.read("bfcl", DATA / name)
    rows = [json.loads(line) for line in (DATA / name).read_text().splitlines()]
    assert [case.case_id for case in suite.cases] == [row["id"] for row in rows]
    assert (len(suite.cases), suite.not_expressible) == (n_cases, [])
    check_suite("bfcl", suite)
    if "irrelevance" in name:
        assert set(suite.components) == {"tools.no_call"}
        assert all(case.target == [] for case in suite.cases)
        return
    arguments = {
        argument
        for case in suite.cases
        for call in case.target
        for given in call.values()
        for argument in given
    }
    labels = {components.join(("tools", "argument", argument)) for argument in arguments}
    assert set(suite.components) == labels | {"tools.function", "tools.nothing_else"}


@pytest.mark.parametrize(("name", "n_cases"), FILES)
def test_the_files_come_back(name: str, n_cases: int, tmp_path: Path) -> None:
    suite = formats.read("bfcl", DATA / name)
    formats.write("bfcl", suite, tmp_path / name)
    assert formats.read("bfcl", tmp_path / name).digest() == suite.digest()
    asked = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
    rows = [json.loads(line) for line in (DATA / name).read_text().splitlines()]
    assert [row["function"] for row in asked] == [row["function"] for row in rows]
    has_answers = (tmp_path / name.replace(".json", ".answers.json")).exists()
    assert has_answers is ("irrelevance" not in name)


def test_right_answers_are_right_and_no_call_is_right_where_none_is() -> None:
    suite = formats.read("bfcl", DATA / "BFCL_v4_simple_python.json")
    case = suite.cases[0]
    assert list(case.target[0]) == ["algebra.quadratic_roots"]
    assert case.tools[0]["function"]["name"] == "algebra_quadratic_roots"

    def graded(**arguments: int) -> float | None:
        called = {"name": "algebra_quadratic_roots", "arguments": json.dumps(arguments)}
        sample = Sample(output_tools=[{"type": "function", "function": called}])
        return graders.grade_sample(suite.graders, case.graded(), sample, Policy()).score

    assert (graded(a=1, b=-3, c=2), graded(a=1, b=-3, c=3)) == (1.0, 0.0)
    silent = formats.read("bfcl", DATA / "BFCL_v4_irrelevance.json")
    none = Sample(output_text="None of these functions solves an equation.")
    case = silent.cases[0]
    assert graders.grade_sample(silent.graders, case.graded(), none, Policy()).score == 1.0


def test_schemas_have_json_schemas_types_and_nothing_else_is_touched(tmp_path: Path) -> None:
    function = {
        "name": "a.b",
        "parameters": {
            "type": "dict",
            "properties": {
                "type": {"type": "float", "default": "dict"},
                "x": {"type": "tuple", "items": {"type": "any", "enum": ["dict"]}},
            },
        },
    }
    row = {"id": "q", "question": [{"role": "user", "content": "?"}], "function": [function]}
    (tmp_path / "irrelevance.json").write_text(json.dumps(row))
    case = formats.read("bfcl", tmp_path / "irrelevance.json").cases[0]
    assert case.tools[0]["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "type": {"type": "number", "default": "dict"},
            "x": {"type": "array", "items": {"enum": ["dict"]}},
        },
    }
    assert case.metadata["function"] == [function]


def test_answers_are_looked_for_and_missed_by_name(tmp_path: Path) -> None:
    path = tmp_path / "BFCL_v4_sql.json"
    shutil.copy(DATA / path.name, path)
    with pytest.raises(FormatError, match=r"has no answers: put BFCL_v4_sql.answers.json or"):
        formats.read("bfcl", path)
    answers = (DATA / "BFCL_v4_sql.answers.json").read_text().splitlines()
    beside = tmp_path / "BFCL_v4_sql.answers.json"
    beside.write_text("\n".join(answers[1:]))
    with pytest.raises(FormatError, match="line 1, id: sql_1 has no answer"):
        formats.read("bfcl", path)
    beside.write_text("\n".join([*answers, answers[0].replace("sql_1", "sql_x")]))
    told = formats.read("bfcl", path).not_expressible
    assert told == [
        "BFCL_v4_sql.answers.json line 43: answers sql_x, which BFCL_v4_sql.json does not ask"
    ]
    beside.write_text("\n".join([answers[0].replace('["SELECT"]', '"SELECT"'), *answers[1:]]))
    with pytest.raises(FormatError, match="answers.json line 1, ground_truth"):
        formats.read("bfcl", path)


ROW = '{"id": "a", "question": [[{"role": "user", "content": "?"}]], "function": [{"name": "f", "parameters": {}}]}'  # noqa: E501


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "holds no question|is not JSON"),
        (ROW.replace('"id": "a"', '"id": 1'), "id: must be a text"),
        (ROW.replace('"parameters": {}', '"x": 1'), "function.0..parameters: must be an object"),
        (ROW.replace("[[", "[[],["), "question: has 2 turns"),
        (ROW.replace('"role"', '"who"'), "needs at least one message"),
        (f"{ROW}\n{ROW}", "line 2, id: was used on line 1 already"),
    ],
)
def test_a_wrong_row_is_named(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "irrelevance.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=expected):
        formats.read("bfcl", path)


def test_what_the_files_cannot_carry_is_refused_by_name(tmp_path: Path) -> None:
    suite = formats.read("bfcl", DATA / "BFCL_v4_irrelevance.json")
    with pytest.raises(FormatError, match="called `irrelevance`"):
        formats.write("bfcl", suite, tmp_path / "other.json")
    with pytest.raises(FormatError, match="its request"):
        richer = dataclasses.replace(suite, request={"max_tokens": 5})
        formats.write("bfcl", richer, tmp_path / "irrelevance.json")
    assert not list(tmp_path.iterdir())
