"""What pipeline files may name of partners, and what gates on live traffic can settle."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from alpha import selectors
from alpha.recent_traffic import RecentTraffic, recent_traffic
from infra import clock
from infra.errors import NotFound
from releases.gates import live_options
from releases.models import Stage
from releases.policy.advice import Question, Read
from releases.policy.names import Mention, What
from releases.statistics import live_planning, planning
from releases.statistics.votes import votes_needed

# Share of votes that see no difference, where none were counted yet.
ASSUMED_TIES = 0.3
# Standard deviation of the logarithm of a call's cost, where none were counted yet.
ASSUMED_SPREAD = 1.0
_DEFAULT_EDGE = 0.03
Told = tuple[str, dict[str, Any]]


class TrafficPolicy:
    """Cohorts; the live kinds, as gates and as guardrails."""

    names = frozenset({What.COHORT})

    def __init__(self) -> None:
        self.kinds = frozenset(_ADVISERS)

    def problem(self, mention: Mention) -> str:
        """Empty, or what the lookup says."""
        try:
            selectors.cohort_named(mention.name)
        except NotFound as unknown:
            return unknown.message
        return ""

    def settles(self, question: Question) -> tuple[str, Mapping[str, Any]]:
        """Events, requests and days it takes, by the traffic of the last days."""
        advise = _ADVISERS[question.gate.kind]
        if question.gate.kind == "preference":
            told = [advise(question, None, None)]
        else:
            told = [advise(question, read, _traffic(question, read)) for read in question.reads]
        if not told:
            return "There is no stage to read: give this one an `after`, or name a `stage`.", {}
        # Several stages that say the same, as before any traffic, say it once.
        sentence = "; ".join(dict.fromkeys(sentence for sentence, _ in told if sentence))
        return (f"{sentence}.", told[0][1]) if sentence else ("", {})


def _traffic(question: Question, read: Read) -> RecentTraffic | None:
    """None before the stage had any."""
    stage = Stage.objects.filter(pipeline__name=question.pipeline, name=read.stage).first()
    return recent_traffic(stage, clock.now()) if stage else None


def _rate(question: Question, read: Read | None, traffic: RecentTraffic | None) -> Told:
    options = question.gate.options
    event = "failed units" if question.gate.kind == "error_rate" else "units with a thumbs-down"
    if options.get("counts") == live_options.Counts.CONFIRMED_FINDINGS.value:
        return _findings(options, read, traffic)
    rate = traffic.rate_of(question.gate.kind) if traffic else None
    if "at_most" in options:
        return _bound(float(options["at_most"]), rate, event, options, traffic)
    try:
        ratio = live_options.odds_limit(options)
    except ValueError as error:
        return str(error), {}
    return _ratio(ratio, event, rate, options, read, traffic)


def _ratio(
    ratio: float,
    event: str,
    rate: float | None,
    options: Mapping[str, Any],
    read: Read | None,
    traffic: RecentTraffic | None,
) -> Told:
    """Events in both arms, then units and days at the rate so far."""
    share = read.candidate_share if read else None
    if share is None:
        return "there is no incumbent arm to compare with", {}
    numbers: dict[str, Any] = {"ratio": ratio, "candidate_share": share}
    if ratio == 1:
        return "no number of events rules out any difference at all", numbers
    confidence = live_options.live_terms(options).confidence
    events = planning.events_needed(ratio, share, confidence)
    numbers["events"] = events
    split = f"with {share:.0%} of the traffic on the candidate"
    sentence = f"ruling out {ratio:.3g}x takes about {events:,} {event} in both arms, {split}"
    return _in_days(sentence, numbers, events, rate, traffic)


def _in_days(
    sentence: str,
    numbers: dict[str, Any],
    events: float,
    rate: float | None,
    traffic: RecentTraffic | None,
) -> Told:
    if traffic is None or traffic.n_requests == 0:
        return f"{sentence}; there was no traffic yet to tell how many days that is", numbers
    if not rate:
        seen = f"in {traffic.n_units:,} units of {traffic.stage} there were none"
        return f"{sentence}; {seen}, so this takes long", numbers
    units = math.ceil(events / rate)
    return _units(f"{sentence}; at {rate:.2%} of units so far", numbers, units, traffic)


def _units(sentence: str, numbers: dict[str, Any], units: int, traffic: RecentTraffic) -> Told:
    days = units / traffic.units_per_day
    requests = math.ceil(units * traffic.n_requests / traffic.n_units)
    numbers |= {"units": units, "requests": requests, "days": days}
    pace = f"{units:,} units or {requests:,} requests, {_days(days)} at the traffic of"
    return f"{sentence} that is {pace} {traffic.stage}", numbers


def _bound(
    limit: float,
    rate: float | None,
    event: str,
    options: Mapping[str, Any],
    traffic: RecentTraffic | None,
) -> Told:
    """Units until a rate as it is now lies surely below a fixed limit."""
    terms = live_options.live_terms(options)
    assumed = rate is None
    expected = limit / 2 if rate is None else rate
    numbers: dict[str, Any] = {"at_most": limit, "rate": expected, "assumed": assumed}
    source = "assumed" if assumed else "as so far"
    if expected >= limit:
        return f"{expected:.2%} {event} so far are not below {limit:.2%}", numbers
    needed = live_planning.units_to_clear(
        expected, limit, limit, terms.expected_units, terms.confidence
    )
    if math.isinf(needed):
        return f"{expected:.2%} {event} ({source}) are too near {limit:.2%} to tell", numbers
    units = max(math.ceil(needed), terms.min_units)
    sentence = f"{units:,} units show {event} below {limit:.2%} when they are {expected:.2%}"
    numbers["units"] = units
    if traffic is None or traffic.n_requests == 0:
        return f"{sentence} ({source}; no traffic yet to tell how many days that is)", numbers
    return _units(f"{sentence} ({source});", numbers, units, traffic)


def _findings(options: Mapping[str, Any], read: Read | None, traffic: RecentTraffic | None) -> Told:
    if "ratio_at_most" in options:
        return _ratio(
            float(options["ratio_at_most"]), "confirmed findings", None, options, read, None
        )
    limit = float(options["at_most_per_1000"])
    requests = live_planning.exposure_to_clear(0, 1.0, limit / 1000)
    numbers: dict[str, Any] = {"at_most_per_1000": limit, "requests": requests}
    sentence = f"{requests:,.0f} requests without a finding show less than {limit:g} in 1,000"
    return _requests(sentence, numbers, requests, traffic)


def _requests(
    sentence: str, numbers: dict[str, Any], requests: float, traffic: RecentTraffic | None
) -> Told:
    if traffic is None or traffic.n_requests == 0:
        return f"{sentence}; there was no traffic yet to tell how many days that is", numbers
    days = requests / traffic.requests_per_day
    numbers["days"] = days
    return f"{sentence}: {_days(days)} at the traffic of {traffic.stage}", numbers


def _latency(question: Question, read: Read | None, traffic: RecentTraffic | None) -> Told:
    """By the share of calls beyond the incumbent's quantile, and beyond its allowed multiple."""
    options = question.gate.options
    beyond = 1 - live_options.live_terms(options).quantile
    if "at_most_ms" in options:
        limit_ms = float(options["at_most_ms"])
        rate = traffic.share_slower_than(limit_ms) if traffic else None
        return _bound(beyond, rate, f"units over {limit_ms:g} ms", options, traffic)
    ratio = float(options["ratio_at_most"])
    slower = traffic.slower_than_quantile(1 - beyond, ratio) if traffic else None
    if slower is None:
        return "how many slow units it takes depends on the latencies, and none were seen yet", {}
    share, odds = read.candidate_share if read else None, _odds(beyond) / _odds(slower)
    if share is None or odds <= 1:
        return f"no candidate as fast as the incumbent is shown to be within {ratio:.3g}x", {}
    seen = (1 - share) * beyond + share * slower
    told, numbers = _ratio(odds, "slow units", seen, options, read, traffic)
    return f"for a candidate as fast as the incumbent: {told}", {**numbers, "latency_ratio": ratio}


