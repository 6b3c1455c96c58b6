"""Intervals that hold at every look: bounded means, one rate, one quantile, report rates."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from releases.statistics import betting_sequence, rate_sequence, ratio_sequence
from releases.statistics.betting_sequence import bounded_mean_sequence
from releases.statistics.early_stop import running_confidence
from tests.simulations.results import Row, at_most, percent

LIMIT = math.log(20)


def log_wealth(values: np.ndarray, mean: float, alpha: float = 0.05) -> np.ndarray:
    """The larger of both bets' log wealth against the mean, each run at each step, in logs."""
    stakes = np.array([betting_sequence._stakes(run, alpha) for run in values])
    up, down = np.minimum(stakes, 0.5 / mean), np.minimum(stakes, 0.5 / (1 - mean))
    gains = [np.log1p(up * (values - mean)), np.log1p(-down * (values - mean))]
    sums = [math.log(0.5) + gain.cumsum(axis=1) for gain in gains]
    return np.stack(sums)


def betting(rng: np.random.Generator, scale: float) -> list[Row]:
    """The mean is ever outside, over 1,000 values."""
    rows, runs = [], int(2_000 * scale)
    for name, chances in (
        ("votes, 20% ties", (0.4, 0.2, 0.4)),
        ("paired deltas, 10% disagree", (0.05, 0.9, 0.05)),
        ("scores, mean 85%", (0.1, 0.1, 0.8)),
    ):
        mean = float(np.dot(chances, (0, 0.5, 1)))
        values = rng.choice([0.0, 0.5, 1.0], (runs, 1_000), p=chances)
        missed = (log_wealth(values, mean) >= LIMIT).any(axis=(0, 2))
        _check_end(values[0])
        share = float(missed.mean())
        rows.append(
            Row(
                what=f"betting, {name}: ever outside",
                measured=percent(share),
                known="1.5-3.9%",
                runs=runs,
                is_kept=at_most(share, runs, 0.05),
            )
        )
    return rows


def _check_end(values: np.ndarray) -> None:
    """The vectorised wealth is the product's."""
    found = bounded_mean_sequence(values)
    for end in (found.lo, found.hi):
        last = log_wealth(values[None, :], end)[:, 0, -1]
        assert math.isclose(float(last.max()), LIMIT, abs_tol=1e-6)


def early_stop(rng: np.random.Generator, scale: float) -> list[Row]:
    """1% of alpha for stopping a run of 1,000 cases early, 4% for its end; margin 2 points."""
    rows, runs, n, margin = [], int(1_000 * scale), 1_000, 0.02
    for delta, disagree, known in (
        (-0.18, 0.2, "104, blocks 100% (full 100%)"),
        (-0.10, 0.15, "319, blocks 100% (100%)"),
        (-0.06, 0.14, "843, blocks 92% (93%)"),
        (0.06, 0.14, "293, ships 100% (100%)"),
        (0.0, 0.14, "984, ships 39% (43%)"),
        (-0.02, 0.14, "998, ships 1.2%, blocks 1.6%"),
    ):
        odds = [(disagree + delta) / 2, 1 - disagree, (disagree - delta) / 2]
        d = rng.choice([1.0, 0.0, -1.0], (runs, n), p=odds)
        above, below = np.array([_settled(run, margin) for run in d]).T
        ends = [_end(d, margin, z) for z in (2.054, 1.960)]
        ships = (above < below) | ((above == below) & ends[0][0])
        blocks = (below < above) | ((above == below) & ends[0][1])
        used = np.minimum(np.minimum(above, below), n).mean()
        at = 0 if delta > -margin else 1
        share, full = float((ships, blocks)[at].mean()), float(ends[1][at].mean())
        at_margin = delta == -margin
        wrong = float((ships | blocks).mean()) if at_margin else float((blocks, ships)[at].mean())
        rows.append(
            Row(
                what=f"early stop, truth {100 * delta:+.0f} pts: mean cases, decision (full run)",
                measured=f"{used:.0f}, {('ships', 'blocks')[at]} {percent(share)} "
                f"({percent(full)}); wrongly {percent(wrong)}",
                known=known,
                runs=runs,
                is_kept=at_most(wrong, runs, 0.05 if at_margin else 0.025),
            )
        )
    return rows


