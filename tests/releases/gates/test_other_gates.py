from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from releases.gates.contract import Evidence, Gate, Verdict
from releases.gates.judgement import judge_gate
from releases.gates.registry import BUILT_IN, kinds
from releases.gates.terms import approval_rule, expiry, gates_of
from releases.occupation import Stay, occupation
from releases.states import Outcome
from tests.releases.gates.shapes import NOW, judged, means

PASS, FAIL = Outcome.PASS, Outcome.FAIL
CANT_TELL, ERROR = Outcome.INCONCLUSIVE, Outcome.ERROR
DAY = 86400.0


def stayed(longest_s: Any = 0.0, days_ago: float | None = None) -> dict[str, Any]:
    since = None if days_ago is None else (NOW - timedelta(days=days_ago)).isoformat()
    return {"longest_s": longest_s, "since": since}


ONE = {"stage": "internal", "soak": "2d"}
TWO = [ONE, {"stage": "lab", "soak": "1d"}]


@pytest.mark.parametrize(
    ("options", "stages", "outcome", "clears_in_days"),
    [
        (ONE, {"internal": stayed(days_ago=2)}, PASS, None),
        (ONE, {"internal": stayed(days_ago=1.5)}, CANT_TELL, 0.5),
        (ONE, {"internal": stayed(2 * DAY)}, PASS, None),
        (ONE, {"internal": stayed(2 * DAY, days_ago=0.1)}, PASS, None),
        (ONE, {"internal": stayed(2 * DAY - 1)}, CANT_TELL, None),
        (ONE, {"internal": stayed()}, CANT_TELL, None),
        ({"stage": "internal"}, {"internal": stayed()}, CANT_TELL, None),
        ({"stage": "internal"}, {"internal": stayed(1.0)}, PASS, None),
        ({"stage": "internal"}, {"internal": stayed(days_ago=0)}, PASS, None),
        (ONE, {"internal": stayed(days_ago=-1)}, ERROR, None),
        (ONE, {"internal": stayed(float("nan"))}, ERROR, None),
        (ONE, {"lab": stayed(9 * DAY)}, ERROR, None),
        ({"all": TWO}, {"internal": stayed(2 * DAY), "lab": stayed(days_ago=0.5)}, CANT_TELL, 0.5),
        ({"all": TWO}, {"internal": stayed(2 * DAY), "lab": stayed(DAY)}, PASS, None),
        ({"any": TWO}, {"internal": stayed(), "lab": stayed(DAY)}, PASS, None),
        ({"any": TWO}, {"internal": stayed(days_ago=1), "lab": stayed()}, CANT_TELL, 1),
        ({"k": 2, "of": TWO}, {"internal": stayed(days_ago=1), "lab": stayed()}, CANT_TELL, None),
        ({"k": 3, "of": TWO}, {"internal": stayed(9 * DAY), "lab": stayed(9 * DAY)}, ERROR, None),
    ],
)
def test_soak(
    options: dict[str, Any], stages: Any, outcome: Outcome, clears_in_days: float | None
) -> None:
    verdict = judged("soak", options, {"stages": stages})
    clears = None if clears_in_days is None else NOW + timedelta(days=clears_in_days)
    assert (verdict.outcome, verdict.clears_at) == (outcome, clears), verdict.sentence


def test_a_running_soak_says_the_same_until_it_clears() -> None:
    gate = Gate(id="soak-1", kind="soak", options=ONE)
    evidence = Evidence(observed={"stages": {"internal": stayed(days_ago=0)}})
    said = {
        judge_gate(gate, evidence, NOW + timedelta(hours=hours), kinds()).sentence
        for hours in (0, 1, 47)
    }
    assert said == {
        "Live in internal since 2026-03-02 09:00 UTC: 2d are reached on 2026-03-04 09:00 UTC."
    }


def at(days: float) -> Any:
    return NOW + timedelta(days=days)


@pytest.mark.parametrize(
    ("stays", "longest_days", "since"),
    [
        ([], 0, None),
        ([(0, 2), (5, 8)], 3, None),
        ([(0, 2), (2, 5)], 5, None),
        ([(0, 2), (2, None)], 0, at(0)),
        ([(0, 2), (3, None)], 2, at(3)),
        ([(3, None), (0, 2)], 2, at(3)),
        ([(0, 5), (1, 2)], 5, None),
    ],
)
def test_stays_without_a_gap_count_as_one(
    stays: list[tuple[int, int | None]], longest_days: int, since: Any
) -> None:
    found = occupation(
        Stay(since=at(start), until=None if end is None else at(end)) for start, end in stays
    )
    assert (found.longest, found.since) == (timedelta(days=longest_days), since)


