"""Names in pipeline files that the database knows, and what gates on suites can settle."""

from __future__ import annotations

from typing import Any

import pytest

from alpha.services.partners import make_cohort
from evals.formats.contract import SuiteSpec
from evals.models import SuiteVersion
from evals.services import drafts
from infra.errors import InvalidInput
from releases.services.pipelines import Plan, apply_pipelines
from tests import builders
from tests.releases import suites

pytestmark = pytest.mark.django_db

FILE = """\
kind: Pipeline
name: chat
family: chat
stages:
  - name: alpha
    cohorts: [design-partners]
    gates:
      - {kind: eval_floor, suite: sql, node: sql.table, at_least: 0.6}
      - {kind: eval_no_regression, suite: sql@1, baseline: {checkpoint: chat-nano-0}, margin: 0.02,
         must_prove: [sql], anchor: {checkpoint: chat-nano-0, margin: 0.05}}
      - {kind: eval_improvement, suite: sql, baseline: {checkpoint: chat-nano-0}, nodes: [sql]}
      - {kind: eval_fresh, suite: sql}
    freezes:
      - name: nights
        starts: "2026-01-01T18:00"
        for: 10h
        rule: FREQ=DAILY
        time_zone: UTC
        reason: Rest.
        owner: release_manager
"""


@pytest.fixture
def cast() -> builders.Cast:
    suites.published(n_cases=600)
    found = builders.cast()
    builders.checkpoint("chat-nano-0", checkpoint_digest="0" * 64)
    make_cohort(actor=found.partner_manager, name="design-partners")
    return found


def apply(cast: builders.Cast, text: str = FILE, *, plan: bool = True) -> Plan:
    return apply_pipelines(actor=cast.release_manager, files={"chat.yaml": text}, plan=plan)


def advice(plan: Plan) -> dict[str, tuple[str, Any]]:
    (pipeline,) = plan.pipelines
    return {item.gate_id: (item.sentence, item.numbers) for item in pipeline.advice}


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "expected"),
    [
        ("suite", "suite: sql,", "suite: sequel,", 8, "No suite 'sequel'; there are: sql"),
        ("version", "sql@1", "sql@7", 9, "No published version 'sql@7'; there are: sql@1"),
        ("node", "sql.table", "sql.tabel", 8, "sql@1 has no node 'sql.tabel'; its nodes: sql, "),
        ("must prove", "must_prove: [sql]", "must_prove: [sql.rows]", 10, "no node 'sql.rows'"),
        ("named", "nodes: [sql]", "nodes: [sql.rows]", 11, "no node 'sql.rows'"),
        ("baseline", "checkpoint: chat-nano-0}, mar", "checkpoint: old}, mar", 9, "named 'old'"),
        ("anchor", "anchor: {checkpoint: chat-nano-0", "anchor: {checkpoint: ga", 10, "'ga'"),
        ("cohort", "[design-partners]", "[friends]", 6, "No cohort 'friends'"),
        ("owner", "owner: release_manager", "owner: nobody", 20, "No person 'nobody'"),
    ],
)
def test_a_name_that_nothing_has_is_refused_with_its_line(
    cast: builders.Cast, name: str, old: str, new: str, line: int, expected: str
) -> None:
    assert old in FILE
    with pytest.raises(InvalidInput) as refusal:
        apply(cast, FILE.replace(old, new, 1))
    (reason,) = refusal.value.reasons
    assert reason.sentence.startswith(f"chat.yaml:{line}: ")
    assert expected in reason.sentence


def test_a_draft_is_no_version_that_a_gate_can_pin(cast: builders.Cast) -> None:
    drafts.draft_of(actor=cast.eval_owner, suite=SuiteVersion.objects.get().suite)
    with pytest.raises(InvalidInput, match="No published version 'sql@2'"):
        apply(cast, FILE.replace("sql@1", "sql@2"))


def test_every_mistake_of_a_file_comes_at_once_with_file_and_line(cast: builders.Cast) -> None:
    text = """\
kind: Pipeline
name: chat
family: chat
stages:
  - name: alpha
    after: {all: [{stage: beta}]}
    gatez: []
  - name: beta
    after: {all: [{stage: alpha}]}
    gates:
      - {kind: eval_floor, suite: sequel, at_least: 0.6}
    freezes:
      - {name: nights, starts: "2026-01-01T18:00", for: 1h, time_zone: Mars/Olympus, reason: Rest.}
"""
    with pytest.raises(InvalidInput) as refusal:
        apply(cast, text, plan=True)
    said = [reason.sentence for reason in refusal.value.reasons]
    assert [sentence.split(" ")[0] for sentence in said] == [
        "chat.yaml:6:",
        "chat.yaml:7:",
        "chat.yaml:11:",
        "chat.yaml:13:",
    ]
    for sentence, expected in zip(
        said, ["goes in a circle", "did you mean gates?", "'sequel'", "Mars/Olympus"], strict=True
    ):
        assert expected in sentence


