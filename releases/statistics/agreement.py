"""Agreement of raters, human or judge: Cohen's kappa and Krippendorff's alpha."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from releases.statistics import inputs
from releases.statistics.inputs import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Agreement of two raters beyond chance."""

    kappa: float | None
    """1 is full agreement, 0 chance; None when both raters used one and the same class only."""
    lo: float | None
    """Lower end; None with the kappa."""
    hi: float | None
    """Upper end; None with the kappa."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alpha:
    """Agreement of any number of raters with gaps, by the scale of the ratings."""

    nominal: float | None
    """Ratings as names; None when all ratings are the same."""
    ordinal: float | None
    """Ratings as ranks; None as above."""
    interval: float | None
    """Ratings as numbers; None as above."""


def cohen_kappa(table: Sequence[Sequence[float]], confidence: float = 0.95) -> Kappa:
    """Return kappa of a square table of counts: rows one rater's classes, columns the other's.

    Raises ValueError naming the field. Source: Cohen 1960; Fleiss, Cohen and Everitt 1969.
    """
    counts = inputs.matrix("table", table, len(inputs.listed("table", table)))
    n = counts.sum()
    if n < 1 or np.any(counts < 0) or len(counts) < 2:
        raise ValueError("table: needs counts of at least 0 in two or more classes, and a rating")
    p = counts / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    chance = float(rows @ columns)
    if chance >= 1 - 1e-12:
        return Kappa(kappa=None, lo=None, hi=None)
    kappa = (float(np.trace(p)) - chance) / (1 - chance)
    off = p * (rows[None, :] + columns[:, None]) ** 2
    spread = np.sum(np.diag(p) * (1 - (rows + columns) * (1 - kappa)) ** 2)
    spread += (1 - kappa) ** 2 * (off.sum() - np.trace(off))
    spread -= (kappa - chance * (1 - kappa)) ** 2
    se = math.sqrt(max(0.0, float(spread)) / n) / (1 - chance)
    half = float(stats.norm.ppf((1 + inputs.confidence_level(confidence)) / 2)) * se
    return Kappa(kappa=kappa, lo=kappa - half, hi=kappa + half)


def krippendorff_alpha(ratings: Sequence[Sequence[float | None]]) -> Alpha:
    """Return alpha of ratings, one row a rater and one column a unit, None where not rated.

    Units with fewer than two ratings say nothing. Raises ValueError naming the field.
    Source: Krippendorff 2019, by the coincidence matrix.
    """
    table = _ratings(ratings)
    values = np.unique(table[~np.isnan(table)])
    pairs = _coincidences(table, values)
    totals = pairs.sum(axis=1)
    if totals.sum() < 2:
        raise ValueError("ratings: needs a unit that two raters have rated")
    ranks = np.cumsum(totals) - totals / 2
    return Alpha(
        nominal=_alpha(pairs, lambda a, b: (a != b).astype(np.float64), values),
        ordinal=_alpha(pairs, lambda a, b: (a - b) ** 2, ranks),
        interval=_alpha(pairs, lambda a, b: (a - b) ** 2, values),
    )


def _ratings(ratings: Sequence[Sequence[float | None]]) -> Floats:
    rows = []
    for i, row in enumerate(inputs.listed("ratings", ratings)):
        given = enumerate(inputs.listed(f"ratings[{i}]", row))
        rows.append(
            [math.nan if v is None else inputs.number(f"ratings[{i}][{k}]", v) for k, v in given]
        )
    if len(rows) < 2:
        raise ValueError("ratings: needs at least two raters")
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(f"ratings[{i}]: needs {len(rows[0])} units, got {len(row)}")
    return np.array(rows, np.float64)


def _coincidences(table: Floats, values: Floats) -> Floats:
    pairs = np.zeros((len(values), len(values)))
    for unit in table.T:
        counts = np.sum(unit[:, None] == values[None, :], axis=0).astype(np.float64)
        if counts.sum() >= 2:
            pairs += (np.outer(counts, counts) - np.diag(counts)) / (counts.sum() - 1)
    return pairs


def _alpha(
    pairs: Floats, distance: Callable[[Floats, Floats], Floats], scale: Floats
) -> float | None:
    apart = distance(scale[:, None], scale[None, :])
    totals = pairs.sum(axis=1)
    expected = float(np.sum(np.outer(totals, totals) * apart)) / float(totals.sum() - 1)
    return 1 - float(np.sum(pairs * apart)) / expected if expected else None
