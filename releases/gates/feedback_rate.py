"""`feedback_rate`: do partners complain more about the candidate than they may? Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releases.gates import live, live_options, reading
from releases.gates.contract import Evidence, Gate, Verdict
from releases.gates.error_rate import read_rate
from releases.gates.live import Interval, Span
from releases.gates.live_options import DEFAULT_MIN_REQUESTS, Counts
from releases.gates.live_verdict import (
    Live,
    bound_clause,
    bound_verdict,
    more_of,
    ratio_clause,
    ratio_range,
    ratio_verdict,
    reading_of,
    shown,
)
from releases.gates.options import DEFAULT_CONFIDENCE
from releases.gates.ratio import nothing_beside
from releases.statistics.live_planning import events_at_once, exposure_to_clear
from releases.statistics.verdicts import Verdict as Said

# Above this, reports come in bursts, and an interval that takes them for single ones is too narrow.
BURSTY = 1.5
_NAME = "confirmed findings"


class FeedbackRate:
    """Thumbs-down per unit against the incumbent arm's, or confirmed findings per request."""

    kind = "feedback_rate"
    human = False
    schema = live_options.FEEDBACK_RATE

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """By the anytime-valid interval, or for findings by the exact one."""
        found = read_feedback_rate(gate.options, evidence.observed or {}, now)
        return found.as_gate(gate.options.get("block_on", "regression"))


