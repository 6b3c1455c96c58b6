"""`exposure`: did enough real partners use the checkpoint, long enough? Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from releases.gates import options, reading
from releases.gates.contract import Evidence, Gate, Verdict
from releases.states import Outcome
from releases.statistics.wording import about

_COUNT: options.Schema = {"type": "integer", "minimum": 1, "maximum": 10**12}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the checkpoint was exposed to since its present stay began."""

    since: datetime
    days: int
    n_requests: int
    partners: Mapping[str, int]
    last_at: datetime | None

    @property
    def largest(self) -> tuple[str, int]:
        """The partner with the most requests; nobody without any."""
        return max(self.partners.items(), key=lambda item: item[1], default=("", 0))


class Exposure:
    """At least so many partners, days and requests; no partner with more than its share."""

    kind = "exposure"
    human = False
    schema: options.Schema = {
        **options.options_schema(
            {
                "stage": {"type": "string", "minLength": 1, "maxLength": 60},
                "partners": _COUNT,
                "days": {"type": "integer", "minimum": 1, "maximum": 3650},
                "requests": _COUNT,
                "largest_share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            }
        ),
        "anyOf": [{"required": [key]} for key in ("partners", "days", "requests")],
    }

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """Pass when all that was asked for is reached; it never fails, it waits."""
        seen = _seen(evidence.observed or {}, now)
        missing = [*_missing(gate.options, seen, now), *_share_missing(gate.options, seen)]
        name, n_largest = seen.largest
        asked = {
            key: value
            for key, value in gate.options.items()
            if key in ("partners", "days", "requests", "largest_share")
        }
        numbers = (
            f"{_n(len(seen.partners), 'partner')} made {_n(seen.n_requests, 'request')} on "
            f"{_n(seen.days, 'day')} since {seen.since:%Y-%m-%d %H:%M} UTC"
        )
        return Verdict(
            outcome=Outcome.INCONCLUSIVE if missing else Outcome.PASS,
            code="exposure_short" if missing else "exposed",
            sentence=f"{numbers}{_needs(missing)}.",
            observed={
                "n_partners": len(seen.partners),
                "days": seen.days,
                "n_requests": seen.n_requests,
                "largest_partner": name,
                "largest_n_requests": n_largest,
            },
            required=asked,
            clears_at=_clears_at(gate.options, seen, missing, now),
        )


def _n(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _needs(missing: list[str]) -> str:
    return f"; still needed: {'; '.join(missing)}" if missing else ": enough"


def _seen(observed: Mapping[str, Any], now: datetime) -> _Seen:
    since, days = reading.moment(observed, "since"), reading.count(observed, "days")
    n_requests = reading.count(observed, "n_requests")
    partners: dict[str, int] = {}
    for row in reading.rows(observed, "partners"):
        name, n = reading.text(row, "partner"), reading.count(row, "n_requests")
        if name in partners or not n:
            raise reading.BadEvidence(f"the partner {name} is there twice, or without a request")
        partners[name] = n
    if sum(partners.values()) != n_requests:
        raise reading.BadEvidence(
            f"the partners made {sum(partners.values())} requests, n_requests is {n_requests}"
        )
    last_at = _last(observed, since, days, now) if n_requests else None
    if not n_requests and days:
        raise reading.BadEvidence(f"{days} days without a request")
    return _Seen(
        since=since.astimezone(UTC),
        days=days,
        n_requests=n_requests,
        partners=partners,
        last_at=last_at,
    )


def _last(observed: Mapping[str, Any], since: datetime, days: int, now: datetime) -> datetime:
    first, last = reading.moment(observed, "first_at"), reading.moment(observed, "last_at")
    if not since <= first <= last <= now:
        raise reading.BadEvidence(f"{since}, {first}, {last}, {now} are not in order")
    most = (last.astimezone(UTC).date() - first.astimezone(UTC).date()).days + 1
    if not 1 <= days <= most:
        raise reading.BadEvidence(f"{days} days with a request, from {first} to {last}")
    return last.astimezone(UTC)


def _missing(given: Mapping[str, Any], seen: _Seen, now: datetime) -> list[str]:
    """What is still needed, each with how long it takes where that can be told."""
    found = []
    partners = int(given.get("partners", 0)) - len(seen.partners)
    if partners > 0:
        found.append(_n(partners, "more partner"))
    days = int(given.get("days", 0)) - seen.days
    if days > 0:
        found.append(f"{_n(days, 'more day')} with a request")
    requests = int(given.get("requests", 0)) - seen.n_requests
    if requests > 0:
        found.append(f"{_n(requests, 'more request')}{_pace(requests, seen, now)}")
    return found


def _pace(requests: int, seen: _Seen, now: datetime) -> str:
    elapsed = (now - seen.since).total_seconds() / 86400
    if not seen.n_requests or elapsed <= 0:
        return ""
    days = math.ceil(requests * elapsed / seen.n_requests)
    return f", about {_n(days, 'day')} at this traffic"


def _share_missing(given: Mapping[str, Any], seen: _Seen) -> list[str]:
    """The cap on one partner's share; exact counts may touch it."""
    name, n = seen.largest
    cap = float(given.get("largest_share", 1))
    if n <= cap * seen.n_requests:
        return []
    others = math.ceil(n / cap) - seen.n_requests
    return [
        f"{name} made {100 * n / seen.n_requests:.0f}%, at most {100 * cap:.4g}% may be of one "
        f"partner: about {about(others)} more requests by others"
    ]


def _clears_at(
    given: Mapping[str, Any], seen: _Seen, missing: list[str], now: datetime
) -> datetime | None:
    """The earliest moment, where days alone are missing."""
    days = int(given.get("days", 0)) - seen.days
    if days <= 0 or len(missing) != 1:
        return None
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    counted_today = seen.last_at is not None and seen.last_at >= today
    ahead = days if counted_today else days - 1
    return today + timedelta(days=ahead) if ahead else None
