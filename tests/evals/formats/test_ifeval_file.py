"""IFEval's own file (Google Research, Apache-2.0) as a suite, and back."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evals import components, formats, graders
from evals.formats.contract import FormatError, SuiteSpec, first_cases
from evals.graders.contract import Policy, Sample
from evals.graders.ifeval import rules
from evals.services.case_checks import check_suite

FILE = Path(__file__).parent / "data/input_data.jsonl"


@pytest.fixture(scope="module")
def suite() -> SuiteSpec:
    return formats.read("ifeval", FILE)


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_text().splitlines()]


def test_every_prompt_is_a_case_and_every_rule_a_component(suite: SuiteSpec) -> None:
    assert [case.case_id for case in suite.cases] == [str(row["key"]) for row in rows()]
    check_suite("ifeval", suite)
    names = {f"{rules.family(rule)}.{rule.partition(':')[2]}" for rule in rules.RULES}
    assert set(suite.components) == {"strict", "loose"} | {
        f"{mode}.{name}" for mode in ("strict", "loose") for name in names
    }
    families = {node for node in components.tree(suite.components) if node.count(".") == 1}
    assert {f"strict.{family}" for family in rules.FAMILIES.values()} <= families
    assert suite.not_expressible == []


def test_each_case_counts_for_exactly_its_own_rules(suite: SuiteSpec) -> None:
    wanted: Counter[str] = Counter()
    for row in rows():
        wanted.update(set(row["instruction_id_list"]))
    found: Counter[str] = Counter()
    for case in suite.cases:
        found.update(graders.check_case(suite.graders[0], case.graded()))
    for rule, count in wanted.items():
        label = f"{rules.family(rule)}.{rule.partition(':')[2]}"
        assert (found[f"strict.{label}"], found[f"loose.{label}"]) == (count, count), rule
    assert found["strict"] == found["loose"] == len(suite.cases)


def test_strict_and_loose_are_both_scored_and_the_strict_one_counts(suite: SuiteSpec) -> None:
    case = next(case for case in suite.cases if "startend:end_checker" in str(case.target))
    end = next(one["end_phrase"] for one in case.target["kwargs"] if "end_phrase" in one)
    only = dataclasses.replace(
        case,
        target={
            "instruction_id_list": ["startend:end_checker", "punctuation:no_comma"],
            "kwargs": [{"end_phrase": end}, {}],
        },
    )
    sample = Sample(output_text=f"So it is. {end}\n\nAnything else?")
    grade = graders.grade_sample(suite.graders, only.graded(), sample, Policy())
    shares = {label: share.score for label, share in grade.components.items()}
    assert shares["strict.startend.end_checker"] == 0 == shares["strict"]
    assert shares["loose.startend.end_checker"] == 1 == shares["loose"]
    assert (grade.score, grade.state.value) == (0.0, "failed")


def test_the_file_comes_back(suite: SuiteSpec, tmp_path: Path) -> None:
    formats.write("ifeval", suite, tmp_path)
    written = (tmp_path / "input_data.jsonl").read_bytes()
    assert [json.loads(line) for line in written.splitlines()] == rows()
    again = formats.read("ifeval", tmp_path)
    assert again.digest() == suite.digest()
    formats.write("ifeval", again, tmp_path)
    assert (tmp_path / "input_data.jsonl").read_bytes() == written


def test_what_the_file_cannot_carry_is_refused_by_name(suite: SuiteSpec, tmp_path: Path) -> None:
    richer = dataclasses.replace(suite, cases=[dataclasses.replace(suite.cases[0], cluster="a")])
    with pytest.raises(FormatError, match="case 1005, which is more than a prompt"):
        formats.write("ifeval", richer, tmp_path)
    with pytest.raises(FormatError, match="its request .*256"):
        formats.write("ifeval", dataclasses.replace(suite, request={"max_tokens": 256}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_first_cases_keep_the_components_they_score(suite: SuiteSpec) -> None:
    few = first_cases(suite, 2)
    assert len(few.cases) == 2
    assert {label for label in few.components if label.startswith("strict.")} == {
        "strict.content.number_placeholders",
        "strict.combination.repeat_prompt",
        "strict.format.title",
    }
    check_suite("few", few)


LINE = '{"key": 1, "prompt": "Hi", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "holds no prompt"),
        ("{", "is not JSON"),
        ("[1]", "line 1: must be an object"),
        ('{"key": 1}', "line 1: lacks instruction_id_list, kwargs, prompt"),
        (LINE.replace('"Hi"', "7"), "line 1, prompt: must be a text"),
        (LINE.replace('"key": 1', '"key": null'), "key: None is neither"),
        (LINE.replace("no_comma", "no_dash"), "line 1, instruction_id_list.0."),
        (LINE.replace("[{}]", "[]"), "kwargs: holds 0 entries for 1 rules"),
        (LINE.replace("{}", "7"), "line 1, kwargs.0.: must be an object"),
        (LINE.replace("[{}]", '[{"n": 1}]'), "takes no argument"),
        (f"{LINE}\n{LINE}", "line 2, key: 1 was used on line 1 already"),
    ],
)
def test_a_wrong_line_is_named(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "input_data.jsonl"
    path.write_text(text)
    with pytest.raises(FormatError, match=expected):
        formats.read("ifeval", path)


def test_nulls_are_arguments_left_out_and_foreign_keys_are_named(tmp_path: Path) -> None:
    path = tmp_path / "input_data.jsonl"
    path.write_text(LINE.replace("[{}]", '[{"num_words": null}], "author": "x"'))
    suite = formats.read("ifeval", path)
    assert suite.cases[0].target["kwargs"] == [{}]
    assert suite.not_expressible == [
        "input_data.jsonl line 1: author is not IFEval's, and left out"
    ]