def _odds(rate: float) -> float:
    """Kept off 0 and 1: the few calls seen so far can't show either."""
    kept = min(max(rate, 0.001), 0.999)
    return kept / (1 - kept)


def _cost(question: Question, read: Read | None, traffic: RecentTraffic | None) -> Told:
    options, share = question.gate.options, read.candidate_share if read else None
    terms = live_options.live_terms(options)
    spread = traffic.log_cost_spread if traffic and traffic.log_cost_spread else ASSUMED_SPREAD
    if "ratio_at_most" not in options or share is None:
        return "", {}
    ratio, n = float(options["ratio_at_most"]), terms.expected_units
    se = spread * math.sqrt(1 / (n * share) + 1 / (n * (1 - share)))
    times = live_planning.growth_to_clear(se, n, math.log(ratio), n, terms.confidence)
    numbers: dict[str, Any] = {"ratio": ratio, "candidate_share": share, "spread": spread}
    if math.isinf(times):
        return f"no reasonable number of units rules out {ratio:.3g}x the cost", numbers
    units = max(math.ceil(n * times), 2 * terms.min_units)
    numbers["units"] = units
    sentence = f"{units:,} units rule out {ratio:.3g}x the cost of a call"
    if traffic is None or traffic.n_requests == 0:
        return f"{sentence} (assumed: its logarithm spreads by {spread:g})", numbers
    return _units(f"{sentence};", numbers, units, traffic)


