"""Reads the parts that evidence from live traffic shares, strictly. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from releases.gates import reading
from releases.gates.live_options import Per

WRONG_SPLIT_P = 0.001
MIN_PARTNERS = 5
# Below this many expected units an arm's count is judged as a Poisson number.
_FEW_EXPECTED = 5
_SURE = 500


class Unit(StrEnum):
    """What was counted, and assigned to an arm."""

    UNIT = "unit"
    REQUEST = "request"
    PARTNER = "partner"


class Unusable(Exception):
    """The numbers don't speak about the checkpoint: the code, and why as one sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An interval that holds at every look, and the estimate inside."""

    lo: float
    hi: float
    estimate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Events and units of the incumbent (0) and the candidate (1) over all closed batches."""

    x0: int
    n0: int
    x1: int
    n1: int
    is_informative: bool
    """Whether any stratum can tell the arms apart at all."""

    @property
    def n_events(self) -> int:
        return self.x0 + self.x1

    @property
    def candidate_share(self) -> float:
        return self.n1 / (self.n0 + self.n1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From the first to the last closed batch; None without any."""

    days: float | None

    def more(self, needed: float, have: float) -> str:
        """`, 2 days at this traffic`: how long the rest takes; empty when nobody can tell."""
        if not self.days or not have or not math.isfinite(needed):
            return ""
        days = needed / (have / self.days)
        if days > 3650:
            return ", years at this traffic"
        if days >= 2:
            return f", {days:,.0f} days at this traffic"
        hours = math.ceil(24 * days)
        return f", {hours} hour{'s' * (hours != 1)} at this traffic"


def interval_of(observed: Mapping[str, Any], low: float, high: float) -> Interval | None:
    """The recorded interval within low..high, narrowed to all looks so far.

    None where the method has nothing to report yet. Unusable when the looks contradict each other.
    """
    found = reading.table(observed, "interval")
    if found.get("lo") is None and found.get("hi") is None and {"lo", "hi"} <= set(found):
        return None
    lo = reading.number(found, "lo", infinite=True)
    hi = reading.number(found, "hi", infinite=True)
    if not low <= lo <= hi <= high or lo == math.inf or hi == -math.inf:
        raise reading.BadEvidence(f"interval: {lo:g}..{hi:g} is no interval in {low:g}..{high:g}")
    if lo == -math.inf:
        raise reading.BadEvidence("interval: an end below everything is null, not -inf")
    if "estimate" not in found:
        raise reading.BadEvidence("interval has no estimate")
    estimate = reading.number_or_none(found, "estimate", infinite=True)
    if estimate is not None and not lo <= estimate <= hi:
        raise reading.BadEvidence(f"interval: {estimate:g} lies outside {lo:g}..{hi:g}")
    return _narrowed(Interval(lo=lo, hi=hi, estimate=estimate), observed, low, high)


def _narrowed(interval: Interval, observed: Mapping[str, Any], low: float, high: float) -> Interval:
    if "running" not in observed:
        raise reading.BadEvidence("running is not there; it is null on the first look")
    if observed["running"] is None:
        return interval
    running = reading.table(observed, "running")
    first = reading.number(running, "lo", infinite=True)
    last = reading.number(running, "hi", infinite=True)
    if min(first, last) < low or max(first, last) > high:
        raise reading.BadEvidence(f"running: {first:g}..{last:g} reaches beyond {low:g}..{high:g}")
    lo, hi = max(interval.lo, first), min(interval.hi, last)
    if lo > hi:
        sentence = (
            "the looks so far contradict each other, so the effect changed on the way: look at "
            "the timeline; numbers not used"
        )
        raise Unusable("effect_changed", sentence)
    return Interval(lo=lo, hi=hi, estimate=interval.estimate)


def always_valid_p(observed: Mapping[str, Any]) -> float:
    """The recorded p-value, in 0..1."""
    value = reading.number(reading.table(observed, "interval"), "p_always_valid")
    if not 0 <= value <= 1:
        raise reading.BadEvidence(f"p_always_valid is {value:g}, not a probability")
    return value


def arms_of(observed: Mapping[str, Any]) -> Arms:
    """The sums over the strata; units of late strata count once, in their own batches."""
    strata = _list(observed, "strata")
    sums, is_informative = [0, 0, 0, 0], False
    for at, stratum in enumerate(strata):
        x0, n0, x1, n1 = _counts(stratum, f"strata[{at}]", 4)
        if x0 > n0 or x1 > n1:
            raise reading.BadEvidence(f"strata[{at}] has more events than units in an arm")
        is_informative |= bool(n0 and n1 and 0 < x0 + x1 < n0 + n1)
        sums = [total + new for total, new in zip(sums, (x0, n0, x1, n1), strict=True)]
    x0, n0, x1, n1 = sums
    again0, again1 = _counts(observed.get("again"), "again", 2)
    n0, n1 = n0 - again0, n1 - again1
    if x0 > n0 or x1 > n1:
        raise reading.BadEvidence(f"again is {[again0, again1]}, more than the strata hold")
    return Arms(x0=x0, n0=n0, x1=x1, n1=n1, is_informative=is_informative)