def answer(yes: Any, minutes: int = 0, comment: str = "as it should be") -> dict[str, Any]:
    when = (NOW + timedelta(minutes=minutes)).isoformat()
    return {"person": "Ann", "yes": yes, "comment": comment, "answered_at": when}


@pytest.mark.parametrize("kind", ["sign_off", "manual"])
@pytest.mark.parametrize(
    ("answers", "outcome", "code"),
    [
        ([], CANT_TELL, "unanswered"),
        ([answer(True)], PASS, "answered_yes"),
        ([answer(False)], FAIL, "vetoed"),
        ([answer(True), answer(False, 1)], FAIL, "vetoed"),
        ([answer(True, 2), answer(False, 1)], PASS, "answered_yes"),
        ([answer(None)], ERROR, "bad_evidence"),
        ([answer("yes")], ERROR, "bad_evidence"),
        ([{"person": "Ann"}], ERROR, "bad_evidence"),
        ("none", ERROR, "bad_evidence"),
    ],
)
def test_answers(kind: str, answers: Any, outcome: Outcome, code: str) -> None:
    options = {"role": "behaviour-reviewer", "question": "Does anything feel off?"}
    verdict = judged(kind, options, {"answers": answers})
    assert (verdict.outcome, verdict.code) == (outcome, code)
    if outcome is not ERROR:
        assert verdict.owner == "behaviour-reviewer"


def artifact(**fields: Any) -> dict[str, Any]:
    deployments = [{"name": "m at http://up/v1", "identity": "verified"}]
    values = {"n_files": 1, "n_bytes": 7, "problems": [], "deployments": deployments}
    return {**values, **fields}


