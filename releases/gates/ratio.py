"""Candidate against the incumbent arm by event counts: the anytime-valid odds ratio. Pure.

The interval comes recorded, from a stratified e-process that holds at every look; here it is only
judged. Harm counts whatever the sample; nothing passes below the minimum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releases.gates import live, reading
from releases.gates.live import Arms, Interval, Span, Unusable
from releases.gates.live_options import LiveTerms, live_terms
from releases.gates.live_verdict import (
    Live,
    counted,
    more_of,
    ratio_clause,
    ratio_range,
    ratio_verdict,
    reading_of,
    shown,
    unusable,
)
from releases.statistics.margins import rate_at_odds_ratio
from releases.statistics.planning import events_needed
from releases.statistics.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioLimit:
    """What the odds ratio is held to, and how it is shown.

    `reference_rate` turns odds ratios into ratios of rates for people; None: they are shown as
    they are.
    """

    odds: float
    reference_rate: float | None = None
    text: str = ""
    """What it is called; empty: `2x limit`."""
    how: str = "{}x the incumbent's so far"
    """How the ratio is said."""

    def __str__(self) -> str:
        return self.text or f"{self.shown(self.odds):.4g}x limit"

    def shown(self, odds: float) -> float:
        """An odds ratio as the ratio of rates at the reference rate."""
        rate = self.reference_rate
        if rate is None:
            return odds
        return (1.0 if math.isinf(odds) else rate_at_odds_ratio(rate, odds)) / rate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Everything that one reading rests on."""

    name: str
    baseline: str
    limit: RatioLimit
    terms: LiveTerms
    arms: Arms
    interval: Interval
    span: Span
    note: str


def read_ratio(
    name: str,
    options: Mapping[str, Any],
    observed: Mapping[str, Any],
    now: datetime,
    limit: RatioLimit,
    note: str = "",
) -> Live:
    """The candidate's events against the incumbent's; BadEvidence for what has not the shape."""
    terms = live_terms(options)
    try:
        arms, unit = live.arms_of(observed), live.unit_of(observed, terms.per)
        span = live.span_of(observed, now)
        interval = _interval(observed, arms)
        baseline = _baseline(observed)
        few_partners = live.too_few_partners(observed, unit)
        if baseline is None:
            return nothing_beside(name)
        live.check_split(observed, (arms.n0, arms.n1))
    except Unusable as why:
        return unusable(name, why)
    if few_partners:
        return reading_of(Verdict.INSUFFICIENT, f"{name}: {few_partners}", code="too_few_partners")
    return _judged(
        _Seen(
            name=name,
            baseline=baseline,
            limit=limit,
            terms=terms,
            arms=arms,
            interval=interval,
            span=span,
            note=note,
        )
    )


def nothing_beside(name: str) -> Live:
    """There is no incumbent arm to compare with."""
    text = (
        f"{name}: no incumbent serves beside the candidate, so there is nothing to compare with; "
        "give the stage a holdback or a ramp"
    )
    return reading_of(Verdict.INSUFFICIENT, text, code="no_baseline")


def too_few_units(n0: int, n1: int, terms: LiveTerms, span: Span, least: int = 0) -> str:
    """What an arm below the minimum sample still needs; empty when both have it."""
    needed = max(terms.min_units, least)
    arm, n = ("incumbent", n0) if n0 < n1 else ("candidate", n1)
    if n >= needed:
        return ""
    rest = needed - n
    return (
        f"{counted(n, terms.per)} in the {arm} arm, {needed:,} needed before anything passes; "
        f"{rest:,} more{span.more(rest, n)}"
    )


def _baseline(observed: Mapping[str, Any]) -> str | None:
    if "baseline_arm" not in observed:
        raise reading.BadEvidence("baseline_arm is not there; it is null without an incumbent")
    return None if observed["baseline_arm"] is None else reading.text(observed, "baseline_arm")


def _interval(observed: Mapping[str, Any], arms: Arms) -> Interval:
    interval = live.interval_of(observed, 0.0, math.inf)
    live.always_valid_p(observed)
    if interval is None:
        raise reading.BadEvidence("interval: an odds ratio has 0..inf when nothing is known")
    if arms.is_informative and interval.estimate is None:
        raise reading.BadEvidence("interval: the strata tell something, but estimate is None")
    if not arms.is_informative and (interval.lo > 0 or interval.hi < math.inf):
        raise reading.BadEvidence("interval: no stratum tells the arms apart, so it is 0..inf")
    return interval


def _judged(seen: _Seen) -> Live:
    arms = seen.arms
    verdict = ratio_verdict(seen.interval, seen.limit.odds)
    few = too_few_units(arms.n0, arms.n1, seen.terms, seen.span)
    if few and verdict is not Verdict.REGRESSION:
        verdict = Verdict.INSUFFICIENT
    limit = seen.limit.shown(seen.limit.odds)
    clause = few
    if verdict is not Verdict.INSUFFICIENT:
        clause = ratio_clause(verdict, str(seen.limit), _rest(seen))
    lo, hi = (seen.limit.shown(end) for end in (seen.interval.lo, seen.interval.hi))
    return reading_of(
        verdict,
        f"{seen.name}: {_numbers(seen, lo, hi)}, {clause}",
        n_seen=counted(arms.n0 + arms.n1, seen.terms.per),
        observed={
            "x0": arms.x0,
            "n0": arms.n0,
            "x1": arms.x1,
            "n1": arms.n1,
            "lo": lo,
            "hi": hi,
        },
        required={"ratio_at_most": limit, "min_units": seen.terms.min_units},
    )


def _numbers(seen: _Seen, lo: float, hi: float) -> str:
    arms, estimate = seen.arms, seen.interval.estimate
    counts = (
        f"{arms.x1:,} of {counted(arms.n1, seen.terms.per)} against {arms.x0:,} of {arms.n0:,} on "
        f"{seen.baseline}{seen.note}"
    )
    if estimate is None or not arms.is_informative:
        return f"nothing to compare yet ({counts})"
    if math.isinf(estimate):
        ratio = "seen on the candidate alone so far"
    else:
        ratio = seen.limit.how.format(shown(seen.limit.shown(estimate)))
    return f"{ratio} ({ratio_range(lo, hi, seen.terms.confidence)}; {counts})"


def _rest(seen: _Seen) -> str:
    """What more it takes: events as planned for equal arms, then by the ratio that was seen."""
    arms, have = seen.arms, seen.arms.n_events
    if not arms.n0 or not arms.n1:
        return ""
    share, odds = arms.candidate_share, seen.limit.odds
    planned = _events(odds, share, seen.terms.confidence)
    estimate = seen.interval.estimate
    if have >= planned or math.isinf(planned):
        if estimate is None or not 0 < estimate < math.inf:
            return ""
        planned = max(_events(odds / estimate, share, seen.terms.confidence), 1.1 * have)
    return more_of(planned, have, "events", seen.span.more(planned - have, have))


def _events(ratio: float, candidate_share: float, confidence: float) -> float:
    return math.inf if ratio == 1 else events_needed(ratio, candidate_share, confidence)
