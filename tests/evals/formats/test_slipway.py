"""Slipway's own suite folder: read, refused by file, line and field, and written back."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from evals import formats
from evals.formats.contract import (
    CaseSpec,
    FormatError,
    SuiteSpec,
    canonical_json,
    request_body,
    sha256_of,
)
from evals.graders.contract import Policy
from evals.states import CaseSource
from infra.errors import InvalidInput

HEAD = """\
kind: Suite
name: capitals
description: Names capitals.
owner: eval-owner@example.org
shelf_days: 60
review_by: 2027-03-01
canary: 5d5a4a0e
components:
  geo.europe: Capitals of Europe
  geo.asia: Capitals of Asia
graders:
  - type: string_check
    operation: ilike
policy: {refused: 0.5, refusal_patterns: [not allowed]}
request:
  max_tokens: 20
"""
ASK = [{"role": "user", "content": "Capital of France?"}]
ROWS: list[dict[str, Any]] = [
    {
        "id": "fr",
        "input": ASK,
        "target": "Paris",
        "components": ["geo.europe"],
        "cluster": "europe",
    },
    {
        "id": "jp",
        "input": [{"role": "user", "content": "Capital of 日本?"}],
        "tools": [{"type": "function", "function": {"name": "look_up"}}],
        "target": "Tokyo",
        "components": ["geo.asia"],
        "metadata": {"level": 1.0},
        "source": "feedback",
        "request": {"max_tokens": 5},
    },
]


def folder(path: Path, head: str = HEAD, rows: list[Any] | None = None) -> Path:
    lines = [json.dumps(row, ensure_ascii=False) for row in (ROWS if rows is None else rows)]
    (path / "suite.yaml").write_text(head, encoding="utf-8")
    (path / "cases.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return path


def refusal(path: Path) -> FormatError:
    with pytest.raises(FormatError) as refused:
        formats.read("slipway", path)
    return refused.value


def test_folder_is_read_whole(tmp_path: Path) -> None:
    suite = formats.read("slipway", folder(tmp_path))
    assert (suite.name, suite.owner, suite.shelf_days) == ("capitals", "eval-owner@example.org", 60)
    assert suite.review_by == datetime.date(2027, 3, 1)
    assert suite.policy == Policy(refused=0.5, refusal_patterns=["not allowed"])
    assert suite.cases[0] == CaseSpec(
        case_id="fr", input=ASK, target="Paris", components=["geo.europe"], cluster="europe"
    )
    assert suite.cases[1].source is CaseSource.FEEDBACK
    assert not suite.not_expressible


def test_written_folder_reads_as_the_same_suite_and_the_same_bytes(tmp_path: Path) -> None:
    suite = formats.read("slipway", folder(tmp_path))
    once, twice = tmp_path / "once", tmp_path / "twice"
    formats.write("slipway", suite, once)
    again = formats.read("slipway", once)
    formats.write("slipway", again, twice)
    assert again.digest() == suite.digest()
    assert [case.digest() for case in again.cases] == [case.digest() for case in suite.cases]
    assert (again.name, again.review_by, again.policy) == (
        suite.name,
        suite.review_by,
        suite.policy,
    )
    for name in ("suite.yaml", "cases.jsonl"):
        assert (once / name).read_bytes() == (twice / name).read_bytes()


def test_digest_names_what_decides_a_score_and_nothing_else(tmp_path: Path) -> None:
    suite = formats.read("slipway", folder(tmp_path))

    def changed(**fields: Any) -> SuiteSpec:
        return dataclasses.replace(suite, **fields)

    first = dataclasses.replace(suite.cases[0], target="Lyon")
    same = [
        changed(description="Other."),
        changed(owner="someone@example.org"),
        changed(shelf_days=9, review_by=None),
        changed(cases=tuple(reversed(suite.cases))),
        changed(components=dict.fromkeys(suite.components, "")),
    ]
    other = [
        changed(cases=(first, suite.cases[1])),
        changed(cases=suite.cases[:1]),
        changed(graders=[{"type": "string_check", "operation": "eq"}]),
        changed(policy=Policy()),
        changed(request={"max_tokens": 21}),
    ]
    assert {one.digest() for one in same} == {suite.digest()}
    digests = {one.digest() for one in other}
    assert len(digests) == len(other)
    assert suite.digest() not in digests


def test_case_digest_forgets_where_the_case_came_from() -> None:
    case = CaseSpec(case_id="fr", input=ASK, target="Paris")
    assert dataclasses.replace(case, source=CaseSource.REPLAY).digest() == case.digest()
    assert dataclasses.replace(case, cluster="europe").digest() != case.digest()


OWN = [{"type": "regex", "pattern": "^[A-Z]", "components": ["geo.europe"]}]
BARE = HEAD.replace("graders:\n  - type: string_check\n    operation: ilike\n", "")


def test_graders_of_a_case_are_part_of_it_only_when_there_are_any(tmp_path: Path) -> None:
    case = CaseSpec(case_id="fr", input=ASK, target="Paris")
    graded = dataclasses.replace(case, graders=OWN)
    assert "graders" not in case.as_json()
    assert graded.as_json()["graders"] == OWN
    assert graded.digest() != case.digest()


def test_suite_needs_no_graders_when_each_case_has_its_own(tmp_path: Path) -> None:
    rows = [{**row, "graders": [{"type": "string_check", "operation": "ilike"}]} for row in ROWS]
    suite = formats.read("slipway", folder(tmp_path, BARE, rows))
    assert not suite.graders
    formats.write("slipway", suite, tmp_path / "again")
    assert formats.read("slipway", tmp_path / "again").digest() == suite.digest()
    assert "graders" not in (tmp_path / "again" / "suite.yaml").read_text()


@pytest.mark.parametrize(
    ("own", "field_name", "said"),
    [
        ([], "graders", "nothing grades this case"),
        ([{"type": "vibes"}], "graders[0].type", "unknown grader"),
        ([{"type": "regex"}], "graders[0]", "pattern"),
        ([*OWN, {**OWN[0], "components": ["geo.moon"]}], "target", "geo.moon"),
        ([{"type": "json_schema", "schema": {"type": "thing"}}], "schema", "thing"),
        ("regex", "graders", "array"),
    ],
)
def test_bad_graders_of_a_case_are_refused_on_its_line(
    tmp_path: Path, own: Any, field_name: str, said: str
) -> None:
    rows = [{**ROWS[0], "graders": OWN}, {**ROWS[1], "graders": own}]
    error = refusal(folder(tmp_path, BARE, rows))
    assert (error.file, error.line, error.field_name) == ("cases.jsonl", 2, field_name)
    assert said in error.problem


def test_canonical_json_has_one_spelling() -> None:
    assert canonical_json({"b": 1.0, "a": [True, None, "é"]}) == '{"a":[true,null,"é"],"b":1}'
    assert sha256_of({"a": 1, "b": 2}) == sha256_of({"b": 2.0, "a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(float("nan"))


def test_request_of_a_case_goes_over_the_suites(tmp_path: Path) -> None:
    suite = formats.read("slipway", folder(tmp_path))
    assert request_body(suite, suite.cases[0]) == {"max_tokens": 20, "messages": ASK}
    second = request_body(suite, suite.cases[1])
    assert second["max_tokens"] == 5
    assert second["tools"][0]["function"] == {"name": "look_up"}


HEADS = [
    ("empty", "", None, "", "is empty"),
    ("not YAML", "name: [", 1, "", "is not YAML"),
    ("a list", "- kind", 1, "", "not of type 'object'"),
    ("no graders", HEAD.replace("graders:", "grader:"), 1, "", "grader"),
    ("wrong kind", HEAD.replace("kind: Suite", "kind: Pipeline"), 1, "kind", "Suite"),
    ("bad name", HEAD.replace("capitals\n", "Capital Cities\n"), 2, "name", "Capital Cities"),
    ("shelf", HEAD.replace("60", "0"), 5, "shelf_days", "minimum"),
    ("date", HEAD.replace("2027-03-01", "2027-02-30"), 6, "review_by", "2027-02-30"),
    ("label", HEAD.replace("geo.asia", "geo..asia"), 10, "components", "geo..asia"),
    ("grader", HEAD.replace("string_check", "vibes"), 12, "graders[0].type", "vibes"),
    ("operation", HEAD.replace("ilike", "near"), 13, "graders[0].operation", "near"),
    ("policy", HEAD.replace("refused: 0.5", "refused: 5"), 14, "policy.refused", "5"),
    (
        "no time",
        HEAD.replace("refused: 0.5", "request_timeout_s: 0"),
        14,
        "policy.request_timeout_s",
        "0",
    ),
    (
        "pattern",
        HEAD.replace("[not allowed]", "['(']"),
        14,
        "policy.refusal_patterns[0]",
        "not a regular expression",
    ),
    ("request", HEAD.replace("max_tokens: 20", "n: 2"), 16, "request.n", "set by the runner"),
    (
        "grader's component",
        HEAD.replace("    operation: ilike", "    operation: eq\n    components: [geo.africa]"),
        14,
        "graders[0].components",
        "geo.africa",
    ),
    (
        "unused component",
        HEAD.replace("geo.asia: ", "geo.asia: A\n  geo.mars: "),
        None,
        "components",
        "geo.mars",
    ),
]


@pytest.mark.parametrize(("name", "head", "line", "field_name", "said"), HEADS)
def test_bad_head_is_refused_by_line_and_field(
    tmp_path: Path, name: str, head: str, line: int | None, field_name: str, said: str
) -> None:
    error = refusal(folder(tmp_path, head))
    assert (error.file, error.line, error.field_name) == ("suite.yaml", line, field_name)
    assert said in error.message


FR, JP = ROWS
CASES: list[tuple[str, list[Any], int | None, str, str]] = [
    ("no case", [], None, "", "no case"),
    ("a list", [[FR], JP], 1, "", "not of type 'object'"),
    ("no id", [{**FR, "id": ""}, JP], 1, "id", "non-empty"),
    ("no input", [FR, {"id": "jp"}], 2, "", "input"),
    ("empty input", [FR, {**JP, "input": []}], 2, "input", "non-empty"),
    ("role", [FR, {**JP, "input": [{"role": "robot"}]}], 2, "input[0].role", "robot"),
    ("stray key", [FR, {**JP, "answer": "Tokyo"}], 2, "", "answer"),
    ("same id", [FR, JP, FR], 3, "id", "line 1"),
    ("component", [FR, {**JP, "components": ["geo.mars"]}], 2, "components", "geo.mars"),
    ("source", [FR, {**JP, "source": "dream"}], 2, "source", "dream"),
    ("NUL", [FR, {**JP, "target": "a\x00b"}], 2, "", "NUL"),
    ("half a surrogate", [FR, {**JP, "target": "\ud800"}], 2, "", "surrogate"),
    ("model", [FR, {**JP, "request": {"model": "x"}}], 2, "request.model", "set by the runner"),
]


@pytest.mark.parametrize(("name", "rows", "line", "field_name", "said"), CASES)
def test_bad_case_is_refused_by_line_and_field(
    tmp_path: Path, name: str, rows: list[Any], line: int | None, field_name: str, said: str
) -> None:
    folder(tmp_path, rows=[])
    text = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "cases.jsonl").write_text(text, encoding="utf-8")
    error = refusal(tmp_path)
    assert (error.file, error.line, error.field_name) == ("cases.jsonl", line, field_name)
    assert said in error.message


def test_bad_target_of_a_grader_is_refused_at_its_line(tmp_path: Path) -> None:
    head = HEAD.replace("string_check\n    operation: ilike", "numeric")
    error = refusal(folder(tmp_path, head, [{**FR, "target": 3}, {**JP, "target": "many"}]))
    assert (error.line, error.field_name) == (2, "target")


def test_component_scored_but_not_declared_is_refused(tmp_path: Path) -> None:
    head = HEAD.replace("string_check\n    operation: ilike", "ifeval")
    target = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    error = refusal(folder(tmp_path, head, [{**FR, "target": target}]))
    assert "instructions.punctuation" in error.message


@pytest.mark.parametrize(
    ("line", "said"),
    [('{"id": "a", ', "is not JSON"), ('{"id": NaN}', "NaN"), ("[" * 100_000, "is not JSON")],
)
def test_broken_line_is_refused(tmp_path: Path, line: str, said: str) -> None:
    folder(tmp_path)
    with (tmp_path / "cases.jsonl").open("a", encoding="utf-8") as cases:
        cases.write(f"\n\n{line}\n")
    error = refusal(tmp_path)
    assert (error.file, error.line) == ("cases.jsonl", 4)
    assert said in error.message


def test_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path).file == "suite.yaml"
    folder(tmp_path)
    (tmp_path / "cases.jsonl").unlink()
    assert refusal(tmp_path).file == "cases.jsonl"


def test_other_encoding_is_refused(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "cases.jsonl").write_bytes('{"id": "é"}'.encode("latin-1"))
    assert "UTF-8" in refusal(tmp_path).message


def test_windows_line_ends_and_byte_order_mark_are_read(tmp_path: Path) -> None:
    suite = formats.read("slipway", folder(tmp_path))
    for name in ("suite.yaml", "cases.jsonl"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert formats.read("slipway", tmp_path).digest() == suite.digest()


def test_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="slipway"):
        formats.read("excel", Path())
