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
    longest, start, end = timedelta(0), None, None
    for stay in sorted(stays, key=lambda stay: stay.since):
        if start is None or end is None or stay.since > end:
            start, end = stay.since, stay.until
        elif stay.until is None or stay.until > end:
            end = stay.until
        if end is None:
            return Occupation(longest=longest, since=start)
        longest = max(longest, end - start)
    return Occupation(longest=longest, since=None)
