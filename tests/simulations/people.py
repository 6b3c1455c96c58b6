"""What people say: blind votes, and a judge corrected by human labels."""

from __future__ import annotations

import numpy as np

from releases.statistics.agreement import cohen_kappa
from releases.statistics.contamination import contamination
from releases.statistics.judge_correction import ppi_mean
from releases.statistics.preferences import win_score
from tests.simulations.results import Row, at_least, at_most, percent


def votes(rng: np.random.Generator, scale: float) -> list[Row]:
    """Raters and prompts crossed, both with opinions of their own."""
    runs, n_raters, n_prompts = int(2_000 * scale), 15, 40
    rater, prompt = (each.ravel() for each in np.indices((n_raters, n_prompts)))
    kept = np.zeros(2)
    for _ in range(runs):
        lean = rng.normal(0, 0.5, n_raters)[rater] + rng.normal(0, 0.6, n_prompts)[prompt]
        strength = lean + rng.logistic(size=len(lean))
        y = np.where(np.abs(strength) < 0.3, 0.5, (strength > 0).astype(float))
        both = win_score(y, rater.tolist(), prompt.tolist())
        alone = win_score(y, None, prompt.tolist())
        for at, found in enumerate((both, alone)):
            assert found.lo is not None and found.hi is not None
            kept[at] += found.lo <= 0.5 <= found.hi
    shares = kept / runs
    return [
        Row(
            what="coverage of the win score, 15 raters x 40 prompts: both ways / prompts alone",
            measured=" / ".join(percent(share) for share in shares),
            known="95.5% / 86.8%",
            runs=runs,
            is_kept=at_least(float(shares[0]), runs, 0.94),
        )
    ]


def judge(rng: np.random.Generator, scale: float) -> list[Row]:
    """A judge that is right 85% of the time, corrected by few human labels."""
    rows, runs, n_rest = [], int(3_000 * scale), 1_000
    for n, known, floor in ((20, "89.5%", 0.87), (30, "92.5%", 0.9), (50, "93.8%", 0.925)):
        covered = 0
        for _ in range(runs):
            truth = (rng.random(n + n_rest) < 0.8).astype(float)
            says = np.where(rng.random(n + n_rest) < 0.85, truth, 1 - truth)
            found = ppi_mean(truth[:n], says[:n], says[n:])
            covered += found.lo <= 0.8 <= found.hi
        share = covered / runs
        rows.append(
            Row(
                what=f"coverage of the corrected judge, {n} labels, 1,000 judged",
                measured=percent(share),
                known=known,
                runs=runs,
                is_kept=at_least(share, runs, floor),
            )
        )
    return rows


def kind_judge(rng: np.random.Generator, scale: float) -> list[Row]:
    """A judge 6 points kinder to the candidate, truth -4, margin 2: what ships."""
    runs, n, n_rest = int(2_000 * scale), 200, 600
    raw = corrected = 0
    for _ in range(runs):
        d = rng.choice([1.0, 0.0, -1.0], n + n_rest, p=[0.08, 0.8, 0.12])
        says = d + rng.choice([1.0, 0.0, -1.0], len(d), p=[0.13, 0.8, 0.07])
        mean, se = says.mean(), says.std(ddof=1) / np.sqrt(len(says))
        raw += mean - 1.96 * se > -0.02
        corrected += ppi_mean(d[:n], says[:n], says[n:]).lo > -0.02
    shares = raw / runs, corrected / runs
    return [
        Row(
            what="a judge 6 pts too kind, truth -4, margin 2, ships: raw / corrected by 200 labels",
            measured=" / ".join(percent(share) for share in shares),
            known="42% / 0.4%",
            runs=runs,
            is_kept=at_most(shares[1], runs, 0.025),
        )
    ]


def kappa(rng: np.random.Generator, scale: float) -> list[Row]:
    """Kappa near 0.6 and 0.8 at 100 items."""
    rows, runs = [], int(3_000 * scale)
    for right, known, floor in ((0.9, "93-94.5%", 0.92), (0.95, "92.9%", 0.91)):
        same, apart = right**2 + (1 - right) ** 2, 2 * right * (1 - right)
        truth = 1 - 2 * apart
        covered = 0
        for table in rng.multinomial(100, [same / 2, apart / 2, apart / 2, same / 2], runs):
            found = cohen_kappa(table.reshape(2, 2).tolist())
            covered += found.lo is not None and found.lo <= truth <= (found.hi or 1)
        share = covered / runs
        rows.append(
            Row(
                what=f"coverage of kappa, truth {truth:.2f}, 100 items",
                measured=percent(share),
                known=known,
                runs=runs,
                is_kept=at_least(share, runs, floor),
            )
        )
    return rows


def leaks(rng: np.random.Generator, scale: float) -> list[Row]:
    """Contamination by 200 exposed and 100 fresh items: false alarms, and a leak of 14 points."""
    runs, found = int(2_000 * scale), []
    for leak in (0.0, 0.14):
        exposed = rng.choice([1.0, 0.0, -1.0], (runs, 200), p=[0.06 + leak, 0.88 - leak, 0.06])
        fresh = rng.choice([1.0, 0.0, -1.0], (runs, 100), p=[0.06, 0.88, 0.06])
        calls = [contamination(exposed[run], fresh[run]).lo > 0 for run in range(runs)]
        found.append(float(np.mean(calls)))
    return [
        Row(
            what="contamination called, 200 + 100 items: no leak / 14 points",
            measured=" / ".join(percent(share) for share in found),
            known="2.3% / 83%",
            runs=runs,
            is_kept=at_most(found[0], runs, 0.025),
        )
    ]


SIMULATIONS = {
    "votes": votes,
    "judge": judge,
    "kind-judge": kind_judge,
    "kappa": kappa,
    "leaks": leaks,
}
