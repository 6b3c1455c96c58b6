"""The YAML dialect: every mistake has its line, and no file can hurt the reader."""

from __future__ import annotations

import pytest

from releases.documents import read_documents, read_json


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("broken", "a: [1\nb: 2", 2, "is not YAML"),
        ("key twice", "a: 1\nb: 2\na: 3", 3, "given twice"),
        ("nan", "a: 1\nb: .nan", 2, "not a number"),
        ("infinity", "b: -.inf", 1, "not a number"),
        ("nul", 'a: "x\\0"', 1, "NUL"),
        ("python tag", "a: !!python/object/apply:os.system [ls]\n", 1, "not supported"),
        ("unknown tag", "a: !secret b", 1, "can't be read"),
        ("list as key", "? [1, 2]\n: 3", 1, "a key must be text"),
        ("empty", "", None, "is empty"),
        ("huge number", "a: " + "9" * 5000, 1, "can't be read"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    name: str, text: str, line: int | None, words: str
) -> None:
    _, problems = read_documents(text, "f.yaml")
    assert [problem.line for problem in problems] == [line]
    assert words in problems[0].sentence


def test_a_date_stays_text() -> None:
    documents, problems = read_documents("a: 2026-03-02", "f.yaml")
    assert (documents[0].value, problems) == ({"a": "2026-03-02"}, [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("deep", "[" * 3000),
        ("recursive", "&a [*a]"),
        (
            "laughs",
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n"
                for a, b in zip("abcde", "bcdef", strict=True)
            ),
        ),
    ],
)
def test_a_file_that_unfolds_without_end_is_refused(name: str, text: str) -> None:
    _, problems = read_documents(text, "f.yaml")
    assert "unfolds" in str(problems[-1])


def test_each_document_knows_its_lines() -> None:
    documents, _ = read_documents("a: 1\n---\nb:\n  - c: 2\n", "f.yaml")
    assert str(documents[1].problem(["b", 0, "c"], "wrong")) == "f.yaml:4: b[0].c: wrong"
    assert str(documents[1].problem(["b", 0, "gone"], "wrong")).startswith("f.yaml:4:")


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": "\\u0000"}', '{"a": "\\ud800"}'])
def test_json_that_can_not_be_kept_is_refused(text: str) -> None:
    _, problems = read_json(text, "f.json")
    assert len(problems) == 1


def test_json_that_is_broken_names_its_line() -> None:
    _, problems = read_json('{\n"a": }', "f.json")
    assert problems[0].line == 2