def test_600_cases_can_not_settle_a_two_point_margin(cast: builders.Cast) -> None:
    sentence, numbers = advice(apply(cast))["eval_no_regression-1"]
    assert "600 cases can't settle a 2-point margin: 1,963 would" in sentence
    assert "an equal checkpoint passes 34 times in 100" in sentence
    assert "600 cases settle 3.6 points" in sentence
    assert "Assumed: two checkpoints differ on 10% of the cases" in sentence
    assert "600 cases settle a 5-point margin against the anchor chat-nano-0" in sentence
    assert numbers["cases_needed"] == 1963
    assert [node["n"] for node in numbers["nodes"]] == [600, 600, 600]


def test_each_eval_gate_is_told_what_it_can_settle(cast: builders.Cast) -> None:
    found = {gate: sentence for gate, (sentence, _) in advice(apply(cast)).items()}
    assert list(found) == ["eval_floor-1", "eval_no_regression-1", "eval_improvement-1",
                           "eval_fresh-1"]  # fmt: skip
    assert "300 cases of sql.table put a checkpoint truly at 67.6% or more" in found["eval_floor-1"]
    assert "600 cases of sql find a gain of 3.6 points" in found["eval_improvement-1"]
    assert "sql@1: the suite is fresh" in found["eval_fresh-1"]


@pytest.mark.parametrize(
    ("name", "n_cases", "margin", "expected"),
    [
        pytest.param(
            *("enough", 2000, 0.02, "2,000 cases settle a 2-point margin (1,963 would do"),
            marks=pytest.mark.long,
        ),
        pytest.param(
            *("exactly", 1963, 0.02, "1,963 cases settle a 2-point margin (1,963 would do"),
            marks=pytest.mark.long,
        ),
        pytest.param(
            *("one less", 1962, 0.02, "1,962 cases can't settle a 2-point margin: 1,963 would"),
            marks=pytest.mark.long,
        ),
        ("wider", 600, 0.03, "600 cases can't settle a 3-point margin: 873 would"),
        ("narrow", 600, 0.01, "600 cases can't settle a 1-point margin: 7,849 would"),
        ("none", 600, 0.0, "no number of cases settles a margin of 0"),
        ("few", 8, 0.05, "8 cases in 8 clusters are too few to judge"),
    ],
)
def test_the_margin_that_cases_settle(
    name: str, n_cases: int, margin: float, expected: str
) -> None:
    suites.published(n_cases=n_cases)
    found = builders.cast()
    builders.checkpoint("chat-nano-0", checkpoint_digest="0" * 64)
    text = f"""\
kind: Pipeline
name: chat
family: chat
stages:
  - name: alpha
    gates:
      - kind: eval_no_regression
        suite: sql
        baseline: {{checkpoint: chat-nano-0}}
        margin: {margin}
"""
    ((sentence, _),) = advice(apply(found, text)).values()
    assert expected in sentence


def test_clusters_are_counted_not_cases_alone(cast: builders.Cast) -> None:
    spec: SuiteSpec = suites.spec("docs", 0)
    cases = [suites.case(number, cluster=f"doc-{number % 4}") for number in range(20)]
    suites.published("docs", cases=cases, graders=spec.graders)
    text = FILE.replace("suite: sql@1", "suite: docs").replace("must_prove: [sql], ", "")
    sentence, _ = advice(apply(cast, text))["eval_no_regression-1"]
    assert "20 cases in 4 clusters are too few to judge" in sentence


def test_advice_refuses_nothing_and_comes_again_when_nothing_changes(cast: builders.Cast) -> None:
    first = apply(cast, plan=False)
    again = apply(cast, plan=False)
    assert (first.changed, again.changed) == (True, False)
    assert first.pipelines[0].advice == again.pipelines[0].advice
    assert first.as_dict()["pipelines"][0]["advice"][1]["numbers"]["cases_needed"] == 1963
