"""`error_rate`: does the candidate fail more often, live, than it may? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from releases.gates import live_options
from releases.gates.bound import read_bound
from releases.gates.contract import Evidence, Gate, Verdict
from releases.gates.live_verdict import Live
from releases.gates.ratio import RatioLimit, read_ratio


class ErrorRate:
    """Failed units against the incumbent arm's, or against a fixed rate."""

    kind = "error_rate"
    human = False
    schema = live_options.ERROR_RATE

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """By the anytime-valid interval; harm also below the minimum sample."""
        found = read_error_rate(gate.options, evidence.observed or {}, now)
        return found.as_gate(gate.options.get("block_on", "regression"))


def read_error_rate(options: Mapping[str, Any], observed: Mapping[str, Any], now: datetime) -> Live:
    """What the failures say."""
    return read_rate("error rate", options, observed, now)


def read_rate(
    name: str, options: Mapping[str, Any], observed: Mapping[str, Any], now: datetime
) -> Live:
    """A rate of events against the incumbent's by ratio or points, or against `at_most`."""
    if "at_most" in options:
        return read_bound(name, options, observed, now, float(options["at_most"]))
    rate = options.get("reference_rate")
    limit = RatioLimit(
        odds=live_options.odds_limit(options),
        reference_rate=None if rate is None else float(rate),
    )
    return read_ratio(name, options, observed, now, limit)
