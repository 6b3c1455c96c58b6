"""`cost`: does the candidate cost as little per request, live, as it has to? Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from releases.gates import live, live_options, reading
from releases.gates.contract import Evidence, Gate, Verdict
from releases.gates.live import Interval, Span, Unusable
from releases.gates.live_options import LiveTerms, live_terms
from releases.gates.live_verdict import (
    Live,
    bound_clause,
    bound_verdict,
    counted,
    more_of,
    ratio_clause,
    ratio_range,
    ratio_verdict,
    reading_of,
    shown,
    unusable,
)
from releases.gates.ratio import nothing_beside, too_few_units
from releases.statistics.live_planning import growth_to_clear
from releases.statistics.verdicts import Verdict as Said

# The method's own limits: on logarithms against the other arm, and on plain money.
MIN_ON_LOGS = 100
MIN_ON_MONEY = 300


class Cost:
    """The geometric mean against the incumbent arm's, or the mean against a fixed amount."""

    kind = "cost"
    human = False
    schema = live_options.COST

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """By the anytime-valid interval; the method reports nothing from a small sample."""
        found = read_cost(gate.options, evidence.observed or {}, now)
        return found.as_gate(gate.options.get("block_on", "regression"))


def read_cost(options: Mapping[str, Any], observed: Mapping[str, Any], now: datetime) -> Live:
    """What the costs say."""
    terms = live_terms(options)
    try:
        unit, span = live.unit_of(observed, terms.per), live.span_of(observed, now)
        few_partners = live.too_few_partners(observed, unit)
        if few_partners:
            text = f"cost: {few_partners}"
            return reading_of(Said.INSUFFICIENT, text, code="too_few_partners")
        if "at_most_micros" in options:
            return _bound(float(options["at_most_micros"]), observed, terms, span)
        return _ratio(float(options["ratio_at_most"]), observed, terms, span)
    except Unusable as why:
        return unusable("cost", why)


def _tuned(values: Mapping[str, Any], terms: LiveTerms) -> None:
    n_opt = reading.count(values, "n_opt")
    # An interval tuned after the first look holds at no look.
    if n_opt != terms.expected_units:
        raise reading.BadEvidence(
            f"tuned for {n_opt} units, where the gate says {terms.expected_units}"
        )


def _spread(values: Mapping[str, Any], key: str) -> float:
    sd = reading.number(values, key)
    if sd < 0:
        raise reading.BadEvidence(f"{key} is {sd:g}, below 0")
    return sd


def _checked(interval: Interval | None, estimate: float) -> Interval | None:
    if interval is None:
        return None
    recorded = interval.estimate
    if recorded is None or not math.isclose(recorded, estimate, rel_tol=1e-6, abs_tol=1e-9):
        raise reading.BadEvidence(f"interval: estimate is {recorded}, the means say {estimate:g}")
    return interval


def _ratio(limit: float, observed: Mapping[str, Any], terms: LiveTerms, span: Span) -> Live:
    if "baseline_arm" not in observed:
        raise reading.BadEvidence("baseline_arm is not there; it is null without an incumbent")
    if observed["baseline_arm"] is None:
        return nothing_beside("cost")
    reading.text(observed, "baseline_arm")
    _tuned(observed, terms)
    n0, n1 = reading.count(observed, "n0"), reading.count(observed, "n1")
    live.check_split(observed, (n0, n1))
    few = too_few_units(n0, n1, terms, span, MIN_ON_LOGS)
    required = {"ratio_at_most": limit, "min_units": max(terms.min_units, MIN_ON_LOGS)}
    if min(n0, n1) < MIN_ON_LOGS:
        return reading_of(Said.INSUFFICIENT, f"cost: {few}", required=required)
    gap = reading.number(observed, "mean1") - reading.number(observed, "mean0")
    interval = _checked(live.interval_of(observed, -math.inf, math.inf), gap)
    if interval is None:
        raise reading.BadEvidence(f"interval: nothing from {n0} and {n1} units")
    live.always_valid_p(observed)
    # Rates compare on logarithms as odds do; exp may overflow only where it says nothing.
    ratios = Interval(lo=_exp(interval.lo), hi=_exp(interval.hi), estimate=_exp(gap))
    verdict = ratio_verdict(ratios, limit)
    if few and verdict is not Said.REGRESSION:
        return reading_of(Said.INSUFFICIENT, f"cost: {few}", required=required)
    se = math.hypot(
        _spread(observed, "sd1") / math.sqrt(n1), _spread(observed, "sd0") / math.sqrt(n0)
    )
    rest = _rest(se, n0 + n1, math.log(limit) - gap, terms, span)
    ends = ratio_range(ratios.lo, ratios.hi, terms.confidence)
    clause = ratio_clause(verdict, f"{limit:.4g}x limit", rest)
    return reading_of(
        verdict,
        f"cost: {shown(math.exp(gap))}x the incumbent's so far ({ends}; geometric mean, "
        f"{counted(n1, terms.per)} against {n0:,}), {clause}",
        n_seen=counted(n0 + n1, terms.per),
        observed={"n0": n0, "n1": n1, "lo": ratios.lo, "hi": ratios.hi},
        required=required,
    )


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _bound(limit: float, observed: Mapping[str, Any], terms: LiveTerms, span: Span) -> Live:
    found = reading.table(observed, "bound")
    _tuned(found, terms)
    n, least = reading.count(found, "n"), max(terms.min_units, MIN_ON_MONEY)
    required = {"at_most_micros": limit, "min_units": least}
    few = ""
    if n < least:
        few = (
            f"{counted(n, terms.per)}, {least:,} needed before anything passes; {least - n:,} more"
            f"{span.more(least - n, n)}"
        )
    if n < MIN_ON_MONEY:
        return reading_of(Said.INSUFFICIENT, f"cost: {few}", required=required)
    mean = reading.number(found, "mean")
    interval = _checked(live.interval_of(observed, -math.inf, math.inf), mean)
    if interval is None:
        raise reading.BadEvidence(f"interval: nothing from {n} units")
    verdict = bound_verdict(interval, limit)
    if few and verdict is not Said.REGRESSION:
        return reading_of(Said.INSUFFICIENT, f"cost: {few}", required=required)
    se = _spread(found, "sd") / math.sqrt(n)
    rest = _rest(se, n, limit - mean, terms, span)
    level = f"{100 * terms.confidence:.4g}% anytime range"
    return reading_of(
        verdict,
        f"cost: {shown(mean)} micros a request so far ({level} {shown(interval.lo)}.."
        f"{shown(interval.hi)}; {counted(n, terms.per)}), "
        f"{bound_clause(verdict, f'{shown(limit)} micros', rest)}",
        n_seen=counted(n, terms.per),
        observed={"n": n, "mean": mean, "lo": interval.lo, "hi": interval.hi},
        required=required,
    )


def _rest(se: float, n: int, gap: float, terms: LiveTerms, span: Span) -> str:
    """What more it takes at the means that were seen."""
    if gap == 0:
        return "; won't settle here"
    needed = n * growth_to_clear(se, n, gap, terms.expected_units, terms.confidence)
    return more_of(needed, n, f"{terms.per}s", span.more(needed - n, n))
