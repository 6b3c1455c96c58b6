"""How long a checkpoint stayed in a stage without a break. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One release of a checkpoint in a stage; `until` None: it serves there now."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupation:
    """`since`: start of the stay that goes on now, None when there is none."""

    longest: timedelta
    since: datetime | None


def occupation(stays: Iterable[Stay]) -> Occupation:
    """The longest ended stay and the one that goes on; stays without a gap count as one."""
    longest = timedelta(0)
    for stay in continuous_stays(stays):
        if stay.until is None:
            return Occupation(longest=longest, since=stay.since)
        longest = max(longest, stay.until - stay.since)
    return Occupation(longest=longest, since=None)


def continuous_stays(stays: Iterable[Stay]) -> list[Stay]:
    """Stays without a gap between them joined into one, in order of time."""
    joined: list[Stay] = []
    for stay in sorted(stays, key=lambda stay: stay.since):
        last = joined[-1] if joined else None
        if last is None or (last.until is not None and stay.since > last.until):
            joined.append(stay)
        elif last.until is not None and (stay.until is None or stay.until > last.until):
            joined[-1] = Stay(since=last.since, until=stay.until)
    return joined
