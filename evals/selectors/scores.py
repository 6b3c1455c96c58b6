"""Scores of a run per case and node, as the statistics take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evals import components, graders
from evals.graders import external
from evals.models import Case, Result, Run, RunScores, SuiteVersion
from evals.selectors.suites import graded_case
from evals.states import SCORED

if TYPE_CHECKING:
    from evals.score_tables import CaseKeys, ScoreTable
    from releases.statistics.means import NodeMean

_SCORED = frozenset(state.value for state in SCORED)
_ANSWER = ("case_id", "state", "score", "components", "cost_micros", "latency_ms")


def node_scores(score: float, shares: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """A result's score at every node it counts for; the root's is the graders' own."""
    rolled = components.roll_up({label: share["score"] for label, share in shares.items()})
    return {**rolled, components.ROOT: score}


def score_table(run: Run) -> ScoreTable:
    """The completed run's scores as they are kept; from its results when they are not yet."""
    from evals import score_tables  # NumPy: only where numbers are made

    kept = RunScores.objects.filter(pk=run.pk).values_list("packed", flat=True).first()
    return score_tables.unpack(kept) if kept is not None else read_table(run)


def read_table(run: Run) -> ScoreTable:
    """The run's scores from its results, one pass over them."""
    from evals.score_tables import Gathering  # NumPy: only where numbers are made

    fields = ("pk", "case_id", "digest", "cluster")
    cases = list(run.version.cases.order_by("position").values_list(*fields))
    places = {pk: place for place, (pk, *_) in enumerate(cases)}
    gathered = Gathering()
    scored: dict[Any, set[str]] = {}
    rows = Result.objects.filter(run=run).order_by("case_id", "repeat")
    for pk, state, score, shares, cost, latency in rows.values_list(*_ANSWER).iterator():
        gathered.answered(places[pk], cost, latency)
        if state in _SCORED:
            nodes = node_scores(score, shares)
            scored.setdefault(pk, set()).update(nodes)
            gathered.scored(places[pk], nodes)
    return gathered.table(_keys(cases), _missing_nodes(run.version, places, scored))


def _missing_nodes(
    version: SuiteVersion, places: Mapping[Any, int], scored: Mapping[Any, set[str]]
) -> dict[int, set[str]]:
    """The nodes that cases count for and have no score at, by place.

    An answer may be scored by one grader and not by another, or lack a number in a tool's log.
    """
    leaves_gaps = len(version.graders) > 1 or any(
        spec["type"] == external.KIND for spec in version.graders
    )
    own = (
        set()
        if leaves_gaps
        else set(version.cases.exclude(graders=[]).values_list("pk", flat=True))
    )
    wanted = [pk for pk in places if leaves_gaps or pk in own or pk not in scored]
    found = {}
    for pk, case in Case.objects.in_bulk(wanted).items():
        nodes = expected_nodes(case, version.graders) - scored.get(pk, set())
        if nodes:
            found[places[pk]] = nodes
    return found


def _keys(cases: Sequence[tuple[Any, str, str, str]]) -> CaseKeys:
    from evals.score_tables import CaseKeys  # NumPy: only where numbers are made

    return CaseKeys(
        case_ids=[case_id for _, case_id, _, _ in cases],
        digests=[digest for _, _, digest, _ in cases],
        clusters=[cluster or None for *_, cluster in cases],
    )


def expected_nodes(case: Case, specs: Sequence[Mapping[str, Any]]) -> set[str]:
    """The nodes that a case would count for, had it been answered."""
    graded = graded_case(case)
    labels = {
        label
        for spec in graders.of_case(specs, graded)
        for label in graders.check_case(spec, graded)
    }
    return set(components.tree(labels))


def node_means(run: Run, confidence: float = 0.95) -> dict[str, NodeMean]:
    """The run's mean on every node, with its interval."""
    return table_means(score_table(run), run.version.suite.name, confidence)


def table_means(table: ScoreTable, suite: str, confidence: float = 0.95) -> dict[str, NodeMean]:
    """The mean on every node of those scores, with its interval."""
    from releases.statistics.means import ScoredTable, mean_tables  # SciPy

    nodes = {}
    for node in table.nodes:
        found = table.at(node)
        nodes[node] = ScoredTable(
            scores=found.means(),
            clusters=table.node_clusters(node),
            has_repeats=bool((found.counts > 1).any()),
        )
    return mean_tables(nodes, suite_name=suite, confidence=confidence)
