from __future__ import annotations

import math
from typing import Any

import pytest

from releases.states import Outcome
from tests.releases.gates.shapes import (
    REGRESSION,
    UNSETTLED,
    WORSE,
    delta_node,
    deltas,
    judged,
    mean_node,
    means,
)

PASS, FAIL = Outcome.PASS, Outcome.FAIL
CANT_TELL, ERROR = Outcome.INCONCLUSIVE, Outcome.ERROR
FLOOR: dict[str, Any] = {"suite": "sql", "at_least": 0.6}
PAIR: dict[str, Any] = {"suite": "sql", "baseline": {"stage": "production"}, "margin": 0.05}


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        ({}, means(), PASS, "sql@3: 70.0% (95% CI 62.0..78.0, 60 cases), floor 60%: above"),
        ({}, means(root=mean_node(0.5, 0.4, 0.59)), FAIL, "below the floor"),
        ({}, means(root=mean_node(0.7, 0.6, 0.8)), CANT_TELL, "can't tell at 60 cases"),
        ({}, means(root=mean_node(0.64, 0.56, 0.72)), CANT_TELL, "about 240 would settle it"),
        ({}, means(root=mean_node(0.6, 0.5, 0.7)), CANT_TELL, "on the floor itself"),
        ({}, means(root=mean_node(0.605, 0.5, 0.7)), CANT_TELL, "won't settle here"),
        ({"block_on": "worse"}, means(root=mean_node(0.58, 0.5, 0.66)), FAIL, "mean is below"),
        ({}, means(root=mean_node(n=9, n_clusters=9)), CANT_TELL, "9 cases in 9 clusters"),
        ({}, means(root=mean_node(n_clusters=4)), CANT_TELL, "too few to judge"),
        ({}, means(root=mean_node(n_missing=4)), CANT_TELL, "4 of 64 cases were lost"),
        ({}, means(root=mean_node(lo=0.605, n_missing=2)), CANT_TELL, "2 missing cases could"),
        ({"node": "sql.table"}, means(sql_table=mean_node(0.9, 0.8, 1.0)), PASS, "sql.table: 90"),
        ({"node": "sql.rows"}, means(sql_table=mean_node()), ERROR, "its nodes: sql.table"),
        (
            {"must_prove": ["sql.table"]},
            means(sql_table=mean_node(0.5, 0.4, 0.7)),
            CANT_TELL,
            "sql.table: 50.0%",
        ),
        (
            {"critical_nodes": ["sql.table"]},
            means(sql_table=mean_node(0.3, 0.2, 0.4)),
            FAIL,
            "below the floor",
        ),
        (
            {"critical_nodes": ["sql.table"]},
            means(sql_table=mean_node(0.58, 0.5, 0.66)),
            PASS,
            "above the floor",
        ),
        (
            {"critical_nodes": ["sql.table"]},
            means(sql_table=mean_node(n=4, n_clusters=4)),
            CANT_TELL,
            "4 cases",
        ),
        ({}, means("saturated"), CANT_TELL, "saturated"),
        ({}, means("saturated", root=mean_node(0.5, 0.4, 0.59)), FAIL, "below the floor"),
        ({}, means("expired"), CANT_TELL, "past its review date"),
        ({}, means("expired", root=mean_node(0.5, 0.4, 0.59)), CANT_TELL, "past its review date"),
        ({}, means("ageing"), PASS, "above the floor"),
        ({}, means("ripe"), ERROR, "ripe"),
        ({}, means(root=mean_node(lo=math.nan)), ERROR, "NaN"),
        ({}, means(root=mean_node(lo=None)), ERROR, "lo is None"),
        ({}, means(root=mean_node(mean=0.5)), ERROR, "no interval of shares"),
        ({}, means(root=mean_node(1.02, 0.9, 1.1)), ERROR, "no interval of shares"),
        ({}, means(root=mean_node(0.967, 0.886, 1.008)), PASS, "above the floor"),
        ({}, means(root=mean_node(n="60")), ERROR, "n is '60'"),
        ({}, means(root=mean_node(n=True)), ERROR, "n is True"),
        ({}, {**means(), "nodes": {}}, ERROR, "its nodes: none"),
        ({}, {}, ERROR, "nodes is None"),
    ],
)
def test_eval_floor(options: dict[str, Any], observed: Any, outcome: Outcome, words: str) -> None:
    verdict = judged("eval_floor", {**FLOOR, **options}, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


GUARD_REGRESSION = delta_node(**REGRESSION, adjusted_p_regression=0.004, adjusted_p_worse=0.001)
GUARD_UNPROVEN = delta_node(**REGRESSION, adjusted_p_regression=0.2, adjusted_p_worse=0.001)
GUARD_WORSE = delta_node(**WORSE, adjusted_p_worse=0.001)


@pytest.mark.parametrize(
    ("options", "observed", "outcome", "words"),
    [
        ({}, deltas(), PASS, "two against one: sql@3: +2.0 pts (95% CI -1.0..+5.0, 60 cases)"),
        ({}, deltas(root=delta_node(0.1, 0.05, 0.15, "better")), PASS, "better"),
        ({}, deltas(root=delta_node(**REGRESSION)), FAIL, "regression beyond the 5-pt margin"),
        ({}, deltas(root=delta_node(**WORSE)), CANT_TELL, "worse"),
        ({"block_on": "worse"}, deltas(root=delta_node(**WORSE)), FAIL, "blocks"),
        (
            {},
            deltas(root=delta_node(**UNSETTLED, cases_to_settle=4712)),
            CANT_TELL,
            "about 4,700 would settle it: holds",
        ),
        ({}, deltas(root=delta_node(n=9, n_clusters=9)), CANT_TELL, "9 cases, too few"),
        ({}, deltas(root=delta_node(n_clusters=4)), CANT_TELL, "too few"),
        ({}, deltas(root=delta_node(verdict="invalid")), ERROR, "not used"),
        ({}, deltas(root=delta_node(verdict="inconclusive")), CANT_TELL, "can't tell"),
        ({}, deltas(sql_table=GUARD_REGRESSION), FAIL, "sql.table: -20.0 pts"),
        ({}, deltas(sql_table=GUARD_UNPROVEN), PASS, "0 regressions, 1 more called worse"),
        ({}, deltas(sql_table=GUARD_WORSE), PASS, "1 more called worse"),
        ({"block_on": "worse"}, deltas(sql_table=GUARD_WORSE), FAIL, "sql.table"),
        ({"critical_nodes": ["sql.table"]}, deltas(sql_table=GUARD_WORSE), FAIL, "sql.table"),
        ({"critical_nodes": ["sql.table"]}, deltas(sql_table=delta_node(**UNSETTLED)), PASS, "+2"),
        (
            {"critical_nodes": ["sql.table"]},
            deltas(sql_table=delta_node(n=3, n_clusters=3)),
            CANT_TELL,
            "sql.table: 3 cases",
        ),
        ({"critical_nodes": ["sql.rows"]}, deltas(), ERROR, "no node 'sql.rows'"),
        ({"must_prove": ["sql.rows"]}, deltas(), ERROR, "no node 'sql.rows'"),
        (
            {"must_prove": ["sql.table"]},
            deltas(sql_table=delta_node(**UNSETTLED)),
            CANT_TELL,
            "sql.table: -3.0 pts",
        ),
        ({"must_prove": ["sql.table"]}, deltas(sql_table=GUARD_UNPROVEN), FAIL, "sql.table"),
        ({}, deltas(sql_table=delta_node(n=3, n_clusters=3)), PASS, "+2.0 pts"),
        ({}, deltas(sql_table=delta_node(**REGRESSION, adjusted_p_regression=None)), ERROR, "None"),
        ({}, deltas(root=delta_node(**{**REGRESSION, "verdict": "better"})), ERROR, "regression"),
        ({}, deltas(root=delta_node(delta=math.nan)), ERROR, "NaN"),
        ({}, deltas(root=delta_node(lo=None)), ERROR, "lo is None"),
        ({}, deltas(root=delta_node(lo=0.5)), ERROR, "lies outside"),
        ({}, deltas(root=delta_node(lo="-inf", verdict="inconclusive")), CANT_TELL, "-inf"),
        ({}, deltas(root=delta_node(verdict="great")), ERROR, "great"),
        ({}, {**deltas(), "nodes": {}}, ERROR, "no node ''"),
        ({}, deltas("saturated"), CANT_TELL, "saturated"),
        ({}, deltas("saturated", root=delta_node(**REGRESSION)), FAIL, "regression"),
        ({}, deltas("expired", root=delta_node(**REGRESSION)), CANT_TELL, "review date"),
        (
            {"anchor": {"checkpoint": "ga", "margin": 0.1}},
            deltas(),
            CANT_TELL,
            "not compared with the anchor ga yet",
        ),
        (
            {"anchor": {"checkpoint": "ga", "margin": 0.1}},
            {**deltas(), "anchor": {"nodes": {"": delta_node(**REGRESSION)}}},
            CANT_TELL,
            "against the anchor ga",
        ),
        (
            {"anchor": {"checkpoint": "ga", "margin": 0.05}},
            {**deltas(), "anchor": {"nodes": {"": delta_node(**REGRESSION)}}},
            FAIL,
            "against the anchor ga",
        ),
    ],
)
def test_eval_no_regression(
    options: dict[str, Any], observed: Any, outcome: Outcome, words: str
) -> None:
    verdict = judged("eval_no_regression", {**PAIR, **options}, observed)
    assert (verdict.outcome, words in verdict.sentence) == (outcome, True), verdict.sentence


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("fresh", PASS),
        ("ageing", PASS),
        ("saturated", FAIL),
        ("expired", CANT_TELL),
        ("mouldy", ERROR),
        (None, ERROR),
    ],
)
def test_eval_fresh(state: Any, outcome: Outcome) -> None:
    observed = {"suite": "sql", "version": 3, "suite_state": state}
    verdict = judged("eval_fresh", {"suite": "sql"}, observed)
    assert verdict.outcome is outcome
