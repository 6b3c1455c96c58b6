"""What live gates and guardrails are told, made from closed batches. Pure but for NumPy.

The shapes are those of `docs/gates.md`; an interval is computed here once and recorded beside the
counts that it was made from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from alpha.live import ArmCounts, Batch
from releases.gates.live_options import LiveTerms
from releases.statistics.mean_sequence import mean_difference_sequence, mean_sequence
from releases.statistics.rate_sequence import quantile_sequence, rate_sequence
from releases.statistics.ratio_sequence import odds_ratio_looks, odds_ratio_sequence

Observed = dict[str, Any]
Event = Callable[[ArmCounts], tuple[int, int]]
"""Events and units of an arm."""
# Costs are whole micro-units, so that of requests which all cost the same is known no better.
ROUNDING_SD = 1 / math.sqrt(12)
SHOWN_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def errors(arm: ArmCounts) -> tuple[int, int]:
    return arm.n_errors, arm.n


def downs(arm: ArmCounts) -> tuple[int, int]:
    return arm.n_downs, arm.n


def slow(arm: ArmCounts) -> tuple[int, int]:
    return arm.n_slow, arm.n_timed


def ratio(batches: Sequence[Batch], event: Event, null_ratio: float, confidence: float) -> Observed:
    """Strata of both arms, the interval of their odds ratio, and what all looks leave of it.

    A late batch without an event says nothing and would count its units again. `again` are the
    units of the late strata, which stand in the strata of their own batches too.
    """
    strata, again = [], [0, 0]
    for batch in batches:
        (x0, n0), (x1, n1) = event(batch.arm(0)), event(batch.arm(1))
        if not batch.compares or (batch.age and not x0 + x1):
            continue
        strata.append([x0, n0, x1, n1])
        if batch.age:
            again = [again[0] + n0, again[1] + n1]
    return {
        "strata": strata,
        "again": again,
        "interval": _odds(strata, null_ratio, confidence),
        "running": _looks(strata, confidence),
    }


def _odds(strata: list[list[int]], null_ratio: float, confidence: float) -> Observed:
    if not strata:
        return {"lo": 0.0, "hi": math.inf, "estimate": None, "p_always_valid": 1.0}
    found = odds_ratio_sequence(strata, null_ratio, confidence)
    return {
        "lo": found.lo,
        "hi": found.hi,
        "estimate": found.estimate,
        "p_always_valid": found.p_always_valid,
    }


def _looks(strata: list[list[int]], confidence: float) -> Observed | None:
    if len(strata) < 2:
        return None
    found = odds_ratio_looks(strata, confidence)
    return {"lo": found.lo, "hi": found.hi}


def bound(batches: Sequence[Batch], event: Event, limit: float, terms: LiveTerms) -> Observed:
    """The checkpoint's own rate against a limit; late events are of units counted before."""
    x = sum(event(batch.arm(1))[0] for batch in batches)
    n = sum(event(batch.arm(1))[1] for batch in batches if not batch.age)
    given = {"x": x, "n": n, "p_star": limit, "n_opt": terms.expected_units}
    lo, hi = 0.0, 1.0
    if n:
        found = rate_sequence(**given, confidence=terms.confidence)  # type: ignore[arg-type]
        lo, hi = found.lo, found.hi
    estimate = x / n if n else None
    return {
        "bound": given,
        "interval": {"lo": lo, "hi": hi, "estimate": estimate, "p_always_valid": None},
        "running": None,
    }


def split(batches: Iterable[Batch], waiting: dict[tuple[int, int], int], share: int) -> Observed:
    """Units per arm against the shares that were set while they came; `share` before any."""
    seen = dict(waiting)
    for batch in batches:
        if batch.compares and not batch.age:
            for arm in (0, 1):
                key = (batch.share, arm)
                seen[key] = seen.get(key, 0) + batch.arm(arm).n
    counts = [sum(n for (_, arm), n in seen.items() if arm == wanted) for wanted in (0, 1)]
    total = sum(counts)
    weighted = sum(percent * n for (percent, _), n in seen.items())
    expected = weighted / total / 100 if total else share / 100
    return {"counts": counts, "expected_share": [1 - expected, expected]}


