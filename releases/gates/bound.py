"""One rate against a fixed limit, without a baseline: the anytime-valid interval. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releases.gates import live, reading
from releases.gates.live import Interval, Span, Unusable
from releases.gates.live_options import LiveTerms, live_terms
from releases.gates.live_verdict import (
    Live,
    bound_clause,
    bound_verdict,
    counted,
    more_of,
    reading_of,
    unusable,
)
from releases.statistics.live_planning import units_to_clear
from releases.statistics.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Events in units, the interval of their rate, and what it is held to."""

    name: str
    x: int
    n: int
    limit: float
    limit_text: str
    interval: Interval
    terms: LiveTerms
    span: Span
    note: str


def read_bound(
    name: str,
    options: Mapping[str, Any],
    observed: Mapping[str, Any],
    now: datetime,
    limit: float,
    limit_text: str = "",
    note: str = "",
) -> Live:
    """The candidate's rate against `limit`, a share; BadEvidence for what has not the shape."""
    terms = live_terms(options)
    try:
        unit, span = live.unit_of(observed, terms.per), live.span_of(observed, now)
        x, n = _counts(reading.table(observed, "bound"), limit, terms)
        interval = _interval(observed, x, n)
        few_partners = live.too_few_partners(observed, unit)
    except Unusable as why:
        return unusable(name, why)
    if few_partners:
        return reading_of(Verdict.INSUFFICIENT, f"{name}: {few_partners}", code="too_few_partners")
    return _judged(
        _Seen(
            name=name,
            x=x,
            n=n,
            limit=limit,
            limit_text=limit_text or percent(limit),
            interval=interval,
            terms=terms,
            span=span,
            note=note,
        )
    )


def percent(share: float) -> str:
    """A share as per cent with three digits."""
    return f"{100 * share:.3g}%"


def _counts(bound: Mapping[str, Any], limit: float, terms: LiveTerms) -> tuple[int, int]:
    x, n = reading.count(bound, "x"), reading.count(bound, "n")
    if x > n:
        raise reading.BadEvidence(f"bound has {x} events in {n} units")
    p_star, n_opt = reading.number(bound, "p_star"), reading.count(bound, "n_opt")
    # An interval tuned after the first look holds at no look.
    if not math.isclose(p_star, limit, rel_tol=1e-9) or n_opt != terms.expected_units:
        raise reading.BadEvidence(
            f"bound is tuned for {p_star:g} at {n_opt} units, where the gate says {limit:g} at "
            f"{terms.expected_units}"
        )
    return x, n


def _interval(observed: Mapping[str, Any], x: int, n: int) -> Interval:
    recorded = reading.table(observed, "interval")
    interval = live.interval_of(observed, 0.0, 1.0)
    if interval is None:
        raise reading.BadEvidence("interval: a rate has 0..1 when nothing is known")
    lo, hi = reading.number(recorded, "lo"), reading.number(recorded, "hi")
    if n == 0 and (lo > 0 or hi < 1):
        raise reading.BadEvidence("interval: without a unit it is 0..1")
    estimate = reading.number_or_none(recorded, "estimate")
    if n and (estimate is None or not math.isclose(estimate, x / n, rel_tol=1e-6, abs_tol=1e-12)):
        raise reading.BadEvidence(f"interval: estimate is {estimate}, {x} of {n} were counted")
    if n and not lo - 1e-9 <= x / n <= hi + 1e-9:
        raise reading.BadEvidence(f"interval: {x} of {n} lies outside {lo:g}..{hi:g}")
    return interval


def _judged(seen: _Seen) -> Live:
    verdict = bound_verdict(seen.interval, seen.limit)
    if seen.n < seen.terms.min_units and verdict is not Verdict.REGRESSION:
        verdict = Verdict.INSUFFICIENT
    numbers = f"none of {counted(0, seen.terms.per)} yet"
    if seen.n:
        level = f"{100 * seen.terms.confidence:.4g}% anytime range"
        lo, hi = 100 * seen.interval.lo, 100 * seen.interval.hi
        counts = f"{seen.x:,} of {counted(seen.n, seen.terms.per)}{seen.note}"
        numbers = f"{percent(seen.x / seen.n)} ({level} {lo:.3g}..{hi:.3g}; {counts})"
    clause = (
        _few(seen)
        if verdict is Verdict.INSUFFICIENT
        else bound_clause(verdict, seen.limit_text, _rest(seen))
    )
    return reading_of(
        verdict,
        f"{seen.name}: {numbers}, {clause}",
        n_seen=counted(seen.n, seen.terms.per),
        observed={"x": seen.x, "n": seen.n, "lo": seen.interval.lo, "hi": seen.interval.hi},
        required={"at_most": seen.limit, "min_units": seen.terms.min_units},
    )


def _few(seen: _Seen) -> str:
    rest = seen.terms.min_units - seen.n
    return (
        f"{seen.terms.min_units:,} {seen.terms.per}s needed before anything passes; {rest:,} more"
        f"{seen.span.more(rest, seen.n)}"
    )


def _rest(seen: _Seen) -> str:
    needed = units_to_clear(
        seen.x / seen.n,
        seen.limit,
        seen.limit,
        seen.terms.expected_units,
        seen.terms.confidence,
    )
    return more_of(needed, seen.n, f"{seen.terms.per}s", seen.span.more(needed - seen.n, seen.n))
