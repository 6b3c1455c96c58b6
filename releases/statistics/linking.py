"""Two versions of a suite on one scale, by the cases they share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from releases.statistics import inputs
from releases.statistics.inputs import Floats

MIN_COMMON = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """How a score on the newer version reads on the older one's scale, in score units."""

    n_common: int
    """Cases of both versions."""
    offset: float
    """What to add to a newer score: how much harder the newer version's own cases are."""
    linking_error: float
    """Standard error of the offset, by how unevenly the shared cases moved."""


def link_suites(
    older_common: Sequence[float] | Floats,
    newer_common: Sequence[float] | Floats,
    older_mean: float,
    newer_mean: float,
) -> Linking:
    """Link by mean difficulty: shared cases in one order, shape (n,), scores in 0..1 a case.

    Each case's score is the mean over the checkpoints that ran the version; `older_mean` and
    `newer_mean` are those checkpoints' means over all cases of their version. The shared cases tell
    how much the checkpoints differ, the rest of the gap is the versions'. Raises ValueError naming
    the field. Source: mean-mean linking; linking error as PISA's, sd of the shifts / sqrt(n).
    """
    before = inputs.numbers("older_common", older_common, at_least=0.0, at_most=1.0)
    after = inputs.numbers("newer_common", newer_common, at_least=0.0, at_most=1.0)
    inputs.same_length("newer_common", after, "older_common", len(before))
    if len(before) < MIN_COMMON:
        raise ValueError(f"older_common: needs at least {MIN_COMMON} cases, got {len(before)}")
    shifts = after - before
    gap = inputs.number("newer_mean", newer_mean, at_least=0.0, at_most=1.0) - inputs.number(
        "older_mean", older_mean, at_least=0.0, at_most=1.0
    )
    return Linking(
        n_common=len(before),
        offset=float(shifts.mean()) - gap,
        linking_error=float(shifts.std(ddof=1)) / math.sqrt(len(shifts)),
    )
