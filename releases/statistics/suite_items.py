"""What single cases of a suite still tell: discrimination, live share, ceiling."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from releases.statistics import inputs
from releases.statistics.inputs import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrimination:
    """How well each case follows the others over checkpoints."""

    r: tuple[float | None, ...]
    """Corrected item-total correlation a case; None where the case or the rest never varies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveShare:
    """Share of the cases that still tell checkpoints apart."""

    share: float
    """Cases neither passed by all nor failed by all, as a share of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCeiling:
    """The score that a perfect checkpoint would get."""

    ceiling: float
    """1 less the share of cases that are wrong themselves."""


def item_discrimination(passes: Sequence[Sequence[float]]) -> Discrimination:
    """Correlate each case with the mean of the others; rows are checkpoints, columns cases.

    A case is passed (1), failed (0), or graded in between. A hint list only until there are 20
    rows. Raises ValueError naming the field.
    """
    table = _table(passes)
    if min(table.shape) < 2:
        raise ValueError("passes: needs at least two checkpoints and two cases")
    rest = table.sum(axis=1, keepdims=True) - table
    return Discrimination(r=tuple(map(_correlation, table.T, rest.T)))


def live_share(passes: Sequence[Sequence[float]], last: int) -> LiveShare:
    """Return the share of live cases over the last rows; rows are checkpoints, oldest first.

    A case is passed (1), failed (0), or graded in between; graded ones are live.
    Raises ValueError naming the field.
    """
    table = _table(passes)
    n_rows = inputs.count("last", last, at_least=1)
    if n_rows > len(table):
        raise ValueError(f"last: must not exceed the {len(table)} checkpoints, got {n_rows}")
    share = table[-n_rows:].mean(axis=0)
    return LiveShare(share=float(np.mean((share > 0) & (share < 1))))


def score_ceiling(fail_share: float, audited: int, mislabelled: int) -> ScoreCeiling:
    """Return the ceiling when the best checkpoint fails `fail_share` of the cases.

    `audited` failures were looked at, `mislabelled` of them were wrong or ambiguous; without an
    audit the ceiling is 1. Raises ValueError naming the field.
    """
    share = inputs.number("fail_share", fail_share, at_least=0.0, at_most=1.0)
    n = inputs.count("audited", audited)
    wrong = inputs.count("mislabelled", mislabelled)
    if wrong > n:
        raise ValueError(f"mislabelled: must not exceed audited ({n}), got {wrong}")
    return ScoreCeiling(ceiling=1 - share * wrong / n if n else 1.0)


def _table(passes: Sequence[Sequence[float]]) -> Floats:
    given = inputs.listed("passes", passes)
    if len(given) == 0:
        raise ValueError("passes: needs at least one checkpoint")
    rows = [
        inputs.numbers(f"passes[{i}]", row, at_least=0.0, at_most=1.0)
        for i, row in enumerate(given)
    ]
    for i, row in enumerate(rows):
        if row.size != rows[0].size:
            raise ValueError(f"passes[{i}]: needs {rows[0].size} cases, got {row.size}")
    return np.array(rows)


def _correlation(item: Floats, rest: Floats) -> float | None:
    if np.ptp(item) == 0 or np.ptp(rest) == 0:
        return None
    return float(np.corrcoef(item, rest)[0, 1])