UNKNOWN = [{"name": "m at http://up/v1", "identity": "unverifiable"}]
CHANGED = [{"name": "m at http://up/v1", "identity": "changed"}]
PROBLEM = {"path": "weights.gguf", "problem": "weights.gguf was changed."}


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        ({}, artifact(), PASS, "1 file (7 bytes) match"),
        ({}, artifact(problems=[PROBLEM]), FAIL, "weights.gguf was changed"),
        ({}, artifact(problems=[PROBLEM] * 7), FAIL, "and 2 more"),
        ({}, artifact(n_files=0), CANT_TELL, "names no file"),
        ({}, artifact(deployments=[]), CANT_TELL, "no active deployment"),
        ({}, artifact(deployments=UNKNOWN), CANT_TELL, "allow_unverifiable"),
        ({"allow_unverifiable": True}, artifact(deployments=UNKNOWN), PASS, "unverified"),
        ({"allow_unverifiable": True}, artifact(deployments=CHANGED), FAIL, "no longer answers"),
        ({}, artifact(deployments=[{"name": "m", "identity": "?"}]), ERROR, "identity"),
        ({}, artifact(problems=None), ERROR, "problems"),
    ],
)
def test_artifact(options: dict[str, Any], observed: Any, outcome: Outcome, words: str) -> None:
    verdict = judged("artifact", options, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_no_evidence_is_never_a_pass(kind: str) -> None:
    options = {"suite": "s", "at_least": 0.5, "stage": "a", "question": "q", "role": "r"}
    assert judged(kind, options, None, missing="no run yet.").outcome is CANT_TELL
    assert judged(kind, options, None, problem="it crashed").outcome is ERROR
    assert judged(kind, options, {}, problem="it crashed").outcome is ERROR
    assert judged(kind, options, {}).outcome is ERROR


def test_an_unknown_kind_is_an_error() -> None:
    verdict = judged("moon_phase", {}, {})
    assert (verdict.outcome, verdict.code) == (ERROR, "unknown_kind")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        True,
        Verdict(outcome=Outcome.WAIVED, code="x", sentence="x"),
        Verdict(outcome="pass?", code="x", sentence="x"),  # type: ignore[arg-type]
        ZeroDivisionError("n is 0"),
        KeyError("n"),
    ],
)
def test_a_rule_that_misbehaves_is_an_error(answer: Any) -> None:
    class Odd:
        kind, human, schema = "odd", False, {}

        def judge(self, gate: Gate, evidence: Evidence, now: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    gate = Gate(id="odd-1", kind="odd", options={})
    verdict = judge_gate(gate, Evidence(observed={}), NOW, {"odd": Odd()})
    assert (verdict.outcome, verdict.code) == (ERROR, "rule_crashed")


def test_built_in_kinds_describe_their_options() -> None:
    assert {rule.kind for rule in BUILT_IN} >= {
        "artifact",
        "eval_floor",
        "eval_no_regression",
        "soak",
        "sign_off",
        "manual",
    }
    for rule in BUILT_IN:
        Draft202012Validator.check_schema(rule.schema)
        assert not Draft202012Validator(rule.schema).is_valid({"unheard_of": 1})


@pytest.mark.parametrize(
    ("kind", "options", "good"),
    [
        ("soak", ONE, True),
        ("soak", {"all": TWO}, True),
        ("soak", {"k": 1, "of": TWO}, True),
        ("soak", {"all": TWO, "any": TWO}, False),
        ("soak", {"k": 1}, False),
        ("soak", {"stage": "internal", "soak": "two days"}, False),
        ("eval_floor", {"suite": "sql@7", "at_least": 0.6, "node": "sql.table"}, True),
        ("eval_floor", {"suite": "sql", "at_least": 60}, False),
        ("eval_no_regression", {"suite": "sql", "baseline": {"stage": "p"}, "margin": 0}, True),
        ("eval_no_regression", {"suite": "sql", "baseline": {}, "margin": 0}, False),
        ("sign_off", {"role": "behaviour-reviewer"}, False),
        ("eval_improvement", {"suite": "sql", "baseline": {"stage": "p"}, "nodes": [""]}, True),
        ("eval_improvement", {"suite": "sql", "baseline": {"stage": "p"}, "nodes": []}, False),
        ("eval_improvement", {"suite": "sql", "nodes": ["sql.table"]}, False),
        ("exposure", {"partners": 5, "days": 7, "requests": 20000, "largest_share": 0.5}, True),
        ("exposure", {"largest_share": 0.5}, False),
        ("exposure", {"partners": 0}, False),
        ("feedback_rate", {"counts": "thumbs_down", "ratio_at_most": 2.0}, True),
        ("feedback_rate", {"counts": "thumbs_down", "at_most": 0.1, "stage": "alpha"}, True),
        ("feedback_rate", {"counts": "confirmed_findings", "at_most_per_1000": 2}, True),
        ("feedback_rate", {"counts": "confirmed_findings", "at_most": 0.1}, False),
        ("feedback_rate", {"counts": "thumbs_down", "at_or_above": "major", "at_most": 1}, False),
        ("feedback_rate", {"ratio_at_most": 2.0}, False),
        ("feedback_rate", {"counts": "smiles", "ratio_at_most": 2.0}, False),
        ("open_findings", {"none_open_at_or_above": "major"}, True),
        ("open_findings", {"none_open_at_or_above": "huge"}, False),
        ("open_findings", {}, False),
        ("error_rate", {"ratio_at_most": 2.0, "baseline": {"arm": "incumbent"}}, True),
        ("error_rate", {"ratio_at_most": 2.0, "baseline": {"stage": "production"}}, False),
        ("error_rate", {"margin": 0.01, "reference_rate": 0.02, "block_on": "worse"}, True),
        ("error_rate", {"at_most": 0}, False),
        ("latency", {"ratio_at_most": 1.1, "quantile": 0.95, "per": "request"}, True),
        ("latency", {"quantile": 0.95}, False),
        ("cost", {"ratio_at_most": 1.2}, True),
        ("cost", {"at_most_micros": 0}, False),
        ("preference", {"baseline": {"checkpoint": "one"}, "margin": 0.05}, True),
        ("preference", {"baseline": {"arm": "incumbent"}}, False),
        ("preference", {"baseline": {"checkpoint": "one"}, "min_votes": 10}, False),
        ("replay", {"at_most": 0.02, "modes": {"refuses": 0.01}}, True),
        ("replay", {"min_conversations": 100}, False),
    ],
)
def test_options_are_checked(kind: str, options: dict[str, Any], good: bool) -> None:
    assert Draft202012Validator(kinds()[kind].schema).is_valid(options) is good


def test_a_policy_is_read_in_order() -> None:
    policy = {
        "gates": [
            {"kind": "artifact"},
            {"kind": "eval_floor", "suite": "sql", "at_least": 0.6, "shadow": True},
            {"kind": "eval_floor", "suite": "instructions", "at_least": 0.5},
        ],
        "approvals": {"required": 2, "groups": ["release-managers"], "expires": "3d"},
    }
    gates = gates_of(policy)
    assert [gate.id for gate in gates] == ["artifact-1", "eval_floor-1", "eval_floor-2"]
    assert [gate.shadow for gate in gates] == [False, True, False]
    assert gates[2].options == {"suite": "instructions", "at_least": 0.5}
    assert (approval_rule(policy).required, expiry(policy)) == (2, timedelta(days=3))
    assert (approval_rule({}).required, expiry({})) == (0, timedelta(days=7))


def test_what_a_suite_measured_is_shown_with_the_verdict() -> None:
    verdict = judged("eval_floor", {"suite": "sql", "at_least": 0.6}, means())
    assert (verdict.observed, verdict.required) == ({"": 0.7}, {"at_least": 0.6})
