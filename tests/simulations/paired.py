"""Paired evals: coverage of the intervals, false alarms over slices, drift by small steps."""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy import stats

from releases.statistics.cr2 import DELTA_GUARD, clustered_mean
from releases.statistics.multiplicity import holm
from releases.statistics.tango import tango_interval, tango_p_below
from releases.statistics.verdicts import Verdict, verdict_of
from tests.simulations.results import Row, at_least, at_most, percent

interval = functools.cache(tango_interval)
p_below = functools.cache(tango_p_below)


def clusters(rng: np.random.Generator, scale: float) -> list[Row]:
    """Unequal clusters that agree within themselves: CR2-t, CR1-t(C-1) and no clusters at all."""
    rows, runs = [], int(3_000 * scale)
    for n_clusters, spread, known in (
        (12, 1.0, "94.8% / 88.8% / 57%"),
        (30, 1.5, "93.8% / 84.4% / 37%"),
    ):
        kept = np.zeros(3)
        for _ in range(runs):
            sizes = np.maximum(1, np.exp(rng.normal(math.log(10), spread, n_clusters)).astype(int))
            codes = np.repeat(np.arange(n_clusters), sizes)
            values = rng.normal(0, 0.14, n_clusters)[codes] + rng.normal(0, 0.28, len(codes))
            kept += _covers_zero(values, codes, sizes)
        shares = kept / runs
        rows.append(
            Row(
                what=f"coverage, {n_clusters} clusters, sizes log-sd {spread}: CR2 / CR1 / none",
                measured=" / ".join(percent(share) for share in shares),
                known=known,
                runs=runs,
                is_kept=at_least(float(shares[0]), runs, 0.935),
            )
        )
    return rows


