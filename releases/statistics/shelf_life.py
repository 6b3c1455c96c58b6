"""What a suite can still tell: ceiling, resolution, live share and trend over its checkpoints.

Source: `statistics.md` section 4; the parts are in suite_items, saturation and cr2.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from releases.statistics import inputs, planning
from releases.statistics.cr2 import DELTA_GUARD, SCORE_GUARD, clustered_mean
from releases.statistics.inputs import Floats
from releases.statistics.saturation import SaturationDate, jump_above_trend, saturation_date
from releases.statistics.suite_items import live_share, score_ceiling

MIN_CHECKPOINTS = 2
LIVE_OVER = 3
PAIRS_OF_RESOLUTION = 4
DEAD_SHARE = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """How many failures people looked at, and what they were."""

    audited: int = 0
    mislabelled: int = 0
    """Wrong or ambiguous themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfLife:
    """A suite's four numbers over the checkpoints of one size class, oldest first."""

    scores: tuple[float, ...]
    """Mean score a checkpoint, in 0..1."""
    errors: tuple[float, ...]
    """Standard error of each score."""
    best: float
    """The highest score."""
    ceiling: float
    """The score of a perfect checkpoint, by the audit; 1 without one."""
    ceiling_lo: float
    """Its lowest value by the audit's 95% Clopper-Pearson interval."""
    ceiling_hi: float
    """Its highest value by the same interval."""
    headroom: float
    """Ceiling less the best score; at least -1."""
    mde: float | None
    """Smallest difference that the suite sees at 80% power; None with one checkpoint."""
    live_share: float | None
    """Share of cases that the last checkpoints tell apart; None with one checkpoint."""
    n_constant: int
    """Cases that every checkpoint passed or every checkpoint failed in full."""
    is_saturated: bool
    """Whether even a perfect checkpoint could not be shown to be better."""
    saturated_before: bool
    """Whether it was saturated on the checkpoint before, since the last review."""
    jump: float | None
    """How far the newest score lies above the trend of the others, in standard errors."""
    forecast: SaturationDate | None
    """When the trend reaches the ceiling less the resolution; None without a trend to fit."""