def _exposure(question: Question, read: Read | None, traffic: RecentTraffic | None) -> Told:
    options = question.gate.options
    requests, days, partners = (int(options.get(k, 0)) for k in ("requests", "days", "partners"))
    numbers: dict[str, Any] = {"requests": requests, "days": days, "partners": partners}
    wanted = [f"{requests:,} requests"] * bool(requests) + [f"{days} days"] * bool(days)
    wanted += [f"{partners} partners"] * bool(partners)
    asked = f"it asks for {', '.join(wanted)}"
    if traffic is None or traffic.n_requests == 0:
        return f"{asked}; there was no traffic yet to tell how long that takes", numbers
    takes = max(days, requests / traffic.requests_per_day)
    numbers |= {"takes_days": takes, "partners_so_far": traffic.n_partners}
    pace = f"{traffic.requests_per_day:,.0f} requests a day of {traffic.n_partners} partners"
    return f"{asked}: about {_days(takes)} at the {pace} that {traffic.stage} has", numbers


def _preference(question: Question, read: Read | None, traffic: RecentTraffic | None) -> Told:
    edge = float(question.gate.options.get("margin", _DEFAULT_EDGE))
    votes = votes_needed(edge, ASSUMED_TIES).n
    numbers = {"margin": edge, "votes": votes, "tie_share": ASSUMED_TIES}
    ties = f"assumed: {ASSUMED_TIES:.0%} of them ties"
    return f"{votes:,} votes settle {100 * edge:.3g} win-score points ({ties})", numbers


_ADVISERS: Mapping[str, Callable[[Question, Read | None, RecentTraffic | None], Told]] = {
    "error_rate": _rate,
    "feedback_rate": _rate,
    "latency": _latency,
    "cost": _cost,
    "exposure": _exposure,
    "preference": _preference,
}


def _days(days: float) -> str:
    if days < 1:
        return f"{max(1, math.ceil(24 * days))} hours"
    return f"{days:,.1f} days" if days < 10 else f"{math.ceil(days):,} days"
