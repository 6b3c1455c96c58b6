"""Live evidence in the shapes that docs/gates.md promises; the intervals are of these counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from releases.gates.contract import Evidence
from releases.gates.guarding import Watched, watch
from tests.releases.gates.shapes import NOW

TIMES = {"since": (NOW - timedelta(days=4)).isoformat(), "until": NOW.isoformat()}


def interval(lo: Any, hi: Any, estimate: Any = 1.0, p: Any = 0.03) -> dict[str, Any]:
    return {"lo": lo, "hi": hi, "estimate": estimate, "p_always_valid": p}


def arms(
    batches: list[list[Any]],
    seen: dict[str, Any],
    share: float = 0.5,
    /,
    **fields: Any,
) -> dict[str, Any]:
    n0, n1 = sum(b[1] for b in batches), sum(b[3] for b in batches)
    return {
        "baseline_arm": "rc-1",
        "strata": batches,
        "again": [0, 0],
        "split": {"counts": [n0, n1], "expected_share": [1 - share, share]},
        "unit": "unit",
        "n_partners": 7,
        "interval": seen,
        "running": None,
        **TIMES,
        **fields,
    }


def alike(**fields: Any) -> dict[str, Any]:
    """2% on both arms, of 4,000 units: within twice the incumbent's."""
    strata = [[20, 1000, 25, 1000], [20, 1000, 15, 1000]]
    return arms(strata, interval(0.517879, 1.930951), **fields)


def better(**fields: Any) -> dict[str, Any]:
    return arms([[200, 2000, 100, 2000]], interval(0.310879, 0.710166, 0.473770), **fields)


def worse(**fields: Any) -> dict[str, Any]:
    return arms([[40, 2000, 80, 2000]], interval(1.12, 3.73, 2.04), **fields)


def early(**fields: Any) -> dict[str, Any]:
    return arms([[4, 200, 6, 200]], interval(0.270663, 10.372318, 1.513909), **fields)


def harmed_early(**fields: Any) -> dict[str, Any]:
    """Twelve of forty candidates' units against none of sixty."""
    return arms([[0, 60, 12, 40]], interval(1.39435, "inf", "inf"), **fields)


def harmed(**fields: Any) -> dict[str, Any]:
    return arms([[20, 1000, 20, 100]], interval(2.812268, 53.165368, 12.188206), 1 / 11, **fields)


def nothing_yet(**fields: Any) -> dict[str, Any]:
    return arms([[0, 500, 0, 500]], interval(0.0, "inf", None, 1.0), **fields)


def rate(
    x: int, n: int, lo: float, hi: float, limit: float = 0.02, **fields: Any
) -> dict[str, Any]:
    return {
        "bound": {"x": x, "n": n, "p_star": limit, "n_opt": 4000},
        "unit": "unit",
        "n_partners": 7,
        "interval": interval(lo, hi, x / n if n else None, None),
        "running": None,
        **TIMES,
        **fields,
    }


def slow(observed: dict[str, Any], threshold_ms: float = 800.0, **fields: Any) -> dict[str, Any]:
    quantiles = {"p50": [310.0, 330.0], "p95": [760.0, 845.0], "p99": [1400.0, "inf"]}
    return {**observed, "threshold_ms": threshold_ms, "quantiles": quantiles, **fields}


def costs(gap: float, half: float, n: int = 2000, **fields: Any) -> dict[str, Any]:
    known = n >= 100
    return {
        "baseline_arm": "rc-1",
        "mean1": 6.6 + gap,
        "sd1": 0.5,
        "n1": n,
        "mean0": 6.6,
        "sd0": 0.5,
        "n0": n,
        "n_opt": 4000,
        "split": {"counts": [n, n], "expected_share": [0.5, 0.5]},
        "unit": "unit",
        "n_partners": 7,
        "interval": interval(gap - half, gap + half, gap) if known else interval(None, None, None),
        "running": None,
        **TIMES,
        **fields,
    }


def money(mean: float, half: float, n: int = 4000, **fields: Any) -> dict[str, Any]:
    known = n >= 300
    return {
        "bound": {"mean": mean, "sd": 50.0, "n": n, "n_opt": 4000},
        "unit": "unit",
        "n_partners": 7,
        "interval": interval(mean - half, mean + half, mean)
        if known
        else interval(None, None, None),
        "running": None,
        **TIMES,
        **fields,
    }


def findings(
    counts: tuple[int, int, int, int], lo: Any, hi: Any, estimate: Any, **fields: Any
) -> dict[str, Any]:
    count1, exposure1, count0, exposure0 = counts
    return {
        "baseline_arm": "rc-1",
        "count1": count1,
        "exposure1": exposure1,
        "count0": count0,
        "exposure0": exposure0,
        "dispersion": 1.0,
        "interval": interval(lo, hi, estimate),
        **TIMES,
        **fields,
    }


def exposed(partners: dict[str, int] | None = None, days: Any = 4, **fields: Any) -> dict[str, Any]:
    made = {"acme": 4000, "globex": 3000, "initech": 3000} if partners is None else partners
    return {
        "since": TIMES["since"],
        "days": days,
        "n_requests": sum(made.values()),
        "partners": [{"partner": name, "n_requests": n} for name, n in made.items()],
        "first_at": TIMES["since"],
        "last_at": NOW.isoformat(),
        **fields,
    }


def finding(severity: str = "major", **fields: Any) -> dict[str, Any]:
    return {
        "id": "f1",
        "title": "Wrong column",
        "severity": severity,
        "state": "open",
        "unconfirmed": False,
        **fields,
    }


def found(**fields: Any) -> dict[str, Any]:
    return {"open": [], "closed_by_owner": [], "unconfirmed": [], **fields}


def votes(score: Any, lo: Any, hi: Any, **fields: Any) -> dict[str, Any]:
    return {
        "method": "win_score",
        "score": score,
        "lo": lo,
        "hi": hi,
        "n_votes": 760,
        "n_raters": 12,
        "tie_share": 0.21,
        "controlled": None,
        **fields,
    }


def mode(
    name: str = "refuses", rate: Any = 0.01, lo: Any = 0.004, hi: Any = 0.02, n: Any = 600
) -> Any:
    return {"mode": name, "predicted_rate": rate, "lo": lo, "hi": hi, "n": n}


def watched(kind: str, options: dict[str, Any], observed: Any, **evidence: Any) -> Watched:
    return watch(kind, options, Evidence(observed=observed, **evidence), NOW)
