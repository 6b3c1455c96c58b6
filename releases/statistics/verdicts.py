"""Verdict of a comparison from its interval; standard library only, importable by pure code."""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MIN_CASES = 10
MIN_CLUSTERS = 5
# Fewer common cases than this share of all are no comparison.
MIN_SHARED_SHARE = 0.80


class Verdict(enum.StrEnum):
    """What an interval for candidate minus baseline (positive is better) says against a margin."""

    REGRESSION = "regression"
    """Worse than the baseline by more than the margin."""
    BETTER = "better"
    """Better than the baseline."""
    NON_INFERIOR = "non_inferior"
    """No worse than the baseline by the margin."""
    WORSE = "worse"
    """Worse than the baseline, not settled against the margin."""
    INCONCLUSIVE = "inconclusive"
    """The data cannot tell."""
    INSUFFICIENT = "insufficient"
    """Too few cases or clusters to judge at all."""
    INVALID = "invalid"
    """The data do not compare like with like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """One verdict a row."""

    verdicts: tuple[Verdict, ...]
    """In the order of the rows."""


PASSING = frozenset({Verdict.BETTER, Verdict.NON_INFERIOR})


def verdict_of(lo: float, hi: float, margin: float) -> Verdict:
    """Return the verdict of the interval lo..hi against a margin, all in score units.

    The comparisons are strict: an interval that touches a bound has not cleared it. An infinite
    end is allowed on its own side. Raises ValueError naming the field when a number is NaN, the
    ends are crossed or the margin is negative. Source: the verdict table of section 0.
    """
    _check_interval(lo, hi, margin)
    if hi < -margin:
        return Verdict.REGRESSION
    if lo > 0:
        return Verdict.BETTER
    if lo > -margin:
        return Verdict.NON_INFERIOR
    if hi < 0:
        return Verdict.WORSE
    return Verdict.INCONCLUSIVE


def verdicts_of(rows: Sequence[Sequence[Any]]) -> Verdicts:
    """Return the verdict of each row [lo, hi, margin]; "inf" and "-inf" are infinities.

    Raises ValueError naming the row and the field.
    """
    if not isinstance(rows, list | tuple):
        raise ValueError("rows: must be a list of [lo, hi, margin]")
    return Verdicts(verdicts=tuple(_row_verdict(i, row) for i, row in enumerate(rows)))


def is_sufficient(n: int, n_clusters: int) -> bool:
    """Return whether the cases and clusters are enough for a verdict that rests on an interval."""
    return n >= MIN_CASES and n_clusters >= MIN_CLUSTERS


def _check_interval(lo: float, hi: float, margin: float) -> None:
    if math.isnan(lo) or lo == math.inf:
        raise ValueError(f"lo: must be a number below infinity, got {lo}")
    if math.isnan(hi) or hi == -math.inf:
        raise ValueError(f"hi: must be a number above minus infinity, got {hi}")
    if lo > hi:
        raise ValueError(f"lo: must not exceed hi, got {lo} and {hi}")
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin: must be a finite number of at least 0, got {margin}")


def _row_verdict(at: int, row: Any) -> Verdict:
    if not isinstance(row, list | tuple) or len(row) != 3:
        raise ValueError(f"rows[{at}]: must be [lo, hi, margin]")
    numbers = [math.inf * (1 if v == "inf" else -1) if v in ("inf", "-inf") else v for v in row]
    for name, value in zip(("lo", "hi", "margin"), numbers, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"rows[{at}]: {name} must be a number")
    try:
        return verdict_of(*map(float, numbers))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"rows[{at}]: {error}") from error
