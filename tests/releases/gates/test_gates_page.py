"""docs/gates.md tells of every kind and option, and quotes what the rules say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from releases.gates.guarding import GUARDRAIL_KINDS
from releases.gates.registry import BUILT_IN
from tests.releases.gates.live_shapes import (
    alike,
    arms,
    costs,
    early,
    exposed,
    finding,
    findings,
    found,
    harmed,
    interval,
    mode,
    money,
    rate,
    slow,
    votes,
    watched,
)
from tests.releases.gates.shapes import UNSETTLED, delta_node, deltas, judged, mean_node, means
from tests.releases.gates.test_other_gates import PROBLEM, answer, artifact, stayed

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "gates.md").read_text("utf-8")
SECTIONS = dict(
    zip(*[iter(re.split(r"^### `([a-z_]+)`$", PAGE, flags=re.MULTILINE)[1:])] * 2, strict=True)
)
SAID = re.findall(r"^> (.+)$", PAGE, flags=re.MULTILINE)
TWICE = {"ratio_at_most": 2.0}
PAIR: dict[str, Any] = {"suite": "sql", "baseline": {"stage": "production"}}
ROUGH = {"counts": "confirmed_findings"}
ASK = {"role": "behaviour-reviewer", "question": "Does anything feel off?"}
MAJOR = {"none_open_at_or_above": "major"}
STYLE = {"score": 0.52, "lo": 0.49, "hi": 0.55}
LUCKY = delta_node(0.06, 0.004, 0.1, "better", p_better=0.02)
CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("eval_floor", {"suite": "sql", "at_least": 0.6}, means()),
    ("eval_floor", {"suite": "sql", "at_least": 0.6}, means(root=mean_node(0.64, 0.56, 0.72))),
    ("eval_floor", {"suite": "sql", "at_least": 0.6}, means("saturated")),
    ("eval_no_regression", {**PAIR, "margin": 0.05}, deltas(sql_table=delta_node())),
    (
        "eval_no_regression",
        {**PAIR, "margin": 0.05},
        deltas(root=delta_node(**UNSETTLED, cases_to_settle=480)),
    ),
    ("eval_improvement", PAIR, deltas(root=delta_node(0.06, 0.02, 0.1, "better"))),
    (
        "eval_improvement",
        {**PAIR, "nodes": ["sql.table", "sql.rows"]},
        deltas(sql_table=LUCKY, sql_rows=delta_node(**UNSETTLED, p_better=0.8)),
    ),
    ("eval_fresh", {"suite": "sql"}, {"suite": "sql", "version": 3, "suite_state": "ageing"}),
    ("artifact", {}, artifact()),
    ("artifact", {}, artifact(problems=[PROBLEM])),
    ("soak", {"stage": "internal", "soak": "2d"}, {"stages": {"internal": stayed(days_ago=2)}}),
    ("soak", {"stage": "internal", "soak": "2d"}, {"stages": {"internal": stayed(days_ago=1.5)}}),
    ("exposure", {"partners": 3}, exposed()),
    (
        "exposure",
        {"partners": 5, "days": 7, "requests": 20000, "largest_share": 0.35},
        exposed(),
    ),
    ("error_rate", TWICE, alike()),
    ("error_rate", TWICE, early()),
    ("error_rate", TWICE, harmed()),
    (
        "error_rate",
        TWICE,
        alike(split={"counts": [2000, 2300], "expected_share": [0.5, 0.5]}),
    ),
    ("error_rate", {"at_most": 0.02}, rate(20, 4000, 0.00164, 0.01126)),
    (
        "feedback_rate",
        {**ROUGH, **TWICE},
        findings((20, 20000, 20, 20000), 0.510615, 1.958424, 1.0),
    ),
    (
        "feedback_rate",
        {**ROUGH, "at_most_per_1000": 1.0},
        findings((7, 12000, 0, 0), 0.23453, 1.20189, 7 / 12),
    ),
    (
        "latency",
        {"ratio_at_most": 1.1},
        slow(arms([[100, 2000, 60, 2000]], interval(0.39, 0.87, 0.59))),
    ),
    ("latency", {"at_most_ms": 900}, slow(rate(360, 4000, 0.07, 0.11, 0.05), 900)),
    ("cost", {"ratio_at_most": 1.1}, costs(0.05, 0.06)),
    ("cost", {"at_most_micros": 120}, money(100.0, 2.4)),
    ("open_findings", MAJOR, found()),
    ("open_findings", MAJOR, found(open=[finding(), finding("critical", title="Leaks")])),
    ("open_findings", MAJOR, found(unconfirmed=[finding(reporter="acme")])),
    ("preference", PAIR, votes(0.539474, 0.507943, 0.571005, controlled=STYLE)),
    ("preference", PAIR, votes(0.539474, 0.437685, 0.641262)),
    ("replay", {"at_most": 0.03}, {"modes": [mode()]}),
    ("replay", {"at_most": 0.015}, {"modes": [mode()]}),
    ("sign_off", ASK, {"answers": []}),
    ("sign_off", ASK, {"answers": [answer(True, comment="Reads as it should.")]}),
]


def options_of(schema: Any) -> set[str]:
    branches = [schema, *(schema.get(key, {}) for key in ("then", "else"))]
    return {name for branch in branches for name in branch.get("properties", {})}


def test_every_kind_has_its_section() -> None:
    assert set(SECTIONS) == {rule.kind for rule in BUILT_IN}


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.kind)
def test_every_option_is_told_and_every_example_is_taken(rule: Any) -> None:
    section = SECTIONS[rule.kind]
    table = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    assert [name for name in sorted(options_of(rule.schema)) if f"`{name}`" not in table] == []
    examples = yaml.safe_load(re.findall(r"```yaml\n(.+?)```", section, flags=re.DOTALL)[0])
    for example in examples:
        assert example.pop("kind") == rule.kind
        Draft202012Validator(rule.schema).validate(example)


def test_the_page_quotes_what_the_rules_say() -> None:
    said = [judged(kind, options, observed).sentence for kind, options, observed in CASES]
    assert said + [watched("error_rate", TWICE, harmed()).sentence] == SAID


def test_every_kind_of_guardrail_is_named() -> None:
    guardrails = PAGE.split("## Guardrails")[1].split("## ")[0]
    assert all(f"`{kind}`" in guardrails for kind in GUARDRAIL_KINDS)