def read_feedback_rate(
    options: Mapping[str, Any], observed: Mapping[str, Any], now: datetime
) -> Live:
    """What the feedback says."""
    if Counts(options["counts"]) is Counts.THUMBS_DOWN:
        return read_rate("thumbs-down", options, observed, now)
    seen = _read(options, observed, now)
    if "at_most_per_1000" in options:
        return _bound(seen, float(options["at_most_per_1000"]))
    return _ratio(seen, observed, float(options["ratio_at_most"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Findings of the candidate and what it was asked, and the interval of their rate."""

    count: int
    exposure: int
    interval: Interval | None
    spread: float
    """By how much log half widths grow, as reports come in bursts; 1: they do not."""
    min_requests: int
    confidence: float
    span: Span


def _read(options: Mapping[str, Any], observed: Mapping[str, Any], now: datetime) -> _Seen:
    high = math.inf if "ratio_at_most" in options else 1e12
    count, exposure = reading.count(observed, "count1"), reading.count(observed, "exposure1")
    if count and not exposure:
        raise reading.BadEvidence(f"{count} findings without a request")
    return _Seen(
        count=count,
        exposure=exposure,
        # One look at a time: there are no earlier looks to narrow it.
        interval=live.interval_of({**observed, "running": None}, 0.0, high),
        spread=_spread(observed),
        min_requests=int(options.get("min_requests", DEFAULT_MIN_REQUESTS)),
        confidence=float(options.get("confidence", DEFAULT_CONFIDENCE)),
        span=live.span_of(observed, now),
    )


def _spread(observed: Mapping[str, Any]) -> float:
    if "dispersion" not in observed:
        raise reading.BadEvidence("dispersion is not there; it is null without a report")
    dispersion = reading.number_or_none(observed, "dispersion")
    if dispersion is None:
        return 1.0
    if dispersion < 0:
        raise reading.BadEvidence(f"dispersion is {dispersion:g}, below 0")
    return math.sqrt(dispersion) if dispersion > BURSTY else 1.0


def _few(seen: _Seen, other: int | None, required: Mapping[str, Any]) -> Live | None:
    """The reading below the minimum of requests; None when both arms have it."""
    n = seen.exposure if other is None else min(seen.exposure, other)
    if n >= seen.min_requests:
        return None
    rest = seen.min_requests - n
    text = (
        f"{_NAME}: {seen.count} in {seen.exposure:,} requests, {seen.min_requests:,} "
        f"needed{'' if other is None else ' in each arm'} before anything passes; {rest:,} more"
        f"{seen.span.more(rest, n)}"
    )
    return reading_of(Said.INSUFFICIENT, text, required=required)


def _widened(interval: Interval, spread: float) -> Interval:
    """The interval with its log half widths times the spread."""
    estimate = interval.estimate
    if spread == 1.0 or estimate is None:
        return interval
    if not 0 < estimate < math.inf:
        # Nothing to widen around: an end that rests on reports in bursts is no end.
        return Interval(lo=0.0, hi=math.inf, estimate=estimate)
    lo = estimate * (interval.lo / estimate) ** spread
    hi = estimate * (interval.hi / estimate) ** spread
    return Interval(lo=lo, hi=hi, estimate=estimate)


def _bursts(seen: _Seen) -> str:
    return "" if seen.spread == 1.0 else "; reports come in bursts, so the range is widened"


def _bound(seen: _Seen, limit: float) -> Live:
    required = {"at_most_per_1000": limit, "min_requests": seen.min_requests}
    few = _few(seen, None, required)
    if not seen.exposure and few:
        return few
    rate = 1000 * seen.count / seen.exposure
    interval = _consistent(seen.interval, rate)
    widened = _widened(interval, seen.spread)
    verdict = bound_verdict(widened, limit)
    if few and verdict is not Said.REGRESSION:
        return few
    needed = exposure_to_clear(seen.count, seen.exposure, limit / 1000, seen.confidence)
    pace = seen.span.more(needed - seen.exposure, seen.exposure)
    clause = bound_clause(
        verdict, f"{limit:.4g} per 1,000", more_of(needed, seen.exposure, "requests", pace)
    )
    level = f"{100 * seen.confidence:.4g}% CI"
    text = (
        f"{_NAME}: {shown(rate)} per 1,000 requests ({level} {shown(widened.lo)}.."
        f"{shown(widened.hi)}; {seen.count} in {seen.exposure:,}){_bursts(seen)}, {clause}"
    )
    observed = {"count1": seen.count, "exposure1": seen.exposure, "lo": widened.lo}
    return reading_of(verdict, text, observed=observed, required=required)


def _consistent(interval: Interval | None, estimate: float) -> Interval:
    """The interval, which has to be one of the counts beside it."""
    recorded = None if interval is None else interval.estimate
    if interval is None or recorded is None:
        raise reading.BadEvidence("interval: the counts tell something, but there is no estimate")
    if recorded != estimate and not math.isclose(recorded, estimate, rel_tol=1e-6):
        raise reading.BadEvidence(f"interval: estimate is {recorded:g}, counts say {estimate:g}")
    return interval


def _ratio(seen: _Seen, observed: Mapping[str, Any], limit: float) -> Live:
    count0, exposure0 = reading.count(observed, "count0"), reading.count(observed, "exposure0")
    if "baseline_arm" not in observed:
        raise reading.BadEvidence("baseline_arm is not there; it is null without an incumbent")
    if observed["baseline_arm"] is None:
        return nothing_beside(_NAME)
    baseline = reading.text(observed, "baseline_arm")
    if count0 and not exposure0:
        raise reading.BadEvidence(f"{count0} findings without a request")
    required = {"ratio_at_most": limit, "min_requests": seen.min_requests}
    few = _few(seen, exposure0, required)
    if not (seen.exposure and exposure0) and few:
        return few
    counts = (
        f"{seen.count} in {seen.exposure:,} requests against {count0} in {exposure0:,} on "
        f"{baseline}"
    )
    if not seen.count + count0:
        return few or _none(seen, exposure0, counts, required)
    return _few_or_judged(few, seen, (count0, exposure0), limit, counts)


def _none(seen: _Seen, exposure0: int, counts: str, required: Mapping[str, Any]) -> Live:
    """No finding at all: the rates' upper bounds, and no ratio."""
    # Garwood's exact bound of a count of 0.
    most = -1000 * math.log((1 - seen.confidence) / 2)
    here, there = shown(most / seen.exposure), shown(most / exposure0)
    text = (
        f"{_NAME}: none on either arm, at most {here} per 1,000 here and {there} there "
        f"({100 * seen.confidence:.4g}% CI), so there is no ratio ({counts})"
    )
    return reading_of(Said.INCONCLUSIVE, text, required=required)


def _few_or_judged(
    few: Live | None, seen: _Seen, other: tuple[int, int], limit: float, counts: str
) -> Live:
    """The ratio's verdict; below the minimum sample only proven harm counts."""
    count0, exposure0 = other
    ratio = seen.count / count0 * exposure0 / seen.exposure if count0 else math.inf
    widened = _widened(_consistent(seen.interval, ratio), seen.spread)
    verdict = ratio_verdict(widened, limit)
    if few and verdict is not Said.REGRESSION:
        return few
    have, rest = seen.count + count0, ""
    if 0 < ratio < math.inf and ratio != limit:
        share = seen.exposure / (seen.exposure + exposure0)
        needed = events_at_once(limit / ratio, share, seen.confidence)
        rest = more_of(needed, have, "findings", seen.span.more(needed - have, have))
    how = "on the candidate alone"
    if math.isfinite(ratio):
        how = f"{shown(ratio)}x the incumbent's"
    span = ratio_range(widened.lo, widened.hi, seen.confidence, "CI")
    clause = ratio_clause(verdict, f"{limit:.4g}x limit", rest)
    return reading_of(
        verdict,
        f"{_NAME}: {how} ({span}; {counts}){_bursts(seen)}, {clause}",
        observed={"count1": seen.count, "count0": count0, "lo": widened.lo},
        required={"ratio_at_most": limit, "min_requests": seen.min_requests},
    )
