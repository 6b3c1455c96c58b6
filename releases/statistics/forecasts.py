"""What was predicted against what then happened: does a kind of evidence keep its promises?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from releases.statistics import checks
from releases.statistics.failure_rates import failure_rate

MIN_PROMOTIONS = 5
NOMINAL = 0.95
# Intervals that miss this often are not worth their name; a little more than 5% is approximation.
MOST_MISSES = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One prediction beside its observation."""

    agrees: bool
    """The difference of both, with the noise of both, may be zero."""
    inside: bool
    """The observed value lies inside the predicted interval; its own noise is left out."""
    factor: float
    """How many times too high or too low it was; 1 is exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindScore:
    """How far one kind of evidence was right, over all promotions observed so far."""

    kind: str
    n: int
    n_promotions: int
    coverage: float
    """Share of predictions that agree with what was observed."""
    lo: float
    hi: float
    inside: float
    """Share of observed values inside the predicted interval itself."""
    median_factor: float
    keeps_missing: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """One row a kind, in the order of their names."""

    kinds: list[dict[str, Any]]


def match_forecast(
    predicted: Sequence[float], observed: Sequence[float], n_predicted: int, n_observed: int
) -> Match:
    """Return how a prediction [value, lo, hi] fits an observation [value, lo, hi], all in 0..1.

    They agree when the interval of their difference holds 0: it is put together from both
    intervals, each side's distance squared (MOVER). The factor is max(o/p, p/o); where either is
    0, both are read as (x + 1/2) / (n + 1). Raises ValueError naming the field.
    Source: Newcombe 1998, method 10; Zou and Donner 2008.
    """
    p, p_lo, p_hi = _interval("predicted", predicted)
    o, o_lo, o_hi = _interval("observed", observed)
    below = (o - p) - math.hypot(o - o_lo, p_hi - p)
    above = (o - p) + math.hypot(o_hi - o, p - p_lo)
    return Match(
        agrees=below <= 0 <= above,
        inside=p_lo <= o <= p_hi,
        factor=_factor(p, o, n_predicted, n_observed),
    )


def _interval(field: str, given: Sequence[float]) -> tuple[float, float, float]:
    values = checks.listed(field, given)
    if len(values) != 3:
        raise ValueError(f"{field}: must be [value, lo, hi], got {len(values)} numbers")
    value, lo, hi = (checks.number(field, one, at_least=0.0, at_most=1.0) for one in values)
    if not lo <= value <= hi:
        raise ValueError(f"{field}: {value:g} is not inside {lo:g}..{hi:g}")
    return value, lo, hi


def _factor(p: float, o: float, n_predicted: Any, n_observed: Any) -> float:
    n_p = checks.count("n_predicted", n_predicted, at_least=1)
    n_o = checks.count("n_observed", n_observed, at_least=1)
    if p == 0 or o == 0:
        p, o = (p * n_p + 0.5) / (n_p + 1), (o * n_o + 0.5) / (n_o + 1)
    return max(p / o, o / p)


def forecast_ledger(rows: Sequence[Mapping[str, Any]], confidence: float = 0.95) -> Ledger:
    """Return one score a kind from rows {kind, promotion, agrees, inside, factor}.

    The interval of the coverage is that of the misses, clustered by promotion where one made
    several predictions of the kind. A kind keeps missing when at least five promotions were
    observed and the lower end of its share of misses lies above 10%. Raises ValueError naming
    the field.
    """
    level = checks.confidence_level(confidence)
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for at, row in enumerate(checks.listed("rows", rows)):
        kinds.setdefault(_checked(f"rows[{at}]", row)["kind"], []).append(row)
    scores = [_score(kind, kinds[kind], level) for kind in sorted(kinds)]
    return Ledger(kinds=[{f: getattr(s, f) for f in KindScore.__slots__} for s in scores])


def _checked(field: str, row: Any) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise ValueError(f"{field}: must be an object, got {checks.shown(row)}")
    for name in ("kind", "promotion"):
        if not isinstance(row.get(name), str) or not row[name]:
            raise ValueError(f"{field}.{name}: must be a text that is not empty")
    for name in ("agrees", "inside"):
        if not isinstance(row.get(name), bool):
            raise ValueError(f"{field}.{name}: must be true or false")
    checks.number(f"{field}.factor", row.get("factor"), at_least=1.0)
    return row


def _score(kind: str, rows: Sequence[Mapping[str, Any]], level: float) -> KindScore:
    promotions = [row["promotion"] for row in rows]
    n_promotions = len(set(promotions))
    missed = [0.0 if row["agrees"] else 1.0 for row in rows]
    cluster = None if n_promotions == len(rows) else promotions
    misses = failure_rate(missed, cluster, level)
    factor = float(median(float(row["factor"]) for row in rows))
    keeps_missing = n_promotions >= MIN_PROMOTIONS and misses.lo > MOST_MISSES
    n_agree = len(rows) - int(sum(missed))
    return KindScore(
        kind=kind,
        n=len(rows),
        n_promotions=n_promotions,
        coverage=1 - misses.rate,
        lo=1 - misses.hi,
        hi=1 - misses.lo,
        inside=sum(row["inside"] for row in rows) / len(rows),
        median_factor=factor,
        keeps_missing=keeps_missing,
        sentence=_sentence(n_agree, n_promotions, misses.hi, misses.lo, factor, len(rows)),
    )


def _sentence(
    n_agree: int, n_promotions: int, most: float, least: float, factor: float, n: int
) -> str:
    range_of = f"{100 * (1 - most):.3g}..{100 * (1 - least):.3g}%"
    seen = (
        f"{n_agree} of {n} forecasts held over {n_promotions} "
        f"promotion{'' if n_promotions == 1 else 's'} ({range_of}, "
        f"{100 * NOMINAL:.0f}% promised), off by {factor:.2g}x in the middle"
    )
    if n_promotions < MIN_PROMOTIONS:
        return f"{seen}: too few promotions to judge, {MIN_PROMOTIONS} are needed."
    if least > MOST_MISSES:
        return f"{seen}: these forecasts keep missing, weigh them with care."
    return f"{seen}: no sign that they keep missing."
