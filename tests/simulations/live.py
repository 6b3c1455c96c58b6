"""Live methods: false alarms while somebody looks all the time, and how soon harm is found."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from releases.statistics import ratio_sequence
from releases.statistics.mean_sequence import mean_difference_sequence
from tests.simulations.results import Row, at_most, percent

LIMIT = math.log(20)
BATCH = 50
N_REQUESTS = 10_000
NO_DIFFERENCE = 80
DAY = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests in batches of 50: base rate and candidate's share over time."""

    rate: float
    share: float | tuple[float, ...] = 0.5
    drift: float = 0.0
    """Amplitude of the daily cycle, as a share of the rate."""
    odds: float = 1.0
    """How many times the candidate's rate is the incumbent's."""
    n_requests: int = N_REQUESTS

    def strata(self, rng: np.random.Generator, runs: int) -> np.ndarray:
        """Counts of shape (runs, batches, 4): x0, n0, x1, n1."""
        n_batches = self.n_requests // BATCH
        at = np.arange(n_batches) * BATCH
        rate = self.rate * (1 + self.drift * np.sin(2 * math.pi * at / DAY))
        steps = np.atleast_1d(self.share)
        share = steps[np.arange(n_batches) * len(steps) // n_batches]
        n1 = rng.binomial(BATCH, share, (runs, n_batches))
        n0 = BATCH - n1
        x0, x1 = rng.binomial(n0, rate), rng.binomial(n1, rate * self.odds)
        return np.stack([x0, n0, x1, n1], axis=-1)


def log_e(strata: np.ndarray, log_ratio: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The e-process of every run at every look, and whether it speaks against the candidate."""
    rows, where = np.unique(strata.reshape(-1, 4), axis=0, return_inverse=True)
    points = np.append(ratio_sequence.GRID, log_ratio)
    table = likelihoods(rows.astype(np.float64), points)
    where = where.reshape(strata.shape[:2])
    against, is_worse = [], []
    for chunk in np.array_split(where, max(1, len(where) // 100)):
        total = table[chunk].cumsum(axis=1)
        grid = total[:, :, :-1]
        top = grid.max(axis=2)
        weighed = np.exp(grid - top[:, :, None]) @ np.exp(ratio_sequence.LOG_PRIOR)
        against.append(top + np.log(weighed) - total[:, :, -1])
        is_worse.append(points[grid.argmax(axis=2)] > log_ratio)
    return np.concatenate(against), np.concatenate(is_worse)


def likelihoods(rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Each stratum's log likelihood at each log odds ratio; 0 where it tells nothing."""
    x0, n0, x1, n1 = rows.T
    kept = (n0 > 0) & (n1 > 0) & (x0 + x1 > 0) & (x0 + x1 < n0 + n1)
    strata = ratio_sequence._hypergeometric(rows[kept])
    table = np.zeros((len(rows), len(points)))
    for at, g in enumerate(points):
        sums = strata.log_sums(strata.log_weights + strata.support * g)
        table[kept, at] = x1[kept] * g - sums
    return table


def first_alarm(is_alarm: np.ndarray) -> np.ndarray:
    """Requests until the first alarm of each run; infinite without one."""
    found = is_alarm.any(axis=1)
    return np.where(found, (is_alarm.argmax(axis=1) + 1) * BATCH, math.inf)


def pooled(strata: np.ndarray, n_star: int = 5_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What pooling all batches does: |z|, its anytime limit, and the units of the smaller arm."""
    x0, n0, x1, n1 = strata.cumsum(axis=1).transpose(2, 0, 1).astype(np.float64)
    with np.errstate(all="ignore"):
        p0, p1 = x0 / n0, x1 / n1
        z = np.abs(p1 - p0) / np.sqrt(p0 * (1 - p0) / n0 + p1 * (1 - p1) / n1)
    alpha, level = 0.05, -2 * math.log(0.05)
    r = (n0 + n1) * (level + math.log(level + 1)) / n_star
    limit = np.sqrt(2 * (r + 1) / r * np.log(np.sqrt(r + 1) / alpha))
    return np.where(np.isfinite(z), z, 0.0), limit, np.minimum(n0, n1)


ALARMS = (
    ("2%, 50/50", Traffic(rate=0.02), "2.5% / 1.8% / 1.8% / 36%"),
    ("2%, 10% canary", Traffic(rate=0.02, share=0.1), "1.3% / 28% / 18% / 71%"),
    ("0.2%, 10% canary", Traffic(rate=0.002, share=0.1), "0.0% / 33% / 33% / 66%"),
    (
        "5%, daily drift, ramped 2-10-50%",
        Traffic(rate=0.05, share=(0.02, 0.1, 0.5), drift=0.6),
        "2.7% / 69% / 26% / 97%",
    ),
    (
        "30%, daily drift, ramped 2-10-50%",
        Traffic(rate=0.3, share=(0.02, 0.1, 0.5), drift=0.6),
        "3.3% / 98% / 94% / 100%",
    ),
)
DETECTIONS = (
    ("2% -> 4%, 50/50", Traffic(rate=0.02, odds=2), "2,325 / 3,850"),
    ("2% -> 4%, 10% canary", Traffic(rate=0.02, share=0.1, odds=2), "4,950 / 9,000"),
    ("2% -> 10%, 10% canary", Traffic(rate=0.02, share=0.1, odds=5), "850 / 1,300"),
    ("10% -> 13%, 50/50", Traffic(rate=0.1, odds=1.3), "3,950 / 6,400"),
    ("30% -> 34%, 50/50", Traffic(rate=0.3, odds=34 / 30), "4,750 / 8,500"),
)


def false_alarms(rng: np.random.Generator, scale: float) -> list[Row]:
    """Over 10,000 requests, a look every 50, nothing different."""
    rows, runs = [], int(2_000 * scale)
    for name, traffic, known in ALARMS:
        strata = traffic.strata(rng, runs)
        ours = float((log_e(strata)[0] >= LIMIT).any(axis=1).mean())
        z, limit, smaller = pooled(strata)
        others = [z > limit, (z > limit) & (smaller >= 100), z > 1.96]
        shares = [ours, *(float(each.any(axis=1).mean()) for each in others)]
        rows.append(
            Row(
                what=f"false alarms, {name}: this / pooled CS / from 100 an arm / peeking z",
                measured=" / ".join(percent(share) for share in shares),
                known=known,
                runs=runs,
                is_kept=at_most(ours, runs, 0.05),
            )
        )
    return rows


def detection(rng: np.random.Generator, scale: float) -> list[Row]:
    """Requests until harm is found, median and 80th percentile, and the pooled sequence's."""
    rows, runs = [], int(1_000 * scale)
    for name, traffic, known in DETECTIONS:
        strata = Traffic(
            rate=traffic.rate, share=traffic.share, odds=traffic.odds, n_requests=30_000
        ).strata(rng, runs)
        against, is_worse = log_e(strata)
        median, late = np.quantile(first_alarm((against >= LIMIT) & is_worse), (0.5, 0.8))
        planned = float(known.split(" / ")[0].replace(",", ""))
        rows.append(
            Row(
                what=f"requests to find {name}: median / 80th percentile",
                measured=f"{median:,.0f} / {late:,.0f}",
                known=known,
                runs=runs,
                is_kept=bool(median <= 1.25 * planned),
            )
        )
    return rows


def ruling_out(rng: np.random.Generator, scale: float) -> list[Row]:
    """Events until a ratio is ruled out when there is no difference: the planning formula."""
    rows, runs = [], int(1_000 * scale)
    for kappa, plan, known in ((2.0, 69, "66 / 135 (planned 69)"), (1.5, 228, "199 / 433 (228)")):
        strata = Traffic(rate=0.1, n_requests=40 * plan).strata(rng, runs)
        against, is_worse = log_e(strata, math.log(kappa))
        done = (against >= LIMIT) & ~is_worse
        events = strata[:, :, 0].cumsum(axis=1) + strata[:, :, 2].cumsum(axis=1)
        first = np.where(
            done.any(axis=1), events[np.arange(runs), done.argmax(axis=1)].astype(float), math.inf
        )
        median, late = np.quantile(first, (0.5, 0.9))
        rows.append(
            Row(
                what=f"events to rule out {kappa:g}x, 50/50: median / 90th percentile",
                measured=f"{median:.0f} / {late:.0f}",
                known=known,
                runs=runs,
                is_kept=bool(median <= 1.2 * plan),
            )
        )
    return rows


def late_failure(rng: np.random.Generator, scale: float) -> list[Row]:
    """A candidate that starts to fail after a long good stay: requests from then on."""
    rows, runs = [], int(500 * scale)
    for share in (0.5, 0.1):
        good = Traffic(rate=0.02, share=share, n_requests=20_000).strata(rng, runs)
        bad = Traffic(rate=0.02, share=share, odds=10, n_requests=20_000).strata(rng, runs)
        against, is_worse = log_e(np.concatenate([good, bad], axis=1))
        alarm = ((against >= LIMIT) & is_worse)[:, good.shape[1] :]
        median, late = np.quantile(first_alarm(alarm), (0.5, 0.8))
        rows.append(
            Row(
                what=f"requests to find 2% -> 20% after 20,000 good ones, {percent(share)}: "
                "median / 80th percentile",
                measured=f"{median:,.0f} / {late:,.0f}",
                known="not given",
                runs=runs,
            )
        )
    return rows


def unbounded_means(rng: np.random.Generator, scale: float) -> list[Row]:
    """A heavy-tailed cost in a 10% canary: on logarithms from 100 units, on raw values from 1."""
    runs, n = int(1_000 * scale), 5_000
    looks = np.arange(BATCH, n + 1, BATCH) - 1
    logs = rng.normal(size=(runs, n))
    is_candidate = rng.random((runs, n)) < 0.1
    alarms = {}
    for name, values in (("log", logs), ("raw", np.exp(logs))):
        parts = []
        for arm in (is_candidate, ~is_candidate):
            units = arm.cumsum(axis=1)[:, looks]
            total = (values * arm).cumsum(axis=1)[:, looks]
            squares = (values**2 * arm).cumsum(axis=1)[:, looks]
            mean = total / np.maximum(units, 1)
            spread = np.maximum(squares - units * mean**2, 0) / np.maximum(units - 1, 1)
            parts += [mean, np.sqrt(spread), units]
        least = 100 if name == "log" else 2
        alarms[name] = mean_alarms(*parts, n_star=4_000, least=least)
    shares = [float(alarms[name].any(axis=1).mean()) for name in ("log", "raw")]
    return [
        Row(
            what="false alarms of a mean, lognormal, 10% canary: logs from 100 an arm / raw from 2",
            measured=" / ".join(percent(share) for share in shares),
            known="1.8% / 8.2%",
            runs=runs,
            is_kept=at_most(shares[0], runs, 0.05),
        )
    ]


def mean_alarms(*parts: np.ndarray, n_star: int, least: int) -> np.ndarray:
    """Where the asymptotic sequence excludes no difference, from `least` units an arm."""
    mean1, sd1, n1, mean0, sd0, n0 = parts
    level = -2 * math.log(0.05)
    r = (n1 + n0) * (level + math.log(level + 1)) / n_star
    with np.errstate(all="ignore"):
        se = np.sqrt(sd1**2 / n1 + sd0**2 / n0)
        half = se * np.sqrt(2 * (r + 1) / r * np.log(np.sqrt(r + 1) / 0.05))
    _check_one(parts, half, n_star)
    return (np.minimum(n1, n0) >= least) & (np.abs(mean1 - mean0) > half)


def _check_one(parts: tuple[np.ndarray, ...], half: np.ndarray, n_star: int) -> None:
    """The vectorised formula is the product's."""
    mean1, sd1, n1, mean0, sd0, n0 = (float(part[0, -1]) for part in parts)
    found = mean_difference_sequence(mean1, sd1, int(n1), mean0, sd0, int(n0), n_star)
    assert found.lo is not None
    assert math.isclose(mean1 - mean0 - found.lo, float(half[0, -1]), rel_tol=1e-9)


SIMULATIONS = {
    "odds-alarms": false_alarms,
    "odds-detection": detection,
    "odds-planning": ruling_out,
    "late-failure": late_failure,
    "means": unbounded_means,
}
