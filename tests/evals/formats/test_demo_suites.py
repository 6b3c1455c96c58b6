"""The demo's suites: large enough to judge, and each target within what its case allows."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from evals import formats, graders
from evals.formats.contract import SuiteSpec
from evals.graders.contract import Policy, Sample

DEMO = Path(formats.__file__).parents[2] / "infra" / "demo"
NAMES = {"sql": 60, "instructions": 40}
# Below these the comparison calls a component insufficient.
LEAST_CASES, LEAST_CLUSTERS = 10, 5


def suite_named(name: str) -> SuiteSpec:
    return formats.read("slipway", DEMO / "suites" / name)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_suite_and_each_component_are_large_enough_to_judge(name: str) -> None:
    suite = suite_named(name)
    clusters: dict[str, list[str]] = defaultdict(list)
    for case in suite.cases:
        for spec in suite.graders:
            for label in graders.check_case(spec, case.graded()):
                clusters[label].append(case.cluster or case.case_id)
    assert len(suite.cases) >= NAMES[name]
    assert set(clusters) == set(suite.components)
    assert min(len(found) for found in clusters.values()) >= LEAST_CASES
    assert min(len(set(found)) for found in clusters.values()) >= LEAST_CLUSTERS


@pytest.mark.parametrize("name", sorted(NAMES))
def test_suite_is_stored_as_it_would_be_written(name: str, tmp_path: Path) -> None:
    formats.write("slipway", suite_named(name), tmp_path)
    for file in ("suite.yaml", "cases.jsonl"):
        assert (tmp_path / file).read_bytes() == (DEMO / "suites" / name / file).read_bytes()


def test_every_sql_target_is_within_its_answers_schema_and_scores_in_full() -> None:
    suite = suite_named("sql")
    for case in suite.cases:
        sql = case.target["sql"]
        schema = case.request["response_format"]["json_schema"]["schema"]
        assert re.search(schema["properties"]["sql"]["pattern"], sql), case.case_id
        sample = Sample(output_text=json.dumps({"sql": sql}))
        grade = graders.grade_sample(suite.graders, case.graded(), sample, Policy())
        assert grade.score == 1.0, (case.case_id, grade.explanation)


def test_no_case_asks_for_what_its_worked_example_answers() -> None:
    for name in NAMES:
        for case in suite_named(name).cases:
            asked = [message["content"] for message in case.input]
            assert len(set(asked)) == len(asked), case.case_id


@pytest.mark.parametrize("role", ["incumbent", "candidate"])
def test_checkpoints_of_the_demo_answer_the_same_every_time(role: str) -> None:
    serving = json.loads((DEMO / "prompts" / f"{role}.json").read_text(encoding="utf-8"))
    assert serving["system_prompt"]
    assert serving["sampling"]["temperature"] == 0
    assert isinstance(serving["sampling"]["seed"], int)
