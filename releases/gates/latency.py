"""`latency`: is a quantile of the candidate's latency as low, live, as it has to be? Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from releases.gates import live_options, reading
from releases.gates.bound import read_bound
from releases.gates.contract import Evidence, Gate, Verdict
from releases.gates.live_options import live_terms
from releases.gates.live_verdict import Live, shown
from releases.gates.ratio import RatioLimit, read_ratio

_SHOWN = ("p50", "p95", "p99")


class Latency:
    """The share of slow units against the incumbent arm's, or against what the quantile allows."""

    kind = "latency"
    human = False
    schema = live_options.LATENCY

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """By the anytime-valid interval; harm also below the minimum sample."""
        found = read_latency(gate.options, evidence.observed or {}, now)
        return found.as_gate(gate.options.get("block_on", "regression"))


def read_latency(options: Mapping[str, Any], observed: Mapping[str, Any], now: datetime) -> Live:
    """What the slow units say.

    `ratio_at_most` r: the candidate's units slower than r times the incumbent's quantile T are no
    more often than the incumbent's slower than T, so the odds ratio is held to 1.
    """
    threshold = reading.number(observed, "threshold_ms")
    if threshold <= 0:
        raise reading.BadEvidence(f"threshold_ms is {threshold:g}, not above 0")
    name = f"latency p{100 * live_terms(options).quantile:.4g}"
    quantiles = _quantiles(observed)
    if "at_most_ms" in options:
        limit = float(options["at_most_ms"])
        if not math.isclose(threshold, limit, rel_tol=1e-9):
            raise reading.BadEvidence(f"slower than {threshold:g} ms counted, asked {limit:g} ms")
        allowed = 1 - live_terms(options).quantile
        text = f"{100 * allowed:.3g}% slower than {shown(limit)} ms"
        return read_bound(name, options, observed, now, allowed, text, f" slower{quantiles}")
    ratio = float(options["ratio_at_most"])
    slow = f"; slower than {shown(ratio * threshold)} ms against {shown(threshold)} ms"
    against = RatioLimit(
        odds=1.0,
        text=f"limit of {ratio:.4g}x the incumbent's",
        how="slow {}x as often as the incumbent so far",
    )
    return read_ratio(name, options, observed, now, against, f"{slow}{quantiles}")


def _quantiles(observed: Mapping[str, Any]) -> str:
    """`; p50 310..330 ms, p95 …`: the candidate's quantiles where they are known."""
    if "quantiles" not in observed:
        raise reading.BadEvidence("quantiles is not there; it is null when none is known")
    if observed["quantiles"] is None:
        return ""
    found = reading.table(observed, "quantiles")
    said = [f"{name} {_span(found, name)} ms" for name in _SHOWN if name in found]
    return f"; {', '.join(said)}" if said else ""


def _span(found: Mapping[str, Any], name: str) -> str:
    ends = found[name]
    if not isinstance(ends, (list, tuple)) or len(ends) != 2:
        raise reading.BadEvidence(f"{name} is {ends!r}, not two numbers")
    lo, hi = (reading.number({name: end}, name, infinite=True) for end in ends)
    if lo > hi:
        raise reading.BadEvidence(f"{name} is {lo:g}..{hi:g}")
    if math.isinf(hi):
        return f"at least {shown(lo)}" if math.isfinite(lo) else "unknown"
    return f"{shown(lo)}..{shown(hi)}" if math.isfinite(lo) else f"at most {shown(hi)}"
