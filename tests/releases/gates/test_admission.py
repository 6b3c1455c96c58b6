"""No combination of missing, NaN, empty, timed-out, errored or unknown evidence admits.

Every kind of the registry starts from evidence that passes; then parts of it are dropped, emptied,
or replaced by what no source promises.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from releases.gates.registry import BUILT_IN
from releases.states import ADMITTING, Outcome
from tests.releases.gates.live_shapes import (
    alike,
    arms,
    costs,
    exposed,
    finding,
    findings,
    found,
    interval,
    mode,
    money,
    rate,
    slow,
    votes,
)
from tests.releases.gates.shapes import (
    NOW,
    UNSETTLED,
    delta_node,
    deltas,
    judged,
    mean_node,
    means,
)

DROPPED = object()
FAULTS = (DROPPED, None, math.nan, math.inf, -math.inf, "", "unheard-of", [], {}, True, [None])
Path = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Evidence that passes.

    `shown`: keys that no verdict rests on. `optional`: null is known. `harmless`: what takes
    nothing away that the verdict rests on.
    """

    kind: str
    options: dict[str, Any]
    observed: Any
    shown: frozenset[str] = field(default_factory=frozenset)
    optional: frozenset[str] = field(default_factory=frozenset)
    harmless: Sequence[tuple[Path, Any]] = ()


EVAL_SHOWN = frozenset(
    "run_id candidate_run baseline_run p_regression p_worse adjusted_p_regression adjusted_p_worse "
    "mde cases_to_settle sentence n_unmatched n_errored reason doubt is_hopeless".split()
)
PAIR: dict[str, Any] = {"suite": "sql", "baseline": {"stage": "production"}}
BETTER = delta_node(0.1, 0.05, 0.15, "better", p_better=0.001)
ANCHORED = {**deltas(), "anchor": {"nodes": {"": delta_node()}}}
TWICE = {"ratio_at_most": 2.0}
LIVE_OPTIONAL = frozenset({"running", "until", "quantiles", "dispersion", "controlled"})
FASTER = arms([[100, 2000, 60, 2000]], interval(0.39, 0.87, 0.59))
SAID = [
    {"person": "Ann", "yes": True, "comment": "", "answered_at": NOW.isoformat()},
]
ARTIFACT = {
    "n_files": 1,
    "n_bytes": 7,
    "problems": [],
    "deployments": [{"name": "m at http://up/v1", "identity": "verified"}],
}


def live(kind: str, options: dict[str, Any], observed: Any, *shown: str) -> Case:
    return Case(
        kind=kind,
        options=options,
        observed=observed,
        shown=frozenset(shown),
        optional=LIVE_OPTIONAL,
    )


def evals(
    kind: str, options: dict[str, Any], observed: Any, *shown: str, harmless: Any = ()
) -> Case:
    return Case(
        kind=kind,
        options=options,
        observed=observed,
        shown=EVAL_SHOWN | {*shown},
        harmless=harmless,
    )


