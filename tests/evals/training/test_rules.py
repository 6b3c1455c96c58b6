"""Every rule of the training formats: a file that breaks it is named with line and rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.training import dpo, files, grader, rft, sft
from evals.training.contract import RULES, Split, TrainingKind

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SFT = sft.row(ASKED, "Hello", TOOLS)
DPO = dpo.row(ASKED, "Hello", "Go away", TOOLS)
RFT = rft.row(ASKED, "Hello")
GRADER = {
    "type": "text_similarity",
    "name": "near",
    "input": "{{sample.output_text}}",
    "reference": "{{item.reference_text}}",
    "evaluation_metric": "fuzzy_match",
    "pass_threshold": 0.8,
}
ROWS = {TrainingKind.SFT: SFT, TrainingKind.DPO: DPO, TrainingKind.RFT: RFT}


def said(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [*ASKED, *messages, {"role": "assistant", "content": "x"}]}


def outputs(**given: Any) -> dict[str, Any]:
    return {**DPO, **given}


def asked(**given: Any) -> dict[str, Any]:
    return {**DPO, "input": {**DPO["input"], **given}}


A, T = {"role": "assistant", "content": "a"}, {"role": "tool", "content": "t", "tool_call_id": "x"}
BROKEN_ROWS: list[tuple[str, str, Any]] = [
    ("sft", "messages", {"messages": []}),
    ("sft", "messages", {"messages": "Hi"}),
    ("sft", "messages", {"messages": ["Hi", A]}),
    ("sft", "role", said({"role": "human", "content": "x"})),
    ("sft", "role", said({"content": "x"})),
    ("sft", "content", said({"role": "user"})),
    ("sft", "content", said({"role": "user", "content": []})),
    ("sft", "content", said({"role": "user", "content": [{"type": "input_text", "text": "x"}]})),
    ("sft", "content", said({"role": "user", "content": [{"type": "text"}]})),
    ("sft", "content", {"messages": [*ASKED, {"role": "assistant", "content": None}]}),
    ("sft", "message_field", said({"role": "user", "content": "x", "mood": "bad"})),
    ("sft", "tool_calls", said({"role": "user", "content": "x", "tool_calls": [CALL]})),
    ("sft", "tool_calls", said({"role": "assistant", "tool_calls": "f()", "content": "x"})),
    ("sft", "tool_calls", said({"role": "assistant", "tool_calls": [{"type": "function"}]})),
    ("sft", "tool_calls", said({"role": "assistant", "tool_calls": [{**CALL, "type": "code"}]})),
    (
        "sft",
        "tool_calls",
        said({"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f"}}]}),
    ),
    ("sft", "tool_call_id", said({"role": "tool", "content": "x", "tool_call_id": "c9"})),
    ("sft", "tool_call_id", said({"role": "user", "content": "x", "tool_call_id": "c9"})),
    ("sft", "tools", {**SFT, "tools": {"name": "f"}}),
    ("sft", "tools", {**SFT, "tools": [{"type": "function"}]}),
    ("sft", "tools", {**SFT, "tools": [{"type": "web_search"}]}),
    ("sft", "parallel_tool_calls", {**SFT, "parallel_tool_calls": "yes"}),
    ("sft", "row_field", {**SFT, "metadata": {}}),
    ("sft", "last_assistant", {"messages": ASKED}),
    ("sft", "weight", said({"role": "assistant", "content": "x", "weight": 2})),
    ("sft", "weight", said({"role": "assistant", "content": "x", "weight": True})),
    ("sft", "weight", said({"role": "user", "content": "x", "weight": 1})),
    ("dpo", "row_field", {**DPO, "messages": ASKED}),
    ("dpo", "row_field", asked(model="x")),
    ("dpo", "input", {**DPO, "input": ASKED}),
    ("dpo", "messages", asked(messages=None)),
    ("dpo", "tools", asked(tools=None)),
    ("dpo", "parallel_tool_calls", asked(parallel_tool_calls=None)),
    ("dpo", "input_last", asked(messages=[*ASKED, A])),
    ("dpo", "two_outputs", {k: v for k, v in DPO.items() if k != "non_preferred_output"}),
    ("dpo", "two_outputs", {k: v for k, v in DPO.items() if k != "preferred_output"}),
    ("dpo", "output_list", outputs(preferred_output={"role": "assistant", "content": "x"})),
    ("dpo", "output_list", outputs(non_preferred_output=[])),
    ("dpo", "output_role", outputs(preferred_output=[{"role": "user", "content": "x"}, A])),
    ("dpo", "output_role", outputs(preferred_output=["x", A])),
    ("dpo", "output_turn", outputs(preferred_output=[A, A])),
    ("dpo", "output_turn", outputs(preferred_output=[A, T])),
    ("dpo", "output_text", outputs(preferred_output=[{**A, "content": [{"type": "text"}]}])),
    ("rft", "messages", {**RFT, "messages": {}}),
    ("rft", "last_user", {**RFT, "messages": [*RFT["messages"], A]}),
    ("rft", "system_role", {**RFT, "messages": ASKED}),
    ("rft", "item_missing", {"messages": RFT["messages"]}),
    ("rft", "tools", {**RFT, "tools": "f"}),
]


def numbered(rows: list[tuple[str, str, Any]]) -> list[Any]:
    return [pytest.param(*row, id=f"{at}-{row[0]}-{row[1]}") for at, row in enumerate(rows)]


@pytest.mark.parametrize(("kind", "rule", "row"), numbered(BROKEN_ROWS))
def test_a_broken_row_is_named_with_its_line_and_rule(kind: str, rule: str, row: Any) -> None:
    kind = TrainingKind(kind)
    reads = (".reference_text",) if kind is TrainingKind.RFT else ()
    good = json.dumps(ROWS[kind]).encode() + b"\n"
    lines = [good] * 12
    lines[6] = json.dumps(row).encode() + b"\n"
    found = list(files.check_lines(kind, lines, "rows.jsonl", reads=reads))
    assert {(one.line, one.rule) for one in found} == {(7, rule)}
    assert str(found[0]).startswith(f"rows.jsonl:7: {rule}: ")
    assert list(files.check_lines(kind, [good] * 12, "rows.jsonl", reads=reads)) == []


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("blank_line", b"\n"),
        ("blank_line", b"   \n"),
        ("line_object", b"[1]\n"),
        ("line_object", b'{"messages": \n'),
        ("line_object", b'{"messages": NaN}\n'),
        ("line_object", b"[" * 100_000 + b"\n"),
        ("utf8", b'{"messages": "\xff"}\n'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_line_that_is_no_row_is_named(rule: str, line: bytes) -> None:
    good = json.dumps(SFT).encode() + b"\n"
    found = list(files.check_lines(TrainingKind.SFT, [*[good] * 10, line], "rows.jsonl"))
    assert [(one.line, one.rule) for one in found] == [(11, rule)]


def test_a_byte_order_mark_is_named_and_the_row_is_read_all_the_same() -> None:
    good = json.dumps(SFT).encode() + b"\n"
    lines = [b"\xef\xbb\xbf" + good, *[good] * 9]
    found = list(files.check_lines(TrainingKind.SFT, lines, "rows.jsonl"))
    assert [(one.line, one.rule) for one in found] == [(1, "utf8")]


BROKEN_GRADERS: list[tuple[str, str, Any]] = [
    ("", "grader_json", [GRADER]),
    ("", "grader_type", {"name": "x"}),
    ("", "grader_type", {**GRADER, "type": "label_model"}),
    ("", "grader_field", {**GRADER, "operation": "eq"}),
    ("", "grader_field", {key: GRADER[key] for key in GRADER if key != "name"}),
    ("", "grader_field", {**GRADER, "evaluation_metric": "vibes"}),
    ("", "grader_template", {**GRADER, "reference": "{{reference_text}}"}),
    ("", "grader_metric", {**GRADER, "evaluation_metric": "cosine"}),
    ("", "grader_source", {"type": "python", "name": "p", "source": "x = 1"}),
    ("", "grader_source", {"type": "python", "name": "p", "source": "def grade(sample): 1"}),
    ("", "grader_source", {"type": "python", "name": "p", "source": "def grade("}),
    ("", "grader_source", {"type": "python", "name": "p", "source": "#" * 256_000}),
    (
        "",
        "grader_range",
        {"type": "score_model", "name": "s", "model": "m", "input": ASKED, "range": [1, 1]},
    ),
    (
        "",
        "grader_range",
        {"type": "score_model", "name": "s", "model": "m", "input": ASKED, "pass_threshold": 2},
    ),
    ("multi", "grader_nested", {"a": {"type": "multi"}}),
    ("multi", "grader_nested", {"a": {"type": "label_model"}}),
    ("multi", "grader_type", {"a": {"type": "vibes"}}),
    ("multi", "grader_field", [GRADER, GRADER]),
    ("multi", "grader_formula", {"b": GRADER}),
    ("formula", "grader_formula", {"a": GRADER}),
]


@pytest.mark.parametrize(("wrap", "rule", "given"), numbered(BROKEN_GRADERS))
def test_a_broken_grader_is_named(wrap: str, rule: str, given: Any, tmp_path: Path) -> None:
    if wrap:
        calculate = "a +" if wrap == "formula" else "a"
        given = {
            "type": "multi", "name": "m", "graders": given, "calculate_output": calculate,
        }  # fmt: skip
    path = tmp_path / "grader.json"
    path.write_text(json.dumps(given))
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(RFT) + "\n")
    found = list(files.check_files(TrainingKind.RFT, rows, rows, path))
    assert {one.rule for one in found} == {rule}
    assert all(str(one).startswith(f"{path}: {rule}: ") for one in found)


def test_a_grader_that_is_no_json_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "g.json").write_text('{\n "type": \n}')
    (tmp_path / "rows.jsonl").write_text(json.dumps(RFT) + "\n")
    rows = tmp_path / "rows.jsonl"
    found = list(files.check_files(TrainingKind.RFT, rows, rows, tmp_path / "g.json"))
    assert [(one.line, one.rule) for one in found] == [(3, "grader_json")]


def test_graders_that_obey_the_rules_pass() -> None:
    python = {"type": "python", "name": "p", "source": "def grade(sample, item):\n    return 1.0"}
    check = {
        "type": "string_check", "name": "c", "operation": "ilike",
        "input": "{{sample.output_text}}", "reference": "{{item.deep[0].name}}",
    }  # fmt: skip
    multi = {
        "type": "multi",
        "name": "m",
        "graders": [check, {**GRADER, "name": "near"}],
        "calculate_output": "0.5 * c + 0.5 * max(near, 0)",
    }
    for good in (GRADER, python, check, multi):
        assert list(grader.check(good)) == []
    assert grader.item_paths(multi) == (".deep[0].name", ".reference_text")
    assert list(grader.as_sent(multi)["graders"]) == ["c", "near"]
    assert list(rft.check({**RFT, "deep": [{"name": "x"}]}, grader.item_paths(multi))) == []


def test_whole_file_rules(tmp_path: Path) -> None:
    short = tmp_path / "short.jsonl"
    short.write_text(json.dumps(SFT) + "\n")
    assert [(b.line, b.rule) for b in files.check_files(TrainingKind.SFT, short)] == [
        (None, "rows_least")
    ]
    rows = tmp_path / "rft.jsonl"
    rows.write_text((json.dumps(RFT) + "\n") * 1001)
    found = list(files.check_files(TrainingKind.RFT, rows))
    assert {b.rule for b in found} == {"validation_missing", "grader_missing"}
    good = tmp_path / "grader.json"
    good.write_text(json.dumps(GRADER))
    found = list(files.check_files(TrainingKind.RFT, rows, rows, good))
    assert [(b.line, b.rule) for b in found] == [(None, "rows_most")]
    lines = (json.dumps(RFT).encode() for _ in range(50_001))
    many = list(files.check_lines(TrainingKind.RFT, lines, "x", split=Split.TRAIN))
    assert [b.rule for b in many] == ["rows_most"]


def test_every_rule_has_a_file_that_breaks_it() -> None:
    """Beside the tables: the rules of whole files, which the tests above name one by one."""
    shown = {rule for _, rule, _ in [*BROKEN_ROWS, *BROKEN_GRADERS]}
    whole = {"utf8", "line_object", "blank_line", "rows_least", "rows_most"}
    whole |= {"validation_missing", "grader_missing"}
    assert shown | whole == set(RULES)


def test_the_format_of_a_file_is_told_by_its_first_row(tmp_path: Path) -> None:
    for kind, row in ROWS.items():
        path = tmp_path / f"{kind.value}.jsonl"
        path.write_text("\n" + json.dumps(row) + "\n")
        assert files.kind_of(path) is kind
    (tmp_path / "empty").write_text("")
    assert files.kind_of(tmp_path / "empty") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["messages", "role", "content", "input", "tools", "tool_calls", "type",
                         "preferred_output", "function", "weight", "assistant", "x"]),
        inner,
        max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.sampled_from(list(TrainingKind)), st.dictionaries(st.text(max_size=8), JSON), JSON)
def test_garbage_is_refused_by_rule_and_never_crashes(
    kind: TrainingKind, row: dict[str, Any], inner: Any
) -> None:
    for given_row in (row, {**ROWS[kind], "messages": inner, "input": inner, "tools": inner}):
        found = list(files.check_row(kind, given_row, (".a[0].b",)))
        assert all(one.rule in RULES and one.message for one in found)
        assert found
    assert list(grader.check(inner))
