"""long_context: needles by depth and length."""

from __future__ import annotations

import time
from typing import Any

import pytest

from evals import graders
from evals.graders.contract import Grade, GradedCase, GraderSpecError, Policy, Sample
from evals.states import ResultState

FACT = "The code of the vault is 4,217."
OTHER = "Its keeper lives in Zürich."
PAD = "Nothing of note happened. " * 100
REFUSAL = "I'm sorry, but I can't help with that."
NEEDLE = {"text": FACT, "answers": ["4,217", "4217"]}
KEEPER = {"text": OTHER, "answers": ["Zürich"]}
HUGE = "word " * 200_000


def case_of(text: str, *needles: Any, **target: Any) -> GradedCase:
    messages = [{"role": "user", "content": text}, {"role": "user", "content": "What is it?"}]
    return GradedCase(case_id="one", input=messages, target={"needles": list(needles), **target})


def graded(text: str, case: GradedCase | None = None, **spec: Any) -> Grade:
    whole = {"type": "long_context", **spec}
    graders.check_spec(whole)
    case = case or case_of(PAD + FACT + PAD, NEEDLE)
    graders.check_case(whole, case)
    return graders.grade_sample([whole], case, Sample(output_text=text), Policy())


ANSWERS: list[tuple[str, str, int, dict[str, Any]]] = [
    ("in a sentence", "It is 4,217.", 1, {}),
    ("another accepted spelling", "4217", 1, {}),
    ("full width", "４２１７", 1, {}),
    ("part of a longer number", "14217", 0, {}),
    ("part of a longer number with commas", "4,217,000", 0, {}),
    ("part of a decimal", "4217.5", 0, {}),
    ("at the end of a sentence", "The code is 4217.", 1, {}),
    ("with a unit", "4217-A", 1, {}),
    ("empty", "", 0, {}),
    ("another number", "4218", 0, {}),
    ("cut JSON", '{"code": "4217', 1, {}),
    ("huge", HUGE + "4217", 1, {}),
    ("huge without it", HUGE, 0, {}),
    ("equal", " 4,217\n", 1, {"match": "equals"}),
    ("not equal", "It is 4,217.", 0, {"match": "equals"}),
]


@pytest.mark.parametrize(("name", "text", "score", "spec"), ANSWERS)
def test_needle_is_found_by_its_answer(
    name: str, text: str, score: int, spec: dict[str, Any]
) -> None:
    begun = time.process_time()
    grade = graded(text, **spec)
    assert grade.score == score
    assert grade.state is (ResultState.PASSED if score else ResultState.FAILED)
    assert {share.score for share in grade.components.values()} == {score}
    assert time.process_time() - begun < 1.0


def test_refusal_is_recorded_as_refused() -> None:
    assert graded(REFUSAL).state is ResultState.REFUSED


PLACES = [
    ("at the start", FACT + PAD * 8, "0%"),
    ("a quarter in", PAD * 2 + FACT + PAD * 6, "25%"),
    ("in the middle", PAD * 4 + FACT + PAD * 4, "50%"),
    ("at the end", PAD * 8 + FACT, "100%"),
    ("the whole", FACT, "0%"),
]


@pytest.mark.parametrize(("name", "text", "depth"), PLACES)
def test_depth_is_measured_in_the_input(name: str, text: str, depth: str) -> None:
    labels = graders.check_case({"type": "long_context"}, case_of(text, NEEDLE))
    assert labels[0] == f"needle.depth.{depth}"


def test_depths_and_prefix_are_the_suites() -> None:
    spec = {"type": "long_context", "depths": [0.1, 0.9], "prefix": ""}
    assert graders.check_case(spec, case_of(PAD * 8 + FACT, NEEDLE))[0] == "depth.90%"


LENGTHS: list[tuple[str, int, dict[str, Any], dict[str, Any], str]] = [
    ("counted in characters", 1, {}, {}, "up to 4000"),
    ("longer", 2, {}, {}, "up to 8000"),
    ("said in tokens", 1, {"length": 31_000}, {}, "up to 32000"),
    ("beyond all", 1, {"length": 2_000_000}, {}, "over 1000000"),
    ("the suite's edges", 1, {}, {"lengths": [5000, 1000]}, "up to 5000"),
    ("beyond the suite's edges", 1, {}, {"lengths": [1000]}, "over 1000"),
]


@pytest.mark.parametrize(("name", "times", "target", "spec", "label"), LENGTHS)
def test_length_is_a_component(
    name: str, times: int, target: dict[str, Any], spec: dict[str, Any], label: str
) -> None:
    case = case_of(PAD * times + FACT, NEEDLE, **target)
    labels = graders.check_case({"type": "long_context", **spec}, case)
    assert labels[-1] == f"needle.length.{label}"


def test_several_needles_are_scored_where_they_stand() -> None:
    case = case_of(FACT + PAD * 2 + OTHER, NEEDLE, KEEPER)
    grade = graded("He lives in ZÜRICH.", case)
    scores = {label: share.score for label, share in grade.components.items()}
    assert scores == {
        "needle.depth.0%": 0,
        "needle.depth.100%": 1,
        "needle.length.up to 8000": 0.5,
    }
    assert grade.score == 0.5


def test_needle_may_stand_in_a_part_of_a_message() -> None:
    parts = [{"type": "text", "text": PAD}, {"type": "text", "text": FACT}]
    case = GradedCase(
        case_id="one", input=[{"role": "user", "content": parts}], target={"needles": [NEEDLE]}
    )
    assert graded("4217", case).score == 1


BAD = [
    (
        "not in the input",
        {"needles": [{"text": "moon", "answers": ["x"]}]},
        "target.needles[0].text",
    ),
    ("no answer", {"needles": [{"text": FACT, "answers": []}]}, "target.needles[0].answers"),
    (
        "blank answer",
        {"needles": [{"text": FACT, "answers": [" "]}]},
        "target.needles[0].answers[0]",
    ),
    ("no needle", {"needles": []}, "target.needles"),
    ("no target", None, "target"),
]


@pytest.mark.parametrize(("name", "target", "field_name"), BAD)
def test_bad_target_is_refused_by_field(name: str, target: Any, field_name: str) -> None:
    case = GradedCase(case_id="one", input=[{"role": "user", "content": PAD + FACT}], target=target)
    with pytest.raises(GraderSpecError) as refused:
        graders.check_case({"type": "long_context"}, case)
    assert refused.value.field_name == field_name