CASES = [
    Case(kind="artifact", options={}, observed=ARTIFACT),
    evals("eval_floor", {"suite": "sql", "at_least": 0.6}, means()),
    evals(
        "eval_floor",
        {"suite": "sql", "at_least": 0.6, "critical_nodes": ["sql.table"]},
        means(sql_table=mean_node()),
    ),
    evals("eval_no_regression", {**PAIR, "margin": 0.05}, deltas()),
    evals(
        "eval_no_regression",
        {**PAIR, "margin": 0.05, "must_prove": ["sql.table"]},
        deltas(sql_table=delta_node()),
    ),
    evals(
        "eval_no_regression",
        {**PAIR, "margin": 0.05, "anchor": {"checkpoint": "ga", "margin": 0.05}},
        ANCHORED,
    ),
    evals("eval_improvement", PAIR, deltas(root=BETTER), "p_better"),
    evals(
        "eval_improvement",
        {**PAIR, "nodes": ["sql.table", "sql.rows"], "must_prove": ["sql.table"]},
        deltas(sql_table=BETTER, sql_rows=delta_node(**UNSETTLED, p_better=0.9)),
        # The whole suite is not named here.
        "",
        harmless=[
            (("nodes", "sql.rows", "lo"), -math.inf),
            (("nodes", "sql.rows", "hi"), math.inf),
        ],
    ),
    evals("eval_fresh", {"suite": "sql"}, {"suite": "sql", "version": 3, "suite_state": "fresh"}),
    Case(
        kind="soak",
        options={"stage": "internal", "soak": "2d"},
        observed={"stages": {"internal": {"longest_s": 172800.0, "since": None}}},
    ),
    Case(
        kind="soak",
        options={"stage": "internal", "soak": "2d"},
        observed={
            "stages": {
                "internal": {"longest_s": 0.0, "since": (NOW - timedelta(days=2)).isoformat()}
            }
        },
    ),
    Case(kind="sign_off", options={"role": "r", "question": "q?"}, observed={"answers": SAID}),
    Case(kind="manual", options={"question": "q?"}, observed={"answers": SAID}),
    live("exposure", {"partners": 3, "days": 4, "requests": 9000}, exposed()),
    live("error_rate", TWICE, alike()),
    Case(
        kind="error_rate",
        options=TWICE,
        observed=alike(running={"lo": 0.4, "hi": 1.9}),
        # One of the two says nothing yet, the other still excludes the limit.
        harmless=[(("running", "hi"), math.inf), (("interval", "hi"), math.inf)],
        optional=LIVE_OPTIONAL,
    ),
    live("error_rate", TWICE, alike(unit="partner")),
    live("error_rate", {"at_most": 0.02}, rate(20, 4000, 0.0016, 0.0113), "p_always_valid"),
    live("feedback_rate", {"counts": "thumbs_down", **TWICE}, alike()),
    live(
        "feedback_rate",
        {"counts": "confirmed_findings", **TWICE},
        findings((20, 20000, 20, 20000), 0.510615, 1.958424, 1.0),
        "p_always_valid",
    ),
    live(
        "feedback_rate",
        {"counts": "confirmed_findings", "at_most_per_1000": 1.5},
        findings((7, 12000, 0, 0), 0.23453, 1.20189, 7 / 12),
        "p_always_valid",
        "baseline_arm",
        "count0",
        "exposure0",
    ),
    live("latency", {"ratio_at_most": 1.1}, slow(FASTER), "p50", "p95", "p99", "quantiles"),
    live(
        "latency",
        {"at_most_ms": 900},
        slow(rate(60, 4000, 0.011, 0.021, 0.05), 900, quantiles=None),
        "p_always_valid",
        "quantiles",
    ),
    live("cost", {"ratio_at_most": 1.1}, costs(0.0, 0.048)),
    live("cost", {"at_most_micros": 120}, money(100.0, 2.4), "p_always_valid"),
    live("open_findings", {"none_open_at_or_above": "major"}, found(), "open"),
    live(
        "open_findings",
        {"none_open_at_or_above": "major"},
        found(
            open=[finding("minor")],
            closed_by_owner=[finding("minor")],
            unconfirmed=[finding("minor")],
        ),
        *("id", "title", "state", "unconfirmed", "open", "closed_by_owner"),
    ),
    live("preference", PAIR, votes(0.54, 0.508, 0.57)),
    live(
        "preference",
        {**PAIR, "method": "bradley_terry"},
        votes(0.2, 0.05, 0.35, method="bradley_terry", controlled={"score": 0, "lo": -1, "hi": 1}),
        "controlled",
    ),
    live("replay", {"at_most": 0.03, "modes": {"loops": 0.9}}, {"modes": [mode(), mode("loops")]}),
]
IDS = [f"{case.kind}-{at}" for at, case in enumerate(CASES)]
# Text that only names something: another text is as good.
NAMES = frozenset(
    "suite candidate baseline name person comment baseline_arm partner title id state mode "
    "checkpoint closed_by reporter".split()
)


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in the evidence, the root left out."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def is_harmless(case: Case, path: Path, fault: Any) -> bool:
    """Whether the evidence says the same, or as much as it has to, with this in its place."""
    if isinstance(fault, float) and math.isnan(fault):
        return False
    before, key = at(case.observed, path), path[-1]
    if type(before) is type(fault) and before == fault:
        return True
    if case.shown & {*path}:
        return True
    if fault is DROPPED and path[:-1] in (("strata",), ("modes",)):
        # Another list: that it belongs to the interval is told by making the interval again.
        return True
    if (path, fault) in case.harmless:
        return True
    if key in case.optional and fault is None:
        return True
    if fault == "unheard-of" and key in NAMES:
        return True
    return fault == "" and key == "comment"


