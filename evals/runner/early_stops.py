"""The looks at runs that may stop early: every few seconds, in one place, on any worker.

A look goes on where the last one ended. What it decides is a function of the results of the run's
first units alone, so it is the same whoever looks, and after any kill.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from evals import components
from evals.models import Result, Run
from evals.selectors import run_orders, runs, scores
from evals.selectors.run_orders import Unit
from evals.services import early_stops
from evals.services.early_stops import Stopped
from evals.states import SCORED
from releases.statistics.verdicts import is_sufficient

if TYPE_CHECKING:
    from releases.statistics.early_stop import NodeUnits

UNITS_AT_ONCE = 500
_SCORED = frozenset(state.value for state in SCORED)
_ANSWER = ("case_id", "state", "score", "components")
_KNOWN: dict[UUID, Looks] = {}


def look_at_all() -> int:
    """Look once at every run under way that may stop early; the number that was decided."""
    open_ids = runs.undecided()
    for gone in set(_KNOWN) - set(open_ids):
        del _KNOWN[gone]
    return sum(look_at(run_id) for run_id in open_ids)


def look_at(run_id: UUID) -> bool:
    """Whether the run is decided by this look."""
    if run_id not in _KNOWN:
        _KNOWN[run_id] = Looks(runs.run_with_id(run_id))
    looks = _KNOWN[run_id]
    looks.go_on()
    stopped = looks.decision()
    return stopped is not None and early_stops.record_early_stop(run_id=run_id, stopped=stopped)


class _Node:
    """One node's cases so far."""

    def __init__(self) -> None:
        self.units, self.lows, self.highs = array("q"), array("d"), array("d")
        self.n_in_all = self.n_units_in_all = self.largest = 0
        self.is_unpaired = False
        """A case counts for the node in this run and not in the other: nothing can be settled."""

    @property
    def is_judged(self) -> bool:
        """Whether the whole suite has enough of it: by size, never by result."""
        return is_sufficient(self.n_in_all, self.n_units_in_all)

    def arrays(self) -> NodeUnits:
        import numpy as np  # only where numbers are made

        from releases.statistics.early_stop import NodeUnits

        return NodeUnits(
            units=np.array(self.units, np.int64),
            lows=np.array(self.lows, np.float64),
            highs=np.array(self.highs, np.float64),
            largest=self.largest,
        )


class Looks:
    """A run that may stop early, paired unit by unit with the run it is held against."""

    def __init__(self, run: Run) -> None:
        self._run = run
        cases = list(run.version.cases.values_list("case_id", "pk", "digest", "cluster"))
        self._pks = {case_id: pk for case_id, pk, _, _ in cases}
        self._units = run_orders.units_of(run, ((case_id, held) for case_id, *_, held in cases))
        keys = {(case_id, digest): case_id for case_id, _, digest, _ in cases}
        self._theirs = _means_by_case(run.stop_early_against, keys)
        self._nodes = self._expected_nodes()
        self._n_units = self._n_cases = 0

    def _expected_nodes(self) -> dict[str, _Node]:
        """Every node of the other run, with its size in the cases that both runs have."""
        nodes: dict[str, _Node] = {}
        for unit in self._units:
            counts: dict[str, int] = {}
            for case_id in unit:
                for label in self._theirs.get(case_id, ()):
                    counts[label] = counts.get(label, 0) + 1
            for label, n in counts.items():
                node = nodes.setdefault(label, _Node())
                node.n_in_all += n
                node.n_units_in_all += 1
                node.largest = max(node.largest, n)
        return nodes

    def go_on(self) -> None:
        """Take in the units that were completed since, up to the first that is not."""
        while self._n_units < len(self._units):
            units = self._units[self._n_units : self._n_units + UNITS_AT_ONCE]
            answers = self._answers(units)
            for unit in units:
                if any(len(answers.get(case_id, ())) < self._run.repeats for case_id in unit):
                    return
                for case_id in unit:
                    self._take(case_id, answers[case_id])
                self._n_units += 1
                self._n_cases += len(unit)

    def _answers(self, units: Sequence[Unit]) -> dict[str, list[Mapping[str, float] | None]]:
        """Each case's scores by node, one a repeat; None where a repeat has none."""
        names = {self._pks[case_id]: case_id for unit in units for case_id in unit}
        rows = Result.objects.filter(run=self._run, case__in=names).order_by()
        found: dict[str, list[Mapping[str, float] | None]] = {}
        for pk, state, score, shares in rows.values_list(*_ANSWER):
            scored = scores.node_scores(score, shares) if state in _SCORED else None
            found.setdefault(names[pk], []).append(scored)
        return found

    def _take(self, case_id: str, answers: Sequence[Mapping[str, float] | None]) -> None:
        theirs = self._theirs.get(case_id)
        if theirs is None:
            return
        for label in {label for scored in answers if scored for label in scored} - set(theirs):
            self._nodes.setdefault(label, _Node()).is_unpaired = True
        for label, mean in theirs.items():
            held = [scored[label] for scored in answers if scored and label in scored]
            worst = sum(held) / len(answers)
            best = worst + (len(answers) - len(held)) / len(answers)
            is_lost = mean != mean
            node = self._nodes[label]
            node.units.append(self._n_units)
            node.lows.append(worst - (1.0 if is_lost else mean))
            node.highs.append(best - (0.0 if is_lost else mean))

    def decision(self) -> Stopped | None:
        """What ended it; None while a node is open."""
        from releases.statistics.early_stop import settled_after  # SciPy

        judged = {label: node for label, node in self._nodes.items() if node.is_judged}
        if not judged or any(node.is_unpaired for node in self._nodes.values()):
            return None
        arrays = {label: node.arrays() for label, node in judged.items()}
        margin = self._run.stop_margin
        n_units = settled_after(arrays, margin)
        if n_units is None:
            return None
        return Stopped(
            n_units=n_units,
            n_units_in_all=len(self._units),
            n_cases=sum(len(unit) for unit in self._units[:n_units]),
            nodes=[
                _node_told(label, arrays.get(label), n_units, margin)
                for label in components.tree(self._nodes)
            ],
        )


def _node_told(label: str, node: NodeUnits | None, n_units: int, margin: float) -> dict[str, Any]:
    from dataclasses import asdict

    from releases.statistics.early_stop import node_at  # SciPy

    if node is None:
        empty = dict.fromkeys(("n", "n_units", "delta", "lo", "hi"))
        return {"node": label, **empty, "verdict": "insufficient"}
    told = asdict(node_at(node, n_units, margin))
    return {"node": label, **told, "verdict": told["verdict"].value}


def _means_by_case(run: Run, keys: Mapping[tuple[str, str], str]) -> dict[str, dict[str, float]]:
    """Case id -> node -> the run's mean score, NaN when missing; of the cases in `keys` alone."""
    table = scores.score_table(run)
    names = [keys.get(key) for key in table.keys.keys()]
    found: dict[str, dict[str, float]] = {name: {} for name in names if name is not None}
    for label in table.nodes:
        node = table.at(label)
        for place, mean in zip(node.cases.tolist(), node.means().tolist(), strict=True):
            name = names[place]
            if name is not None:
                found[name][label] = mean
    return found