def _list(values: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = values.get(key)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise reading.BadEvidence(f"{key} is {value!r}, not a list")
    return value


def _counts(value: Any, name: str, length: int) -> list[int]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != length:
        raise reading.BadEvidence(f"{name} is {value!r}, not {length} counts")
    return [reading.count({name: item}, name) for item in value]


def check_split(observed: Mapping[str, Any], arms: tuple[int, int]) -> None:
    """Unusable when the units are not split as it was configured; `arms` are the units judged."""
    split = reading.table(observed, "split")
    counts = _counts(split.get("counts"), "split.counts", 2)
    listed = _list(split, "expected_share")
    shares = [reading.number({"expected_share": share}, "expected_share") for share in listed]
    if len(shares) != 2 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise reading.BadEvidence(f"expected_share is {shares}, not two shares that make 1")
    if any(judged and not counted for judged, counted in zip(arms, counts, strict=True)):
        raise reading.BadEvidence(f"split.counts is {counts}, but {list(arms)} units were judged")
    p = split_p((counts[0], counts[1]), (shares[0], shares[1]))
    if p < WRONG_SPLIT_P:
        seen = " / ".join(f"{100 * count / sum(counts):.1f}" for count in counts)
        wanted = " / ".join(f"{100 * share:.4g}" for share in shares)
        words = "p below 0.0001" if p < 0.0001 else f"p {p:.1g}"
        sentence = f"traffic split is {seen} where {wanted} was set ({words}): numbers not used"
        raise Unusable("split_wrong", sentence)


def split_p(counts: tuple[int, int], shares: tuple[float, float]) -> float:
    """p that the units of two arms fit the shares; 1 without a unit.

    Pearson's chi-square with one degree of freedom; a Poisson tail where an arm expects few.
    """
    total = sum(counts)
    if not total:
        return 1.0
    expected = [share * total for share in shares]
    rare = 0 if expected[0] < expected[1] else 1
    if expected[rare] < _FEW_EXPECTED:
        return min(1.0, 2 * _poisson_tail(counts[rare], expected[rare]))
    x2 = sum((count - e) ** 2 / e for count, e in zip(counts, expected, strict=True))
    return math.erfc(math.sqrt(x2 / 2))


def _poisson_tail(count: int, mean: float) -> float:
    """The smaller of P(X <= count) and P(X >= count)."""
    if count > _SURE:
        return 0.0
    chances = [math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1)]
    below = math.fsum(chances)
    return min(below, max(0.0, 1 - below + chances[-1]))


def unit_of(observed: Mapping[str, Any], per: Per) -> Unit:
    """What was counted; BadEvidence when that is not what the gate asks for."""
    value = reading.text(observed, "unit")
    try:
        unit = Unit(value)
    except ValueError as error:
        raise reading.BadEvidence(f"unit is {value!r}, which is unknown") from error
    if unit is not Unit.PARTNER and unit.value != per.value:
        raise reading.BadEvidence(f"counted per {unit}, but asked per {per}")
    return unit


def too_few_partners(observed: Mapping[str, Any], unit: Unit) -> str:
    """Why partners that are wholly on one arm don't tell anything yet; empty when they may."""
    n_partners = reading.count(observed, "n_partners")
    if unit is not Unit.PARTNER or n_partners >= MIN_PARTNERS:
        return ""
    partners = "1 partner" if n_partners == 1 else f"{n_partners} partners"
    return (
        f"{partners}, each wholly on one arm: too few to judge ({MIN_PARTNERS} at least; assign "
        "by user or session to compare within partners)"
    )


def span_of(observed: Mapping[str, Any], now: datetime) -> Span:
    """From the start of the stay to the last closed batch."""
    since = reading.moment(observed, "since")
    if "until" not in observed:
        raise reading.BadEvidence("until is not there; it is null before the first closed batch")
    until = None if observed["until"] is None else reading.moment(observed, "until")
    newest = until or since
    if newest < since or newest > now:
        raise reading.BadEvidence(f"{since}..{newest} is not a time that has passed by {now}")
    return Span(days=(newest - since).total_seconds() / 86400 if until else None)
