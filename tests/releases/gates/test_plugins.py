"""Kinds of installed packages: they add, and never replace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from releases.gates.contract import Evidence, Gate
from releases.gates.judgement import judge_gate
from releases.gates.registry import BUILT_IN, ENTRY_POINTS, installed
from releases.policy.files import read_pipelines
from releases.states import Outcome
from tests.releases.gates.shapes import NOW

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "docs" / "gate-plugin"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]


def installed_at(folder: Path, points: dict[str, dict[str, str]], name: str) -> None:
    """What an installer writes, without one: the module's folder and its metadata."""
    metadata = folder / f"{name.replace('-', '_')}-1.0.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
    sections = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in found.items())
        for group, found in points.items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(sections))


SHOW = """
import json, sys
from datetime import UTC, datetime
from releases.gates.contract import Evidence, Gate
from releases.gates.judgement import judge_gate
from releases.gates.registry import kinds
gate = Gate(id="g", kind="required_files", options={"files": ["MODEL_CARD.md"]})
verdicts = [
    judge_gate(gate, Evidence(observed=seen), datetime(2026, 3, 2, tzinfo=UTC), kinds())
    for seen in ({"files": [{"path": "MODEL_CARD.md"}]}, {"files": []}, {"files": [7]}, {}, None)
]
print(json.dumps({
    "kinds": {kind: type(rule).__module__ for kind, rule in kinds().items()},
    "verdicts": [[v.outcome.value, v.sentence] for v in verdicts],
    "heavy": sorted({"django", "numpy"} & set(sys.modules)),
}))
"""


def shown(*folders: Path) -> dict[str, Any]:
    """What a new process that has these packages installed says."""
    path = os.pathsep.join(map(str, (ROOT, *folders)))
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_example_package_judges(tmp_path: Path) -> None:
    installed_at(tmp_path, PROJECT["entry-points"], PROJECT["name"])
    found = shown(tmp_path, EXAMPLE)
    assert found["kinds"]["required_files"] == "slipway_required_files"
    assert found["verdicts"] == [
        ["pass", "All 1 required files are in the artifact."],
        ["fail", "1 of 1 required files are not in the artifact: MODEL_CARD.md."],
        ["error", "The evidence can't be used: files holds something that is not an object."],
        ["error", "The evidence can't be used: files is None, not a list."],
        ["inconclusive", "Can't tell: there is no evidence yet."],
    ]
    assert found["heavy"] == []


def test_a_package_cannot_replace_a_built_in_kind(tmp_path: Path) -> None:
    (tmp_path / "lenient.py").write_text(
        "class Lenient:\n"
        "    kind, human, schema = 'artifact', False, {}\n"
        "    def judge(self, gate, evidence, now):\n"
        "        raise AssertionError\n"
    )
    points = {**PROJECT["entry-points"], ENTRY_POINTS: {"artifact": "lenient:Lenient"}}
    installed_at(tmp_path, points, "lenient")
    assert shown(tmp_path, EXAMPLE)["kinds"]["artifact"] == "releases.gates.artifact"


class Odd:
    """A rule whose parts a test replaces."""

    kind = "odd"
    human = False
    schema: Any = {}

    def judge(self, gate: Gate, evidence: Evidence, now: Any) -> Any:
        raise NotImplementedError


class Misnamed(Odd):
    kind = "even"


class WithoutSchema(Odd):
    schema = None


class WithoutJudge:
    kind, human, schema = "odd", False, {}


def raises() -> None:
    raise RuntimeError("no licence")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Misnamed", "it is not a rule of the kind 'odd'"),
        ("WithoutSchema", "it is not a rule of the kind 'odd'"),
        ("WithoutJudge", "AttributeError"),
        ("raises", "no licence"),
        ("absent", "AttributeError"),
        ("NOW", "not callable"),
    ],
)
def test_a_kind_that_cannot_be_used_is_an_error_and_stops_nothing_else(
    value: str, words: str
) -> None:
    point = EntryPoint(name="odd", value=f"{__name__}:{value}", group=ENTRY_POINTS)
    sound = EntryPoint(name="even", value=f"{__name__}:Misnamed", group=ENTRY_POINTS)
    rules = installed([point, sound])
    gate = Gate(id="odd-1", kind="odd", options={})
    verdict = judge_gate(gate, Evidence(observed={"x": 1}), NOW, rules)
    assert (verdict.outcome, verdict.code) == (Outcome.ERROR, "broken_kind")
    assert words in verdict.sentence
    assert type(rules["even"]).__name__ == "Misnamed"


def test_a_package_that_is_not_there_is_an_error() -> None:
    point = EntryPoint(name="odd", value="nowhere_at_all:Rule", group=ENTRY_POINTS)
    assert "nowhere_at_all" in str(vars(installed([point])["odd"])["problem"])


def test_two_packages_that_claim_one_kind_both_lose() -> None:
    points = [EntryPoint(name="even", value=f"{__name__}:Misnamed", group=ENTRY_POINTS)] * 2
    gate = Gate(id="g", kind="even", options={})
    verdict = judge_gate(gate, Evidence(observed={"x": 1}), NOW, installed(points))
    assert verdict.sentence == "Two installed packages claim the gate kind 'even': remove one."


PIPELINE = """
kind: Pipeline
name: chat
family: chat
stages:
  - name: internal
    gates:
      - {kind: odd, limit: 3}
"""


def test_the_options_of_an_installed_kind_are_checked_by_its_schema() -> None:
    rule = Odd()
    rule.schema = {"type": "object", "properties": {"limit": {"type": "string"}}}
    rules = {**{rule.kind: rule for rule in BUILT_IN}, "odd": rule}
    _, problems = read_pipelines(PIPELINE, "p.yaml", rules)
    assert [(problem.line, "limit" in problem.field) for problem in problems] == [(8, True)]
    assert Draft202012Validator(rule.schema).is_valid({"limit": "3"})