def _settled(d: np.ndarray, margin: float) -> tuple[float, float]:
    """After how many cases the product's rule settles a run above and below the margin."""
    level, edge = running_confidence(0.95), (1 - margin) / 2
    looks = betting_sequence.bounded_sequence((d + 1) / 2, confidence=level, running=True)
    found = looks.first_above(edge), looks.first_below(edge)
    return tuple(math.inf if at is None else at for at in found)  # type: ignore[return-value]


def _end(d: np.ndarray, margin: float, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Whether the full run ships and whether it blocks."""
    half = z * d.std(axis=1, ddof=1) / math.sqrt(d.shape[1])
    mean = d.mean(axis=1)
    return mean - half > -margin, mean + half < -margin


def one_rate(rng: np.random.Generator, scale: float) -> list[Row]:
    """A rate and quantiles over 20,000 units, a look at each."""
    rows, runs, n = [], int(1_000 * scale), 20_000
    for name, p, n_opt in (("rate 2%", 0.02, 2_000), ("p50", 0.5, 5_000), ("p95", 0.95, 5_000)):
        a, b = rate_sequence._prior("p_star", p, n_opt, 0.95)
        units, missed = np.arange(1, n + 1), 0
        for _ in range(runs):
            x = (rng.random(n) < p).cumsum()
            log_m = special.betaln(a + x, b + units - x) - special.betaln(a, b)
            log_m -= special.xlogy(x, p) + special.xlog1py(units - x, -p)
            missed += bool((log_m >= LIMIT).any())
        share = missed / runs
        rows.append(
            Row(
                what=f"beta-binomial, {name}: ever outside over 20,000 looks",
                measured=percent(share),
                known="2.5-3.1%",
                runs=runs,
                is_kept=at_most(share, runs, 0.05),
            )
        )
    return rows


def reports(rng: np.random.Generator, scale: float) -> list[Row]:
    """Reports per exposure over 60 daily looks, the candidate's exposure ramping up."""
    rows, runs, days = [], int(1_000 * scale), 60
    for per_day, known in ((1.0, "1-4%"), (10.0, "1-4%")):
        e1 = np.repeat([0.02, 0.1, 0.5], days // 3)
        exposure = np.stack([1 - e1, e1], axis=-1) * per_day
        x = rng.poisson(exposure, (runs, days, 2))
        share = float(_poisson_alarm(x, exposure).mean())
        rows.append(
            Row(
                what=f"Poisson strata, {per_day:g} reports a day, ramped: false alarms",
                measured=percent(share),
                known=known,
                runs=runs,
                is_kept=at_most(share, runs, 0.05),
            )
        )
    return rows


def _poisson_alarm(x: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """Whether each run's e-process ever excludes equal rates."""
    runs, days, _ = x.shape
    e0, e1 = (np.tile(exposure[:, arm], runs) for arm in (0, 1))
    rows = np.stack([x[:, :, 0].ravel(), e0, x[:, :, 1].ravel(), e1], axis=-1).astype(np.float64)
    kept = rows[:, 0] + rows[:, 2] > 0
    strata = ratio_sequence._binomial(rows[kept])
    table = np.zeros((len(rows), len(ratio_sequence.GRID)))
    for at, g in enumerate(ratio_sequence.GRID):
        sums = strata.log_sums(strata.log_weights + strata.support * g)
        table[kept, at] = rows[kept, 2] * g - sums
    total = table.reshape(runs, days, -1).cumsum(axis=1)
    log_e = special.logsumexp(ratio_sequence.LOG_PRIOR + total, axis=2) - total[:, :, 80]
    return (log_e >= LIMIT).any(axis=1)


SIMULATIONS = {
    "betting": betting,
    "early-stop": early_stop,
    "one-rate": one_rate,
    "reports": reports,
}
