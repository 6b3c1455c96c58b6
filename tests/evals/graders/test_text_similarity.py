"""text_similarity: the field's measures, equal to the libraries that the field uses."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals import graders
from evals.graders.contract import (
    Grade,
    GradedCase,
    GraderError,
    GraderSpecError,
    Policy,
    Sample,
)
from evals.graders.text_similarity.measures import MEASURES
from evals.states import ResultState
from releases.statistics.static_embedding import embedded

RECORDED = json.loads((Path(__file__).parent / "text_measures.json").read_text(encoding="utf-8"))
MEGABYTE = "".join(chr(97 + i * 7919 % 26) + (" " if i % 5 == 0 else "") for i in range(830_000))
REFUSAL = "I'm sorry, but I can't help with that."


def graded(metric: str, text: str, target: Any, **spec: Any) -> Grade:
    whole = {"type": "text_similarity", "evaluation_metric": metric, **spec}
    graders.check_spec(whole)
    case = GradedCase(case_id="one", target=target, components=("text.part",))
    graders.check_case(whole, case)
    return graders.grade_sample([whole], case, Sample(output_text=text), Policy())


@pytest.mark.parametrize("pair", RECORDED["pairs"], ids=lambda pair: pair["text"][:20])
@pytest.mark.parametrize("metric", sorted(MEASURES))
def test_measure_agrees_with_the_fields_library(metric: str, pair: Any) -> None:
    found = graded(metric, pair["text"], pair["reference"]).score
    assert found == pytest.approx(pair["scores"][metric], abs=1e-9)


EDGES = [
    ("the same", "Zürich 数据 🙃", "Zürich 数据 🙃", {}),
    ("nothing in common", "aaa", "zzz", dict.fromkeys(MEASURES, 0.0)),
    ("empty answer", "", "Paris", dict.fromkeys(MEASURES, 0.0)),
    ("blank answer", " \n", "Paris", dict.fromkeys(MEASURES, 0.0)),
    ("case counts", "PARIS", "paris", {"rouge_1": 1, "rouge_l": 1, "bleu": 0, "fuzzy_match": 0}),
    ("marks count for BLEU", "Paris!", "Paris", {"rouge_1": 1, "gleu": 1 / 3}),
    ("no spaces", "数据库", "数据表", {"rouge_1": 2 / 3, "rouge_2": 0.5, "fuzzy_match": 2 / 3}),
    ("combining marks", "हिन्दी", "हिन्दी", {"rouge_1": 1}),
    ("too few words for the runs", "one two", "one two", {"rouge_2": 1, "rouge_3": 0}),
    ("marks alone", "...", "...", {"fuzzy_match": 1, "bleu": 1, "rouge_1": 0}),
    ("refusal is a text", REFUSAL, REFUSAL, {"fuzzy_match": 1, "bleu": 1, "rouge_5": 1}),
    ("cut JSON is a text", '{"a": [1', '{"a": [1]}', {"rouge_1": 1, "fuzzy_match": 8 / 9}),
]


@pytest.mark.parametrize(("name", "text", "target", "expected"), EDGES)
def test_edge(name: str, text: str, target: str, expected: dict[str, float]) -> None:
    wanted = expected or {"fuzzy_match": 1, "bleu": 1, "gleu": 1, "rouge_1": 1, "rouge_l": 1}
    for metric, score in wanted.items():
        assert graded(metric, text, target).score == pytest.approx(score, abs=1e-9), metric


@given(st.text(max_size=60), st.text(max_size=60))
def test_measures_stay_within_their_range(text: str, reference: str) -> None:
    for metric, measure in MEASURES.items():
        assert 0.0 <= measure(text, reference) <= 1.0, metric
    assert MEASURES["fuzzy_match"](text, text) == 1.0


@pytest.mark.parametrize("metric", sorted(MEASURES))
def test_megabyte_is_measured_within_a_second(metric: str) -> None:
    taken = []
    for _ in range(2):
        begun = time.process_time()
        assert graded(metric, MEGABYTE, "The cat sat on the mat. " * 100).parsed
        taken.append(time.process_time() - begun)
        if taken[-1] < 1.0:
            return
    pytest.fail(f"{metric} took {min(taken):.2f} s")


@pytest.mark.parametrize("target", ["word " * 20_000, "word " * 250_000])
def test_more_than_can_be_compared_is_unreadable(target: str) -> None:
    grade = graded("fuzzy_match", MEGABYTE, target)
    assert (grade.parsed, grade.score) == (False, 0.0)
    assert "too many to compare" in grade.explanation


def test_threshold_decides_what_passes() -> None:
    assert graded("fuzzy_match", "Pariss", "Paris").state is ResultState.FAILED
    assert graded("fuzzy_match", "Pariss", "Paris", pass_threshold=0.9).state is ResultState.PASSED


def test_templates_name_what_is_compared() -> None:
    spec = {"input": "{{sample.output_json.city}}", "reference": "{{item.target.city}}"}
    assert graded("fuzzy_match", '{"city": "Oslo"}', {"city": "Oslo"}, **spec).score == 1


def test_empty_reference_is_the_graders_error() -> None:
    with pytest.raises(GraderError, match="reference is empty"):
        graded("bleu", "Paris", "")


COSINES = [
    ("the same", "The cat sat.", "The cat sat.", 1.0, 1.0),
    ("order is not meaning", "cat the sat", "the cat sat", 0.9, 1.0),
    ("near in meaning", "The film was wonderful.", "The movie was great.", 0.5, 0.99),
    ("far in meaning", "Invoices are due in March.", "The cat purrs softly.", 0.0, 0.35),
    ("empty answer", "", "Paris", 0.0, 0.0),
    ("blank answer", " \n", "Paris", 0.0, 0.6),
    ("other scripts", "数据库", "数据库", 1.0, 1.0),
    ("emoji", "🙃🙃", "🙃🙃", 1.0, 1.0),
    ("refusal is a text", REFUSAL, REFUSAL, 1.0, 1.0),
    ("cut JSON is a text", '{"a": [1', '{"a": [1]}', 0.6, 1.0),
]


@pytest.mark.parametrize(("name", "text", "target", "low", "high"), COSINES)
def test_cosine(name: str, text: str, target: str, low: float, high: float) -> None:
    found = graded("cosine", text, target)
    assert found.score is not None
    assert low - 1e-6 <= found.score <= high + 1e-6
    assert "WordLlama's static embedding" in found.explanation


def test_cosine_is_that_of_the_embeddings() -> None:
    one, other = embedded(["The film was wonderful.", "The movie was great."])
    expected = float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
    found = graded("cosine", "The film was wonderful.", "The movie was great.")
    assert found.score == pytest.approx(expected, abs=1e-9)


def test_cosine_of_a_huge_answer_is_unreadable() -> None:
    grade = graded("cosine", MEGABYTE, "Paris")
    assert (grade.parsed, grade.score) == (False, 0.0)
    assert graded("cosine", MEGABYTE[:100_000], "Paris").parsed


def test_measure_that_is_not_offered_is_refused_with_the_reason() -> None:
    with pytest.raises(GraderSpecError, match="WordNet") as refused:
        graded("meteor", "Paris", "Paris")
    assert refused.value.field_name == "evaluation_metric"
    assert "rouge_l" in refused.value.problem


def test_unknown_measure_is_refused() -> None:
    with pytest.raises(GraderSpecError, match="rouge_9"):
        graded("rouge_9", "Paris", "Paris")