def shelf_life(
    days: Sequence[float] | Floats,
    scores: Floats,
    *,
    cluster: Sequence[Hashable] | None = None,
    audit: Audit | None = None,
    counts_before: bool = True,
) -> ShelfLife:
    """Measure a suite from its checkpoints' scores, oldest first.

    `days` are the checkpoints' days, shape (j,); `scores` mean scores in 0..1 a case, shape (j, n),
    NaN where missing; `cluster` a label a case. Without `counts_before` the checkpoint before the
    newest was reviewed, and doesn't count as saturated before. Raises ValueError naming the field.
    """
    when = inputs.numbers("days", days)
    table = _table(scores, len(when))
    found = audit or Audit()
    rows = [_mean(row, cluster) for row in table]
    means, errors = [mean for mean, _ in rows], [se for _, se in rows]
    now = _resolution(table, means, cluster, found)
    before = len(when) > MIN_CHECKPOINTS and counts_before
    return ShelfLife(
        scores=tuple(means),
        errors=tuple(errors),
        best=now.best,
        ceiling=now.ceiling,
        ceiling_lo=_ceiling_bound(now.best, found, 0.975),
        ceiling_hi=_ceiling_bound(now.best, found, 0.025),
        headroom=now.headroom,
        mde=now.mde,
        live_share=now.live,
        n_constant=_n_constant(table),
        is_saturated=now.is_saturated,
        saturated_before=before
        and _resolution(table[:-1], means[:-1], cluster, found).is_saturated,
        jump=_jump(when, means, errors, now.ceiling),
        forecast=_forecast(when, means, errors, now, found),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resolution:
    """What the suite could see as of one checkpoint."""

    best: float
    ceiling: float
    headroom: float
    mde: float | None
    live: float | None

    @property
    def is_saturated(self) -> bool:
        if self.mde is None or self.live is None:
            return False
        return self.headroom < self.mde or self.live < DEAD_SHARE


def _resolution(
    table: Floats, means: Sequence[float], cluster: Sequence[Hashable] | None, audit: Audit
) -> _Resolution:
    best = max(means)
    ceiling = score_ceiling(1 - best, audit.audited, audit.mislabelled).ceiling
    return _Resolution(
        best=best,
        ceiling=ceiling,
        headroom=ceiling - best,
        mde=_mde(table, cluster) if len(table) >= MIN_CHECKPOINTS else None,
        live=_live(table) if len(table) >= MIN_CHECKPOINTS else None,
    )


def _mde(table: Floats, cluster: Sequence[Hashable] | None) -> float:
    """From the mean variance of the newest differences between neighbouring checkpoints."""
    squares = []
    for older, newer in zip(table[:-1], table[1:], strict=True):
        d = newer - older
        kept = np.flatnonzero(~np.isnan(d))
        labels = None if cluster is None else [cluster[i] for i in kept.tolist()]
        se = clustered_mean(d[kept], labels, guard=DELTA_GUARD).se if kept.size else None
        if se is not None:
            squares.append(se**2)
    if not squares:
        raise ValueError("scores: neighbouring checkpoints share fewer than two answered clusters")
    newest = squares[-PAIRS_OF_RESOLUTION:]
    return planning.z_sum(0.95, planning.POWER) * math.sqrt(sum(newest) / len(newest))


def _live(table: Floats) -> float:
    newest = table[-LIVE_OVER:]
    seen = newest[:, ~np.isnan(newest).any(axis=0)]
    if not seen.size:
        raise ValueError("scores: no case was answered by all of the newest checkpoints")
    return live_share(list(seen), len(seen)).share


def _n_constant(table: Floats) -> int:
    if len(table) < MIN_CHECKPOINTS:
        return 0
    seen = table[:, ~np.isnan(table).any(axis=0)]
    return int(np.sum((seen == 1).all(axis=0) | (seen == 0).all(axis=0)))


def _mean(row: Floats, cluster: Sequence[Hashable] | None) -> tuple[float, float]:
    kept = np.flatnonzero(~np.isnan(row))
    labels = None if cluster is None else [cluster[i] for i in kept.tolist()]
    if kept.size < 2:
        raise ValueError("scores: needs at least two answered cases a checkpoint")
    result = clustered_mean(row[kept], labels, guard=SCORE_GUARD)
    if result.se is None or result.se == 0:
        raise ValueError("scores: all cases are of one cluster: nothing tells how sure a mean is")
    return result.mean, result.se


def _ceiling_bound(best: float, audit: Audit, level: float) -> float:
    """Clopper-Pearson on the share of mislabelled failures, as the ceiling it leaves."""
    n, wrong = audit.audited, audit.mislabelled
    if not n:
        return 1.0 if level < 0.5 else best
    if level < 0.5:
        share = float(stats.beta.ppf(level, wrong, n - wrong + 1)) if wrong else 0.0
    else:
        share = float(stats.beta.ppf(level, wrong + 1, n - wrong)) if wrong < n else 1.0
    return 1 - (1 - best) * share


def _jump(when: Floats, means: Sequence[float], errors: Sequence[float], c: float) -> float | None:
    if len(when) < 4 or np.ptp(when[:-1]) == 0:
        return None
    return jump_above_trend(when, means, errors, c)


def _forecast(
    when: Floats, means: Sequence[float], errors: Sequence[float], now: _Resolution, audit: Audit
) -> SaturationDate | None:
    """None while there are too few checkpoints, all of one day, or no room for a target.

    The interval reaches over those at both ends of the audit's, which the trend alone would take
    for certain.
    """
    found = _date_under(now.ceiling, when, means, errors, now)
    if found is None or found.lo is None or found.hi is None or not audit.audited:
        return found
    ends = [
        _date_under(_ceiling_bound(now.best, audit, level), when, means, errors, now)
        for level in (0.975, 0.025)
    ]
    earliest = [end.lo for end in ends if end is not None and end.lo is not None]
    latest = [end.hi for end in ends if end is not None and end.hi is not None]
    if len(earliest) < len(ends):
        # Under the lowest ceiling the suite is at its end already.
        earliest.append(float(when[-1]))
    return replace(found, lo=min([found.lo, *earliest]), hi=max([found.hi, *latest]))


def _date_under(
    ceiling: float,
    when: Floats,
    means: Sequence[float],
    errors: Sequence[float],
    now: _Resolution,
) -> SaturationDate | None:
    if len(when) < 3 or np.ptp(when) == 0 or now.mde is None or now.mde >= ceiling:
        return None
    return saturation_date(when, means, errors, ceiling, ceiling - now.mde)


def _table(scores: Floats, n_rows: int) -> Floats:
    table = np.asarray(scores, np.float64)
    if table.ndim != 2 or len(table) != n_rows:
        raise ValueError(f"scores: needs one row for each of {n_rows} days")
    if not np.all(np.isnan(table) | ((table >= 0) & (table <= 1))):
        raise ValueError("scores: must lie in 0..1, or be NaN where missing")
    return table
