"""Confirmed findings per answered request: the checkpoint's and those of the arm beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from alpha.live import Present, answered_requests
from alpha.selectors import findings_reported
from releases.gates.severity import Severity
from releases.statistics.feedback import dispersion, feedback_rate, feedback_rate_ratio

Reported = tuple[dict[str, int], dict[str, int]]
"""Confirmed findings and answered requests per partner."""


def per_request(
    options: Mapping[str, Any],
    confidence: float,
    stays: Sequence[Present],
    since: datetime,
    now: datetime,
) -> dict[str, Any]:
    """Counts, exposures, bursts and the exact interval, as `docs/gates.md` names them."""
    least = Severity(options.get("at_or_above", Severity.MINOR))
    own = [release for stay in stays for release in stay.release_ids]
    count1, exposure1 = _reported(own, since, now, least)
    observed: dict[str, Any] = {
        "count1": sum(count1.values()),
        "exposure1": sum(exposure1.values()),
        "dispersion": _dispersion(count1, exposure1),
    }
    if "at_most_per_1000" in options:
        rate = feedback_rate(observed["count1"], observed["exposure1"], confidence)
        interval = {"lo": rate.lo, "hi": rate.hi, "estimate": rate.rate}
        return {**observed, "interval": {**interval, "p_always_valid": None}}
    others = [release for stay in stays for release in stay.baseline_release_ids]
    count0, exposure0 = _reported(others, since, now, least)
    observed |= {"count0": sum(count0.values()), "exposure0": sum(exposure0.values())}
    given = (observed[name] for name in ("count1", "exposure1", "count0", "exposure0"))
    ratio = feedback_rate_ratio(*given, confidence)
    interval = {"lo": ratio.lo, "hi": ratio.hi, "estimate": ratio.ratio}
    return {**observed, "interval": {**interval, "p_always_valid": None}}


def by_partner(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Answered requests per partner."""
    partners: dict[str, int] = {}
    for row in rows:
        partners[row["partner"]] = partners.get(row["partner"], 0) + int(row["n_requests"])
    return partners


def _reported(
    releases: Sequence[UUID], since: datetime, now: datetime, least: Severity
) -> Reported:
    requests = by_partner(answered_requests(releases, since, now))
    return findings_reported(releases, since, now, least), requests


def _dispersion(counts: Mapping[str, int], exposure: Mapping[str, int]) -> float | None:
    if len(exposure) < 2:
        return None
    names = sorted(exposure)
    found = dispersion([counts.get(n, 0) for n in names], [exposure[n] for n in names])
    return found.dispersion
