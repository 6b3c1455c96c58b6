"""Cost, latency and quality of several checkpoints on the same cases, with what is uncertain.

Source: `statistics.md` section 7; one joint bootstrap over whole clusters of cases.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from releases.statistics import inputs
from releases.statistics.cr2 import clustered_mean
from releases.statistics.frontier import pareto_frontier
from releases.statistics.inputs import Codes, Floats
from releases.statistics.mean_score import mean_score

N_DRAWS = 1000
DRAWS_AT_ONCE = 50
SURE_ON, SURE_OFF = 0.9, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number with its 95% interval."""

    value: float
    lo: float | None
    hi: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What one checkpoint did on the cases; every checkpoint's cases stand in the same order."""

    scores: Floats
    """Mean score a case in 0..1, NaN when missing, shape (n,)."""
    cases: Codes
    """Position of the case of each answer, shape (a,)."""
    costs: Floats
    """Cost an answer, NaN when unknown, shape (a,)."""
    latencies: Floats
    """Milliseconds an answer, NaN when unknown, shape (a,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizePoint:
    """One checkpoint on the plane of quality, cost and latency."""

    quality: Measure
    cost: Measure | None
    """A call; None when no price or no tokens are known."""
    cost_per_solved: Measure | None
    """Cost by score: what a solved case takes; None as above, or when nothing was solved."""
    p50: Measure | None
    """Median latency, milliseconds."""
    p95: Measure | None
    left_out: str | None
    """The missing axis that keeps it off the frontier; None when it takes part."""
    is_dominated: bool | None
    """Whether another is at least as good on all three and better on one; None when left out."""
    p_frontier: float | None
    """Share of the resamples in which it is on the frontier; None when left out."""

    @property
    def standing(self) -> str:
        """`on`, `off`, `can't tell` or `left out`."""
        if self.p_frontier is None:
            return "left out"
        if self.p_frontier > SURE_ON:
            return "on"
        return "off" if self.p_frontier < SURE_OFF else "can't tell"


def size_frontier(
    answers: Sequence[Answers], cluster: Sequence[Hashable] | None = None, seed: int = 1
) -> list[SizePoint]:
    """Place checkpoints by quality, cost and p95 latency, from answers to the same n cases.

    `cluster` gives one label a case. Quality is CR2-t or Wilson; cost CR2-t; quantiles and cost a
    solved case are percentiles of 1,000 joint resamples. Raises ValueError naming the field.
    """
    if not answers:
        return []
    n = len(answers[0].scores)
    for one in answers:
        inputs.same_length("scores", one.scores, "the first checkpoint's scores", n)
    codes = inputs.cluster_codes("cluster", cluster, n)
    found = [_point(one, cluster) for one in answers]
    drawn = _draws(answers, codes, np.random.default_rng(seed))
    taking_part = [at for at, point in enumerate(found) if point.left_out is None]
    chances = _chances(drawn, taking_part)
    kept = _frontier(found, taking_part)
    return [
        _placed(point, drawn[:, at], at in kept, chances.get(at)) for at, point in enumerate(found)
    ]


def _point(one: Answers, cluster: Sequence[Hashable] | None) -> SizePoint:
    kept = np.flatnonzero(~np.isnan(one.scores))
    if not kept.size:
        raise ValueError("scores: a checkpoint answered no case")
    labels = None if cluster is None else [cluster[i] for i in kept.tolist()]
    quality = mean_score(one.scores[kept], labels)
    cost = _cost(one, cluster)
    p50, p95 = (_quantile(one, q) for q in (0.5, 0.95))
    missing = [name for name, axis in (("cost", cost), ("latency", p95)) if axis is None]
    solved = quality.mean > 0 and cost is not None
    return SizePoint(
        quality=Measure(value=quality.mean, lo=quality.lo, hi=quality.hi),
        cost=cost,
        cost_per_solved=(
            Measure(value=cost.value / quality.mean, lo=None, hi=None) if solved and cost else None
        ),
        p50=p50,
        p95=p95,
        left_out=f"its {' and '.join(missing)} is unknown" if missing else None,
        is_dominated=None,
        p_frontier=None,
    )


def _cost(one: Answers, cluster: Sequence[Hashable] | None) -> Measure | None:
    kept = np.flatnonzero(~np.isnan(one.costs))
    if not kept.size:
        return None
    cases = one.cases[kept].tolist()
    labels = cases if cluster is None else [_label(cluster[case], case) for case in cases]
    found = clustered_mean(one.costs[kept], labels)
    lo = None if found.lo is None else max(0.0, found.lo)
    return Measure(value=found.mean, lo=lo, hi=found.hi)


def _label(cluster: Hashable, case: int) -> Hashable:
    """Repeats of a case belong together even when the case names no cluster."""
    return f"case {case}" if cluster is None else f"cluster {cluster}"


def _quantile(one: Answers, q: float) -> Measure | None:
    known = one.latencies[~np.isnan(one.latencies)]
    if not known.size:
        return None
    return Measure(value=float(np.quantile(known, q, method="inverted_cdf")), lo=None, hi=None)


def _draws(answers: Sequence[Answers], codes: Codes, dice: np.random.Generator) -> Floats:
    """Quality, cost, p50 and p95 of every checkpoint in every resample: (draws, checkpoints, 4)."""
    n_clusters = int(codes.max()) + 1
    found = np.empty((N_DRAWS, len(answers), 4))
    for first in range(0, N_DRAWS, DRAWS_AT_ONCE):
        picked = dice.integers(0, n_clusters, (DRAWS_AT_ONCE, n_clusters))
        counted = np.stack([np.bincount(row, minlength=n_clusters) for row in picked])
        weights = counted[:, codes].astype(np.float64)
        for at, one in enumerate(answers):
            found[first : first + DRAWS_AT_ONCE, at] = _resampled(one, weights)
    return found


def _resampled(one: Answers, weights: Floats) -> Floats:
    of_answers = weights[:, one.cases]
    return np.column_stack(
        [
            _weighted_mean(one.scores, weights),
            _weighted_mean(one.costs, of_answers),
            *_weighted_quantiles(one.latencies, of_answers, (0.5, 0.95)),
        ]
    )


def _weighted_mean(values: Floats, weights: Floats) -> Floats:
    known = ~np.isnan(values)
    total = weights[:, known].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = weights[:, known] @ values[known] / total
    return mean


def _weighted_quantiles(values: Floats, weights: Floats, asked: Sequence[float]) -> list[Floats]:
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        return [np.full(len(weights), np.nan) for _ in asked]
    order = known[np.argsort(values[known], kind="stable")]
    heaped = np.cumsum(weights[:, order], axis=1)
    places = [(heaped >= q * heaped[:, -1:]).argmax(axis=1) for q in asked]
    return [values[order][place] for place in places]


def _chances(drawn: Floats, taking_part: Sequence[int]) -> dict[int, float]:
    counts = dict.fromkeys(taking_part, 0)
    for draw in drawn[:, list(taking_part)][:, :, [0, 1, 3]]:
        cost_down = draw * np.array([-1.0, 1.0, 1.0])
        for place, row in enumerate(cost_down):
            worse = np.all(cost_down <= row, axis=1) & np.any(cost_down < row, axis=1)
            counts[taking_part[place]] += not worse.any()
    return {at: count / len(drawn) for at, count in counts.items()}


def _frontier(found: Sequence[SizePoint], taking_part: Sequence[int]) -> set[int]:
    rows = [
        [point.quality.value, point.cost.value, point.p95.value]
        for at in taking_part
        if (point := found[at]).cost is not None and point.p95 is not None
    ]
    return {taking_part[place] for place in pareto_frontier(rows).frontier} if rows else set()


def _placed(point: SizePoint, drawn: Floats, is_kept: bool, chance: float | None) -> SizePoint:
    quality, cost, p50, p95 = drawn.T
    solved = np.divide(cost, quality, out=np.full_like(cost, np.nan), where=quality > 0)
    return SizePoint(
        quality=point.quality,
        cost=point.cost,
        cost_per_solved=_between(point.cost_per_solved, solved),
        p50=_between(point.p50, p50),
        p95=_between(point.p95, p95),
        left_out=point.left_out,
        is_dominated=None if point.left_out else not is_kept,
        p_frontier=chance,
    )


def _between(measure: Measure | None, drawn: Floats) -> Measure | None:
    if measure is None:
        return None
    known = drawn[~np.isnan(drawn)]
    if not known.size:
        return measure
    lo, hi = np.quantile(known, (0.025, 0.975))
    return Measure(value=measure.value, lo=float(lo), hi=float(hi))