def is_by_partner(batches: Sequence[Batch]) -> bool:
    """Whether every partner's units are in one arm alone, and both arms have some."""
    arms: dict[Any, set[int]] = {}
    for batch in batches:
        if batch.compares and not batch.age:
            seen = {arm for arm in (0, 1) if batch.arm(arm).n}
            arms.setdefault(batch.partner_id, set()).update(seen)
    return len(set().union(*arms.values())) == 2 and all(len(seen) == 1 for seen in arms.values())


def quantiles(values: Sequence[float], terms: LiveTerms) -> Observed | None:
    """Latency in milliseconds as a person reads it; None without a value."""
    if not values:
        return None
    found = {
        name: quantile_sequence(values, q, terms.expected_units, terms.confidence)
        for name, q in SHOWN_QUANTILES.items()
    }
    return {name: [ends.lo, ends.hi] for name, ends in found.items()}


def cost_ratio(batches: Sequence[Batch], terms: LiveTerms) -> Observed:
    """Logarithms of a unit's mean cost per request, compared within strata alone.

    Each stratum weighs n0 n1 / (n0 + n1), so that no partner's price of a request can pass for the
    checkpoint's. The deviations are those of the weighted means times the root of the units, so
    that the method's formula gives the stratified standard error.
    """
    pairs = [
        (batch.arm(0), batch.arm(1))
        for batch in batches
        if batch.compares and batch.arm(0).n_priced and batch.arm(1).n_priced
    ]
    weights = [a.n_priced * b.n_priced / (a.n_priced + b.n_priced) for a, b in pairs]
    arms = [_log_mean([pair[arm] for pair in pairs], weights) for arm in (0, 1)]
    (mean0, sd0, n0), (mean1, sd1, n1) = arms
    given = {"mean1": mean1, "sd1": sd1, "n1": n1, "mean0": mean0, "sd0": sd0, "n0": n0}
    given["n_opt"] = terms.expected_units
    interval: Observed = {"lo": None, "hi": None, "estimate": None, "p_always_valid": None}
    if mean0 is not None and mean1 is not None and sd0 is not None and sd1 is not None:
        found = mean_difference_sequence(**given, confidence=terms.confidence)  # type: ignore[arg-type]
        interval = {
            "lo": found.lo,
            "hi": found.hi,
            "estimate": mean1 - mean0,
            "p_always_valid": found.p_always_valid,
        }
    return {**given, "interval": interval, "running": None}


def _log_mean(
    arms: Sequence[ArmCounts], weights: Sequence[float]
) -> tuple[float | None, float | None, int]:
    """The weighted mean, its deviation as `cost_ratio` says, and the units; None: too few."""
    n, total = sum(arm.n_priced for arm in arms), math.fsum(weights)
    if not arms:
        return None, None, 0
    means = [arm.log_cost_sum / arm.n_priced for arm in arms]
    mean = math.fsum(w * m for w, m in zip(weights, means, strict=True)) / total
    if n <= len(arms):
        return mean, None, n
    within = math.fsum(
        max(0.0, arm.log_cost_squares - arm.n_priced * m * m)
        for arm, m in zip(arms, means, strict=True)
    )
    spread = math.fsum(w * w / arm.n_priced for w, arm in zip(weights, arms, strict=True))
    variance = max(within / (n - len(arms)), (ROUNDING_SD / math.exp(mean)) ** 2)
    return mean, math.sqrt(variance * n * spread) / total, n


def cost_bound(batches: Sequence[Batch], terms: LiveTerms) -> Observed:
    """A unit's mean cost per request in micro-units, on the plain scale."""
    arms = [batch.arm(1) for batch in batches]
    n = sum(arm.n_priced for arm in arms)
    mean = math.fsum(arm.cost_sum for arm in arms) / n if n else None
    sd = None
    if mean is not None and n > 1:
        squares = math.fsum(arm.cost_squares for arm in arms) - n * mean * mean
        sd = max(math.sqrt(max(0.0, squares) / (n - 1)), ROUNDING_SD)
    given = {"mean": mean, "sd": sd, "n": n, "n_opt": terms.expected_units}
    lo = hi = None
    if mean is not None and sd is not None:
        found = mean_sequence(**given, confidence=terms.confidence)  # type: ignore[arg-type]
        lo, hi = found.lo, found.hi
    return {
        "bound": given,
        "interval": {"lo": lo, "hi": hi, "estimate": mean, "p_always_valid": None},
        "running": None,
    }