def _covers_zero(values: np.ndarray, codes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    n, k = len(values), len(sizes)
    ours, naive = clustered_mean(values, codes.tolist()), clustered_mean(values)
    assert ours.lo is not None and ours.hi is not None
    assert naive.lo is not None and naive.hi is not None
    residual = np.bincount(codes, values - values.mean())
    se = math.sqrt(k / (k - 1) * float(np.sum(residual**2))) / n
    half = float(stats.t.ppf(0.975, k - 1)) * se
    return np.array(
        [ours.lo <= 0 <= ours.hi, abs(values.mean()) <= half, naive.lo <= 0 <= naive.hi]
    )


def sparse(rng: np.random.Generator, scale: float) -> list[Row]:
    """Hardly a case differs: the guard beside plain CR2."""
    rows, runs = [], int(3_000 * scale)
    for name, better, worse, known in (
        ("1% differ, both ways", 0.005, 0.005, "100% / 64-87%"),
        ("1.5% differ, one way", 0.0, 0.015, "96% / 64-87%"),
    ):
        truth, kept = better - worse, np.zeros(2)
        codes = np.repeat(np.arange(40), 3)
        for _ in range(runs):
            d = rng.choice([1.0, -1.0, 0.0], len(codes), p=[better, worse, 1 - better - worse])
            for at, guard in enumerate((DELTA_GUARD, None)):
                found = clustered_mean(d, codes.tolist(), guard=guard)
                assert found.lo is not None and found.hi is not None
                # An interval without any width covers nothing.
                kept[at] += found.lo <= truth <= found.hi and found.lo < found.hi
        shares = kept / runs
        rows.append(
            Row(
                what=f"coverage, 120 cases in 40 clusters, {name}: guard / plain CR2",
                measured=" / ".join(percent(share) for share in shares),
                known=known,
                runs=runs,
                is_kept=at_least(float(shares[0]), runs, 0.945),
            )
        )
    return rows


def tango(rng: np.random.Generator, scale: float) -> list[Row]:
    """Exactly, by adding up the chances of every table."""
    rows = []
    for n, better, worse, known, floor in (
        (200, 0.0, 0.02, "92.5%", 0.92),
        (200, 0.05, 0.05, "95%", 0.94),
        (100, 0.1, 0.2, "95%", 0.94),
    ):
        covered = 0.0
        for b in range(n + 1):
            chance_b = float(stats.binom.pmf(b, n, better))
            if chance_b < 1e-9:
                continue
            for c in range(n - b + 1):
                chance = chance_b * float(stats.binom.pmf(c, n - b, worse / (1 - better)))
                if chance > 1e-9:
                    lo, hi = interval(b, c, n)
                    covered += chance * (lo <= better - worse <= hi)
        rows.append(
            Row(
                what=f"coverage of Tango, n {n}, {percent(better)} only ours, {percent(worse)} "
                "only theirs",
                measured=percent(covered),
                known=known,
                runs=0,
                is_kept=covered >= floor,
            )
        )
    return rows


def slices(rng: np.random.Generator, scale: float) -> list[Row]:
    """Twelve slices of 60 cases without any change: some slice is called worse."""
    runs, n = int(4_000 * scale), 60
    counts = rng.multinomial(n, [0.07, 0.07, 0.86], (runs, 12))[:, :, :2].tolist()
    alone = corrected = 0
    for run in counts:
        p = [p_below(b, c, n, 0.0) for b, c in run]
        alone += min(p) < 0.025
        corrected += min(holm(p).adjusted) < 0.025
    shares = alone / runs, corrected / runs
    return [
        Row(
            what="some slice of 12 called worse without a change: each alone / Holm",
            measured=" / ".join(percent(share) for share in shares),
            known="22% / 1.0%",
            runs=runs,
            is_kept=at_most(shares[1], runs, 0.025),
        )
    ]


def verdicts(rng: np.random.Generator, scale: float) -> list[Row]:
    """600 cases, margin 2 points: what is said when the truth is -4, 0 and at the margin."""
    rows, runs = [], int(4_000 * scale)
    for name, better, worse, known in (
        ("-4 pts, 15% disagree", 0.055, 0.095, "24% / 50% / 26% / 0.2%"),
        ("0, 10% disagree", 0.05, 0.05, "passes 33%"),
        ("-2 pts, the margin, 10% disagree", 0.04, 0.06, "passes 2.5%"),
    ):
        said = dict.fromkeys(Verdict, 0)
        for b, c, _ in rng.multinomial(600, [better, worse, 1 - better - worse], runs).tolist():
            said[verdict_of(*interval(b, c, 600), 0.02)] += 1
        passed = (said[Verdict.BETTER] + said[Verdict.NON_INFERIOR]) / runs
        shares = [said[Verdict.REGRESSION] / runs, said[Verdict.WORSE] / runs]
        shares += [said[Verdict.INCONCLUSIVE] / runs, passed]
        rows.append(
            Row(
                what=f"600 cases, truth {name}: regression / worse / inconclusive / passes",
                measured=" / ".join(percent(share) for share in shares),
                known=known,
                runs=runs,
                is_kept=truth_is_better(better, worse) or at_most(passed, runs, 0.027),
            )
        )
    return rows


def truth_is_better(better: float, worse: float) -> bool:
    """Whether the truth is inside the margin, so that passing is right."""
    return better - worse > -0.02


def small_steps(rng: np.random.Generator, scale: float) -> list[Row]:
    """Six releases, each truly a point worse than the last, each gated at 2 points."""
    runs, n = int(4_000 * scale), 8_000
    shipped, anchored = np.ones(runs, bool), np.ones(runs, bool)
    for step in range(1, 7):
        shipped &= _passes(rng, runs, n, 0.01)
        anchored &= _passes(rng, runs, n, 0.01) & _passes(rng, runs, n, 0.01 * step)
    shares = float(shipped.mean()), float(anchored.mean())
    return [
        Row(
            what="six steps of -1 pt, 8,000 cases, margin 2: all shipped / with an anchor too",
            measured=" / ".join(percent(share) for share in shares),
            known="6 pts down / stopped",
            runs=runs,
            is_kept=shares[1] <= 0.01,
        )
    ]


def _passes(rng: np.random.Generator, runs: int, n: int, loss: float) -> np.ndarray:
    """Whether a gate of 2 points passes a candidate that truly loses so much."""
    odds = [0.05 - loss / 2, 0.05 + loss / 2, 0.9]
    counts = rng.multinomial(n, odds, runs)[:, :2].tolist()
    return np.array([interval(b, c, n)[0] > -0.02 for b, c in counts])


def tries(rng: np.random.Generator, scale: float) -> list[Row]:
    """Trying until it passes, and choosing the best of five."""
    runs, n = int(4_000 * scale), 1_000
    passes = np.stack([_passes(rng, runs, n, 0.02) for _ in range(5)])
    best = rng.normal(size=(runs, 5)).max(axis=1).mean()
    return [
        Row(
            what="a checkpoint at the margin ships: one attempt / five",
            measured=f"{percent(float(passes[0].mean()))} / "
            f"{percent(float(passes.any(axis=0).mean()))}",
            known="2.5% / 12%",
            runs=runs,
            is_kept=at_most(float(passes[0].mean()), runs, 0.027),
        ),
        Row(
            what="gain that the best of 5 equal checkpoints shows, in standard errors",
            measured=f"{best:.2f}",
            known="1.16",
            runs=runs,
        ),
    ]


SIMULATIONS = {
    "clusters": clusters,
    "sparse": sparse,
    "tango": tango,
    "slices": slices,
    "verdicts": verdicts,
    "small-steps": small_steps,
    "tries": tries,
}
