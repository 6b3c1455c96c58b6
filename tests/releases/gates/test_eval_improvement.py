from __future__ import annotations

from typing import Any

import pytest

from releases.states import Outcome
from tests.releases.gates.shapes import REGRESSION, UNSETTLED, delta_node, deltas, judged

PASS, FAIL = Outcome.PASS, Outcome.FAIL
CANT_TELL, ERROR = Outcome.INCONCLUSIVE, Outcome.ERROR
PAIR: dict[str, Any] = {"suite": "sql", "baseline": {"stage": "production"}}
TWO = {"nodes": ["sql.table", "sql.rows"]}
BETTER = delta_node(0.06, 0.02, 0.1, "better", p_better=0.002)
LUCKY = delta_node(0.06, 0.004, 0.1, "better", p_better=0.02)
WORSE = delta_node(**REGRESSION, p_better=0.999)
UNSURE = delta_node(**UNSETTLED, p_better=0.8, cases_to_settle=480)
GUARD_WORSE = delta_node(**REGRESSION, adjusted_p_regression=0.001, adjusted_p_worse=0.001)
SMALL = delta_node(n=4, n_clusters=4, verdict="insufficient")
ANCHOR = {"anchor": {"checkpoint": "ga", "margin": 0.1}}


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        (
            {},
            deltas(root=BETTER),
            PASS,
            "two against one: sql@3: +6.0 pts (95% CI +2.0..+10.0, 60 cases), better than the "
            "baseline: passes.",
        ),
        ({}, deltas(root=UNSURE), CANT_TELL, "can't tell at 60 cases; about 480 would settle it"),
        ({}, deltas(root=WORSE), FAIL, "worse than the baseline: blocks"),
        ({}, deltas(root=delta_node(n=9, n_clusters=9)), CANT_TELL, "too few"),
        ({}, deltas(root=delta_node(verdict="invalid")), ERROR, "not used"),
        # An end that touches 0 has not shown a gain.
        ({}, deltas(root=delta_node(0.05, 0.0, 0.1, "inconclusive")), CANT_TELL, "can't tell"),
        ({"nodes": [""]}, deltas(root=BETTER), PASS, "better"),
        ({"nodes": ["sql.table"]}, deltas(sql_table=BETTER), PASS, "sql.table: +6.0 pts"),
        ({"nodes": ["sql.table"]}, deltas(sql_table=LUCKY), PASS, "sql.table: +6.0 pts"),
        (
            TWO,
            deltas(sql_table=BETTER, sql_rows=UNSURE),
            PASS,
            "sql.table: +6.0 pts (95% CI +2.0..+10.0, 60 cases), better than the baseline: passes",
        ),
        (TWO, deltas(sql_table=BETTER, sql_rows=WORSE), PASS, "worse than the baseline: not coun"),
        # Two chances to look better by luck.
        (
            TWO,
            deltas(sql_table=LUCKY, sql_rows=UNSURE),
            CANT_TELL,
            "sql.table: +6.0 pts (95% CI +0.4..+10.0), can't tell at 60 cases: better on its own, "
            "but not among 2 named nodes (Holm): holds",
        ),
        (TWO, deltas(sql_table=LUCKY, sql_rows=BETTER), PASS, "passes"),
        (TWO, deltas(sql_table=LUCKY, sql_rows=SMALL), PASS, "passes"),
        (TWO, deltas(sql_table=SMALL, sql_rows=SMALL), CANT_TELL, "4 cases"),
        (TWO, deltas(sql_table=WORSE, sql_rows=WORSE), FAIL, "blocks"),
        (TWO, deltas(sql_table=WORSE, sql_rows=UNSURE), CANT_TELL, "holds"),
        (TWO, deltas(sql_table=BETTER), ERROR, "no node 'sql.rows'"),
        (TWO, deltas(sql_table={**BETTER, "p_better": None}, sql_rows=BETTER), ERROR, "p_better"),
        ({"must_prove": ["sql.table"]}, deltas(root=BETTER, sql_table=UNSURE), CANT_TELL, "holds"),
        ({"must_prove": ["sql.table"]}, deltas(root=BETTER, sql_table=BETTER), PASS, "passes"),
        ({"must_prove": ["sql.table"]}, deltas(root=BETTER, sql_table=WORSE), FAIL, "blocks"),
        ({"must_prove": ["sql.table"]}, deltas(root=UNSURE, sql_table=BETTER), CANT_TELL, "holds"),
        ({"critical_nodes": ["sql.table"]}, deltas(root=BETTER, sql_table=GUARD_WORSE), FAIL, "bl"),
        ({"critical_nodes": ["sql.table"]}, deltas(root=BETTER, sql_table=UNSURE), PASS, "passes"),
        ({"critical_nodes": ["sql.x"]}, deltas(root=BETTER), ERROR, "no node 'sql.x'"),
        ({}, deltas(root=BETTER, sql_table=GUARD_WORSE), PASS, "passes"),
        ({"block_on": "worse"}, deltas(root=BETTER, sql_table=GUARD_WORSE), FAIL, "sql.table: -20"),
        (ANCHOR, deltas(root=BETTER), CANT_TELL, "not compared with the anchor ga yet"),
        (
            ANCHOR,
            {**deltas(root=BETTER), "anchor": {"nodes": {"": delta_node()}}},
            PASS,
            "against the anchor ga, sql@3",
        ),
        (
            {"anchor": {"checkpoint": "ga", "margin": 0.05}},
            {**deltas(root=BETTER), "anchor": {"nodes": {"": WORSE}}},
            FAIL,
            "against the anchor ga",
        ),
        ({}, {**deltas(root={**BETTER, "p_better": 0.01}), "n_tried": 2}, PASS, "passes"),
        (
            {},
            {**deltas(root={**BETTER, "p_better": 0.01}), "n_tried": 3},
            CANT_TELL,
            "not among 3 variants tried",
        ),
        ({}, {**deltas(), "nodes": {}}, ERROR, "no node ''"),
        ({}, {}, ERROR, "suite is None"),
    ],
)
def test_eval_improvement(
    options: dict[str, Any], observed: Any, outcome: Outcome, words: str
) -> None:
    verdict = judged("eval_improvement", {**PAIR, **options}, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


def test_a_comparison_that_will_not_settle_says_so() -> None:
    observed = deltas(root=delta_node(**UNSETTLED, is_hopeless=True))
    assert "won't settle here" in judged("eval_improvement", PAIR, observed).sentence
