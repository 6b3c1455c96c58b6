"""IFEval's rules, strict and loose, one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from evals import graders
from evals.graders import ifeval
from evals.graders.contract import GradedCase, GraderSpecError, Policy, Sample
from evals.graders.ifeval import rules, shape
from evals.states import ResultState

FOLLOWED: list[tuple[str, Mapping[str, Any], str]] = [
    ("keywords:existence", {"keywords": ["goat", "fence"]}, "The Goat jumped fences."),
    ("keywords:frequency", {"keyword": "sea", "frequency": 2, "relation": "at least"}, "Sea, sea"),
    ("keywords:frequency", {"keyword": "sea", "frequency": 2, "relation": "less than"}, "One sea."),
    ("keywords:forbidden_words", {"forbidden_words": ["hot"]}, "A hotel is not a shot."),
    (
        "keywords:letter_frequency",
        {"letter": "#", "let_frequency": 2, "let_relation": "at least"},
        "# One\n# Two",
    ),
    ("language:response_language", {"language": "de"}, "Der Hund läuft heute durch den Garten."),
    ("language:response_language", {"language": "ru"}, "Сегодня очень хорошая погода."),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "at least"},
        "Hi. So?",
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "less than"},
        "Dr. Smith met Mr. Lee, e.g. at noon.",
    ),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "two words"),
    ("length_constraints:number_words", {"num_words": 3, "relation": "at least"}, "größe 数 naïve"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "One\n***\nTwo"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "weekend"},
        "First.\n\n'Weekend, at last.",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] at [address]"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye\np. s. more"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "Bye\nP.P.S more"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "Two:\n* one\n  - two\n**bold**"),
    ("detectable_format:constrained_response", {}, "Well. My answer is maybe."),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* and *b*"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "**both**"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        "Section 1\na\nSection 2\nb",
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": [1, "größe"]}\n```'),
    ("detectable_format:title", {}, "<<A poem>>\nlines"),
    ("combination:two_responses", {}, "One.\n******\nTwo."),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say it. "}, "say it.\nIt."),
    ("startend:end_checker", {"end_phrase": "Go for it!"}, '"You can. Go for it!"'),
    ("startend:quotation", {}, ' "quoted" '),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        "STOP right THERE",
    ),
    ("change_case:english_capital", {}, "THE SKY IS BLUE AND THE SEA IS GREEN."),
    ("change_case:english_lowercase", {}, "the sky is blue and the sea is green."),
    ("punctuation:no_comma", {}, "No pause; none."),
]
BROKEN: list[tuple[str, Mapping[str, Any], str]] = [
    ("keywords:existence", {"keywords": ["goat", "fence"]}, "The goat jumped."),
    ("keywords:frequency", {"keyword": "sea", "frequency": 2, "relation": "at least"}, "One sea."),
    ("keywords:forbidden_words", {"forbidden_words": ["hot"]}, "It is Hot."),
    (
        "keywords:letter_frequency",
        {"letter": "e", "let_frequency": 2, "let_relation": "less than"},
        "Eeek",
    ),
    ("language:response_language", {"language": "de"}, "The dog runs through the garden today."),
    ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "less than"}, "A! B!"),
    ("length_constraints:number_words", {"num_words": 2, "relation": "less than"}, "two words"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "One\n***\n***\nTwo"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "One\n\nTwo"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "weekend"},
        "Weekend.\n\nSecond.",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] at home"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "PS more"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* one\n* two\n* three"),
    ("detectable_format:constrained_response", {}, "My answer is perhaps."),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* and * *"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        "Section one\nSection 2",
    ),
    ("detectable_format:json_format", {}, '{"a": [1, "cut'),
    ("detectable_format:title", {}, "<<>>\n<title>"),
    ("combination:two_responses", {}, "Same.\n******\nSame."),
    ("combination:two_responses", {}, "One.\n******\n \n******\nTwo."),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say it."}, "It. Say it."),
    ("startend:end_checker", {"end_phrase": "Go for it!"}, "Go for it! Now."),
    ("startend:quotation", {}, '"half quoted'),
    ("startend:quotation", {}, '"'),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "less than"},
        "STOP right THERE",
    ),
    ("change_case:english_capital", {}, "The sky is blue and the sea is green."),
    ("change_case:english_lowercase", {}, "der himmel ist blau und das meer ist grün."),
    ("punctuation:no_comma", {}, "A pause, here."),
]


@pytest.mark.parametrize(("rule_id", "arguments", "text"), FOLLOWED)
def test_rule_is_followed(rule_id: str, arguments: Mapping[str, Any], text: str) -> None:
    assert ifeval.follows(rule_id, arguments, text, loose=False)
    assert ifeval.follows(rule_id, arguments, text, loose=True)


@pytest.mark.parametrize(("rule_id", "arguments", "text"), BROKEN)
def test_rule_is_broken(rule_id: str, arguments: Mapping[str, Any], text: str) -> None:
    assert not ifeval.follows(rule_id, arguments, text, loose=False)


def test_tables_hold_every_rule_followed_and_broken() -> None:
    assert {rule_id for rule_id, _, _ in FOLLOWED} == set(rules.RULES)
    assert {rule_id for rule_id, _, _ in BROKEN} == set(rules.RULES)
    assert len(rules.RULES) == 25


@pytest.mark.parametrize("rule_id", sorted({rule_id for rule_id, _, _ in FOLLOWED}))
def test_empty_answer_follows_no_rule(rule_id: str) -> None:
    arguments = next(given for name, given, _ in FOLLOWED if name == rule_id)
    for text in ("", " \n "):
        assert not ifeval.follows(rule_id, arguments, text, loose=False)
        assert not ifeval.follows(rule_id, arguments, text, loose=True)


LOOSE = [
    ("first line ignored", "startend:quotation", {}, 'Sure:\n"quoted"'),
    ("last line ignored", "startend:end_checker", {"end_phrase": "Bye."}, "Bye.\nAnything else?"),
    ("asterisks ignored", "startend:end_checker", {"end_phrase": "Bye."}, "So: **Bye.**"),
    ("all three", "detectable_format:json_format", {}, "Here:\n*{}*\nDone"),
]


@pytest.mark.parametrize(("name", "rule_id", "arguments", "text"), LOOSE)
def test_loose_reading_forgives_wrapping_that_strict_does_not(
    name: str, rule_id: str, arguments: Mapping[str, Any], text: str
) -> None:
    assert not ifeval.follows(rule_id, arguments, text, loose=False)
    assert ifeval.follows(rule_id, arguments, text, loose=True)


def case_of(*wanted: tuple[str, dict[str, Any]]) -> GradedCase:
    names = [rule_id for rule_id, _ in wanted]
    target = {"instruction_id_list": names, "kwargs": [arguments for _, arguments in wanted]}
    return GradedCase(case_id="one", target=target)


def test_each_family_is_a_component_scored_by_its_share_of_rules() -> None:
    case = case_of(
        ("punctuation:no_comma", {}),
        ("keywords:existence", {"keywords": ["sea"]}),
        ("keywords:forbidden_words", {"forbidden_words": ["hot"]}),
    )
    sample = Sample(output_text="Hot air.")
    grade = graders.grade_sample([{"type": "ifeval"}], case, sample, Policy())
    assert {label: share.score for label, share in grade.components.items()} == {
        "instructions.keywords": 0.0,
        "instructions.punctuation": 1.0,
    }
    assert (grade.state, grade.score) == (ResultState.FAILED, 0.5)
    assert "keywords:existence" in grade.explanation


def test_refusing_text_is_judged_as_text() -> None:
    sample = Sample(output_text="I'm sorry, but I can't do that.")
    case = case_of(("punctuation:no_comma", {}))
    grade = graders.grade_sample([{"type": "ifeval"}], case, sample, Policy())
    assert (grade.state, grade.score) == (ResultState.FAILED, 0.0)


def test_null_arguments_are_as_good_as_absent() -> None:
    case = case_of(("punctuation:no_comma", {"num_words": None, "relation": None}))
    assert graders.check_case({"type": "ifeval"}, case) == ("instructions.punctuation",)


BAD = [
    ("unknown rule", [("keywords:rhyme", {})], "target.instruction_id_list[0]"),
    ("missing argument", [("keywords:existence", {})], "target.kwargs[0]"),
    ("stray argument", [("punctuation:no_comma", {"num_words": 3})], "target.kwargs[0]"),
    (
        "unknown relation",
        [("length_constraints:number_words", {"num_words": 3, "relation": "over"})],
        "target.kwargs[0].relation",
    ),
    ("no rule", [], "target.instruction_id_list"),
]


@pytest.mark.parametrize(("name", "wanted", "field_name"), BAD)
def test_bad_target_is_refused_by_field(
    name: str, wanted: list[tuple[str, dict[str, Any]]], field_name: str
) -> None:
    with pytest.raises(GraderSpecError) as refused:
        graders.check_case({"type": "ifeval"}, case_of(*wanted))
    assert refused.value.field_name == field_name


def test_kwargs_must_match_the_rules_one_to_one() -> None:
    target = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}
    with pytest.raises(GraderSpecError, match="0 entries for 1 rules"):
        graders.check_case({"type": "ifeval"}, GradedCase(case_id="one", target=target))


@pytest.mark.parametrize("unit", ["*", "\n", "[", "<<", "*** ", " -", "p. ", "x", "."])
def test_huge_answer_is_judged_at_once(unit: str) -> None:
    text = unit * (ifeval.LONGEST // len(unit))
    for rule_id, arguments, _ in FOLLOWED:
        if not rule_id.startswith(("language", "change_case")):
            ifeval.follows(rule_id, arguments, text, loose=True)


def test_answer_beyond_the_limit_is_unreadable() -> None:
    sample = Sample(output_text="a" * (ifeval.LONGEST + 1))
    case = case_of(("punctuation:no_comma", {}))
    grade = graders.grade_sample([{"type": "ifeval"}], case, sample, Policy())
    assert (grade.state, grade.score, grade.parsed) == (ResultState.FAILED, 0.0, False)


SENTENCES = [
    ("", 0),
    ("One", 1),
    ("One. Two! Three?", 3),
    ("Really?! Yes...", 2),
    ('He said "No." Then left.', 2),
    ("Mr. Lee pays 3.50 to J. Roe.", 1),
    ("Version 1.2 is out.", 1),
    ("这是一句。这是两句。", 2),
    ("!!! ...", 0),
    ("One.\n\nTwo without a mark", 2),
]


@pytest.mark.parametrize(("text", "number"), SENTENCES)
def test_sentences_are_counted_by_closing_marks(text: str, number: int) -> None:
    assert shape.sentences(text) == number