def spoilt(observed: Any, changes: Sequence[tuple[Path, Any]]) -> Any:
    """A copy with every change that still has its place."""
    made = copy.deepcopy(observed)
    for path, fault in changes:
        try:
            parent = at(made, path[:-1])
            if fault is DROPPED:
                del parent[path[-1]]
            else:
                parent[path[-1]] = copy.deepcopy(fault)
        except (KeyError, IndexError, TypeError):
            continue
    return made


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_evidence_passes_as_it_is(case: Case) -> None:
    verdict = judged(case.kind, case.options, case.observed)
    assert verdict.outcome is Outcome.PASS, verdict.sentence


def test_every_kind_is_covered() -> None:
    assert {case.kind for case in CASES} == {rule.kind for rule in BUILT_IN}


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_no_single_fault_admits(case: Case) -> None:
    admitted = [
        (path, fault)
        for path in paths(case.observed)
        for fault in FAULTS
        if not is_harmless(case, path, fault)
        and judged(case.kind, case.options, spoilt(case.observed, [(path, fault)])).outcome
        in ADMITTING
    ]
    assert not admitted


@st.composite
def faulty(draw: st.DrawFn) -> tuple[Case, list[tuple[Path, Any]]]:
    case = draw(st.sampled_from(CASES))
    places = list(paths(case.observed))
    changes = draw(
        st.lists(
            st.tuples(st.sampled_from(places), st.sampled_from(FAULTS)), min_size=1, max_size=4
        )
    )
    return case, changes


@settings(max_examples=1500, deadline=None)
@given(faulty())
def test_no_combination_of_faults_admits(drawn: tuple[Case, list[tuple[Path, Any]]]) -> None:
    case, changes = drawn
    observed = spoilt(case.observed, changes)
    last = dict(changes)
    harmful = [path for path, fault in last.items() if not is_harmless(case, path, fault)]
    # A later change may undo an earlier one from above, or a drop may move what follows in a list.
    kept = [p for p in harmful if not any(p[: len(q)] == q for q in last if q != p)]
    assume(kept and not any(fault is DROPPED and isinstance(p[-1], int) for p, fault in changes))
    verdict = judged(case.kind, case.options, observed)
    assert verdict.outcome not in ADMITTING, verdict.sentence


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize(
    ("observed", "evidence", "outcome"),
    [
        (None, {}, Outcome.INCONCLUSIVE),
        (None, {"missing": "no run yet."}, Outcome.INCONCLUSIVE),
        (..., {"missing": "half of it is not there yet."}, Outcome.INCONCLUSIVE),
        (None, {"problem": "timed out after 30 s."}, Outcome.ERROR),
        (..., {"problem": "timed out after 30 s."}, Outcome.ERROR),
        ({}, {}, Outcome.ERROR),
        ([], {}, Outcome.ERROR),
        ("pass", {}, Outcome.ERROR),
        (7, {}, Outcome.ERROR),
    ],
)
def test_no_evidence_as_a_whole_admits(
    case: Case, observed: Any, evidence: dict[str, str], outcome: Outcome
) -> None:
    seen = case.observed if observed is ... else observed
    assert judged(case.kind, case.options, seen, **evidence).outcome is outcome
