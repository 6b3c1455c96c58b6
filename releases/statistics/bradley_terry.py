"""Ratings of three or more checkpoints from pairwise votes: Bradley-Terry."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from releases.statistics import inputs
from releases.statistics.inputs import Codes, Floats

MAX_STEPS = 100
MAX_MODELS = 1000
LIMIT = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """Log-odds ratings against checkpoint 0, the baseline."""

    theta: tuple[float, ...]
    """One rating a checkpoint; the first is 0."""
    se: tuple[float, ...]
    """Standard errors of all but the first."""
    style: tuple[float, ...]
    """Coefficients of the style differences, each per root mean square; empty without style."""
    style_se: tuple[float, ...]
    """Their standard errors, by the same sandwich."""
    elo: tuple[float, ...]
    """The ratings in Elo points."""
    covariance: tuple[tuple[float, ...], ...]
    """Sandwich covariance of the ratings, the baseline's row and column being 0."""
    n_clusters: int
    """Clusters of the sandwich; the votes when none are named."""

    def style_effect(self, at: int, confidence: float = 0.95) -> tuple[float, float, float]:
        """Return a style's coefficient with its t interval: estimate, lo, hi."""
        half = float(stats.t.ppf((1 + confidence) / 2, self.n_clusters - 1)) * self.style_se[at]
        return self.style[at], self.style[at] - half, self.style[at] + half

    def contrast(self, a: int, b: int, confidence: float = 0.95) -> tuple[float, float, float]:
        """Return rating a minus rating b with its t interval: estimate, lo, hi."""
        v = self.covariance
        gap = self.theta[a] - self.theta[b]
        se = math.sqrt(max(0.0, v[a][a] + v[b][b] - 2 * v[a][b]))
        half = float(stats.t.ppf((1 + confidence) / 2, self.n_clusters - 1)) * se
        return gap, gap - half, gap + half


def bradley_terry(
    i: Sequence[int],
    j: Sequence[int],
    y: Sequence[float] | Floats,
    n_models: int,
    cluster: Sequence[Hashable] | None = None,
    style: Sequence[float] | Sequence[Sequence[float]] | None = None,
    pseudo_ties: float = 1.0,
) -> Ratings:
    """Rate checkpoints 0..n_models-1 from votes of shape (n,): y is 1 when i won, 0.5 for a tie.

    `style` holds one number or one row of numbers a vote, i against j, scaled here to a root mean
    square of 1. `pseudo_ties` ties per compared pair keep a clean sweep finite. Raises ValueError
    naming the field, also when no chain of votes connects a checkpoint with the baseline.
    Source: logistic regression with sandwich covariance, as LMArena's; Bradley and Terry 1952.
    """
    size = inputs.count("n_models", n_models, at_least=2, at_most=MAX_MODELS)
    first, second = _players("i", i, size), _players("j", j, size)
    votes = inputs.choices("y", y, (0.0, 0.5, 1.0))
    inputs.same_length("i", first, "y", len(votes))
    inputs.same_length("j", second, "y", len(votes))
    pairs = _checked_pairs(first, second, size)
    codes = inputs.cluster_codes("cluster", cluster, len(votes))
    if codes.max() == 0:
        raise ValueError("cluster: needs at least two clusters")
    design = np.hstack([_signs(first, second, size), _style(style, len(votes))])
    ties = np.zeros((len(pairs), design.shape[1]))
    ties[:, : size - 1] = _signs(pairs[:, 0], pairs[:, 1], size)
    weight = inputs.number("pseudo_ties", pseudo_ties, at_least=0.0)
    beta, hessian = _newton(design, votes, ties, weight)
    covariance = _sandwich(design, votes - special.expit(design @ beta), codes, hessian)
    return _ratings(beta, covariance, size, int(codes.max()) + 1)


def _ratings(beta: Floats, covariance: Floats, size: int, n_clusters: int) -> Ratings:
    theta = np.append(0.0, beta[: size - 1])
    padded = np.zeros((size, size))
    padded[1:, 1:] = covariance[: size - 1, : size - 1]
    return Ratings(
        theta=tuple(theta.tolist()),
        se=tuple(np.sqrt(np.diag(padded)[1:]).tolist()),
        style=tuple(beta[size - 1 :].tolist()),
        style_se=tuple(np.sqrt(np.diag(covariance)[size - 1 :]).tolist()),
        elo=tuple((theta * 400 / math.log(10)).tolist()),
        covariance=tuple(tuple(row) for row in padded.tolist()),
        n_clusters=n_clusters,
    )


def _players(field: str, values: Sequence[int], size: int) -> Codes:
    numbers = inputs.numbers(field, values, at_least=0, at_most=size - 1)
    if np.any(numbers != np.floor(numbers)):
        raise ValueError(f"{field}: must hold whole numbers below n_models ({size})")
    return numbers.astype(np.intp)


def _checked_pairs(first: Codes, second: Codes, size: int) -> Codes:
    same = np.flatnonzero(first == second)
    if same.size:
        raise ValueError(f"j[{same[0]}]: a checkpoint cannot be compared with itself")
    pairs = np.unique(np.sort(np.column_stack([first, second]), axis=1), axis=0)
    reached = {0}
    for _ in range(size):
        reached |= {int(v) for pair in pairs if reached & set(pair.tolist()) for v in pair}
    if len(reached) < size:
        lone = min(set(range(size)) - reached)
        raise ValueError(f"j: no chain of votes connects checkpoint {lone} with checkpoint 0")
    return pairs


def _signs(first: Codes, second: Codes, size: int) -> Floats:
    rows = np.arange(len(first))
    full = np.zeros((len(first), size))
    full[rows, first] = 1
    full[rows, second] = -1
    return full[:, 1:]


def _style(style: Sequence[float] | Sequence[Sequence[float]] | None, n: int) -> Floats:
    if style is None:
        return np.zeros((n, 0))
    given = inputs.listed("style", style)
    inputs.same_length("style", given, "y", n)
    each = [row if isinstance(row, list | tuple | np.ndarray) else [row] for row in given]
    table = inputs.matrix("style", each, len(each[0]))
    scale = np.sqrt(np.mean(table**2, axis=0))
    if np.any(scale == 0):
        raise ValueError("style: a column is 0 in every vote")
    # No centring: a style difference must turn its sign when i and j swap.
    result: Floats = table / scale
    return result


def _newton(design: Floats, votes: Floats, ties: Floats, weight: float) -> tuple[Floats, Floats]:
    beta = np.zeros(design.shape[1])
    for _ in range(MAX_STEPS):
        p, q = special.expit(design @ beta), special.expit(ties @ beta)
        gradient = design.T @ (votes - p) + weight * (ties.T @ (0.5 - q))
        hessian = (design.T * (p * (1 - p))) @ design + weight * (ties.T * (q * (1 - q))) @ ties
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError as error:
            raise ValueError("style: the votes cannot tell style and checkpoints apart") from error
        beta = beta + step
        if np.abs(beta).max() > LIMIT:
            break
        if np.abs(step).max() < 1e-12:
            return beta, hessian
    raise ValueError("pseudo_ties: a checkpoint won or lost every vote: it needs pseudo-ties")


def _sandwich(design: Floats, residual: Floats, codes: Codes, hessian: Floats) -> Floats:
    n_clusters = int(codes.max()) + 1
    sums = np.zeros((n_clusters, design.shape[1]))
    np.add.at(sums, codes, design * residual[:, None])
    bread = np.linalg.inv(hessian)
    result: Floats = n_clusters / (n_clusters - 1) * bread @ (sums.T @ sums) @ bread
    return result
