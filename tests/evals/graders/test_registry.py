"""The registry: which graders exist, what they refuse, and how several make one grade."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from evals import graders
from evals.graders import contract
from evals.graders.contract import (
    ComponentGrade,
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Policy,
    Sample,
    Ungradable,
)
from evals.states import ResultState

CASE = GradedCase(case_id="one", target="Paris", components=("geo.capital",))
IS_PARIS = {"type": "string_check", "operation": "eq"}
SAYS_WORD = {"type": "regex", "pattern": r"^\w+$", "components": ["style"]}


class Installed:
    """An entry point of a grader that another package installs."""

    name = "third_party"

    def __init__(self, grade: Any) -> None:
        self.grader = SimpleNamespace(
            SCHEMA={"type": "object", "additionalProperties": False},
            TARGET_SCHEMA={},
            labels=contract.single_labels,
            grade=grade,
        )

    def load(self) -> Any:
        return self.grader


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(grade: Any) -> None:
        graders.get.cache_clear()
        point = Installed(grade)
        monkeypatch.setattr(graders, "entry_points", lambda group: [point])

    yield put
    graders.get.cache_clear()


@pytest.mark.parametrize("name", sorted(graders.BUILT_IN))
def test_built_in_grader_loads_and_is_named(name: str) -> None:
    assert graders.get(name).SCHEMA["type"] == "object"
    assert name in graders.names()


BAD_SPECS: list[tuple[str, Mapping[str, Any], str, str]] = [
    ("no type", {"operation": "eq"}, "type", "missing"),
    ("unknown grader", {"type": "vibes"}, "type", "string_check"),
    ("missing field", {"type": "string_check"}, "", "operation"),
    ("unknown field", {"type": "string_check", "operation": "eq", "color": 1}, "", "color"),
    ("bad choice", {"type": "string_check", "operation": "neq"}, "operation", "neq"),
    ("weight of nothing", {**IS_PARIS, "weight": 0}, "weight", "0"),
    ("threshold", {**IS_PARIS, "pass_threshold": 2}, "pass_threshold", "2"),
    ("bad label", {**IS_PARIS, "components": ["a", "b..c"]}, "components[1]", "b..c"),
    ("labels of its own", {"type": "sql", "components": ["a"]}, "", "components"),
    ("bad part", {"type": "sql", "parts": ["table", "rows"]}, "parts[1]", "rows"),
]


@pytest.mark.parametrize(("name", "spec", "field_name", "said"), BAD_SPECS)
def test_bad_settings_are_refused_by_field(
    name: str, spec: Mapping[str, Any], field_name: str, said: str
) -> None:
    with pytest.raises(GraderSpecError) as refused:
        graders.check_spec(spec)
    assert refused.value.field_name == field_name
    assert said in refused.value.message


def test_several_graders_make_a_weighted_mean_per_component_and_over_all() -> None:
    specs = [{**IS_PARIS, "weight": 3}, SAYS_WORD]
    grade = graders.grade_sample(specs, CASE, Sample(output_text="Rome"), Policy())
    assert grade.score == 0.25
    assert grade.state is ResultState.FAILED
    scores = {label: share.score for label, share in grade.components.items()}
    assert scores == {"geo.capital": 0.0, "style": 1.0}


def test_graders_of_one_component_are_averaged() -> None:
    specs = [IS_PARIS, {**SAYS_WORD, "components": ["geo.capital"]}]
    grade = graders.grade_sample(specs, CASE, Sample(output_text="Rome"), Policy())
    assert grade.components["geo.capital"].score == 0.5


def test_passed_needs_every_grader_to_pass() -> None:
    specs = [IS_PARIS, SAYS_WORD]
    grade = graders.grade_sample(specs, CASE, Sample(output_text="Paris"), Policy())
    assert (grade.state, grade.score) == (ResultState.PASSED, 1.0)


def test_filtered_answer_is_refused_and_scored_by_policy_on_every_component() -> None:
    sample = Sample(output_text="Paris", finish_reason="content_filter")
    grade = graders.grade_sample([IS_PARIS, SAYS_WORD], CASE, sample, Policy(refused=0.25))
    assert (grade.state, grade.score) == (ResultState.REFUSED, 0.25)
    assert {share.score for share in grade.components.values()} == {0.25}
    assert set(grade.components) == {"geo.capital", "style"}


def test_suites_own_patterns_make_a_refusal() -> None:
    policy = Policy(refusal_patterns=["ask a lawyer"])
    grade = graders.grade_sample([IS_PARIS], CASE, Sample(output_text="Ask a lawyer!"), policy)
    assert grade.state is ResultState.REFUSED
    fine = graders.grade_sample([IS_PARIS], CASE, Sample(output_text="Paris"), policy)
    assert fine.state is ResultState.PASSED


def test_time_out_of_the_model_counts_as_its_policy_says() -> None:
    policy = Policy(timed_out=0.5)
    grade = graders.by_policy(Ungradable.TIMED_OUT, [IS_PARIS], CASE, policy, "took over 30 s")
    assert (grade.state, grade.score) == (ResultState.FAILED, 0.5)
    assert grade.explanation == "took over 30 s: scored 0.5 by the suite's policy"


def test_crash_of_a_grader_is_an_error_and_never_a_score(install: Any) -> None:
    def crash(spec: Any, case: Any, sample: Any) -> Grade:
        raise ZeroDivisionError("division by zero")

    install(crash)
    with pytest.raises(GraderError) as failed:
        graders.grade_sample([{"type": "third_party"}], CASE, Sample(), Policy())
    assert failed.value.kind is GraderErrorKind.OTHER
    assert "third_party crashed" in failed.value.message


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.1, None])
def test_impossible_score_is_an_error(install: Any, score: float | None) -> None:
    install(lambda spec, case, sample: Grade(state=ResultState.FAILED, score=score))
    with pytest.raises(GraderError):
        graders.grade_sample([{"type": "third_party"}], CASE, Sample(), Policy())


def test_impossible_component_score_is_an_error(install: Any) -> None:
    shares = {"geo.capital": ComponentGrade(score=2.0)}
    grade = Grade(state=ResultState.PASSED, score=1.0, components=shares)
    install(lambda spec, case, sample: grade)
    with pytest.raises(GraderError):
        graders.grade_sample([{"type": "third_party"}], CASE, Sample(), Policy())


def test_unscored_has_no_score_and_does_not_drag_the_others(install: Any) -> None:
    install(lambda spec, case, sample: Grade(state=ResultState.UNSCORED, score=None))
    specs = [{"type": "third_party"}]
    alone = graders.grade_sample(specs, CASE, Sample(output_text="Paris"), Policy())
    assert (alone.state, alone.score) == (ResultState.UNSCORED, None)
    beside = graders.grade_sample([*specs, IS_PARIS], CASE, Sample(output_text="Paris"), Policy())
    assert (beside.state, beside.score) == (ResultState.PASSED, 1.0)


def test_built_in_grader_cannot_be_replaced(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Installed, "name", "string_check")
    install(lambda spec, case, sample: Grade(state=ResultState.PASSED, score=1.0))
    grade = graders.grade_sample([IS_PARIS], CASE, Sample(output_text="Rome"), Policy())
    assert grade.score == 0.0


OWN_WORD = GradedCase(
    case_id="two", target="Paris", components=("geo.capital",), graders=(SAYS_WORD,)
)


def test_case_is_graded_by_the_suites_graders_and_its_own() -> None:
    grade = graders.grade_sample([IS_PARIS], OWN_WORD, Sample(output_text="Rome"), Policy())
    scores = {label: share.score for label, share in grade.components.items()}
    assert (grade.score, scores) == (0.5, {"geo.capital": 0.0, "style": 1.0})
    alone = graders.grade_sample([], OWN_WORD, Sample(output_text="Rome"), Policy())
    assert (alone.state, set(alone.components)) == (ResultState.PASSED, {"style"})


def test_policy_scores_the_components_of_a_cases_own_graders_too() -> None:
    sample = Sample(output_text="no", finish_reason="refusal")
    grade = graders.grade_sample([IS_PARIS], OWN_WORD, sample, Policy(refused=0.5))
    assert {label: share.score for label, share in grade.components.items()} == {
        "geo.capital": 0.5,
        "style": 0.5,
    }


def test_case_that_nothing_grades_is_refused() -> None:
    with pytest.raises(GraderSpecError, match="nothing grades this case"):
        list(graders.check_graded([], CASE))
