"""Recurrence rules of RFC 5545, bounded so that walking one always ends soon. Pure.

The rule's own arithmetic is python-dateutil's; `UNTIL` and `COUNT` are held here, because a rule in
a time zone ends at a moment in UTC, and a rule that matches nothing would be walked to year 9999.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from math import prod
from zoneinfo import ZoneInfo, available_timezones

from dateutil.rrule import rrule, rrulestr

EARLIEST = datetime(2000, 1, 1)
LATEST = datetime(2200, 1, 1)
# Finer ones make thousands of windows a day, and nothing that people would call a freeze.
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
# The values that RFC 5545, 3.3.10 allows; a negative one counts from the end.
_RANGES = {
    "BYSECOND": range(60),
    "BYMINUTE": range(60),
    "BYHOUR": range(24),
    "BYMONTHDAY": range(-31, 32),
    "BYYEARDAY": range(-366, 367),
    "BYWEEKNO": range(-53, 54),
    "BYMONTH": range(1, 13),
    "BYSETPOS": range(-366, 367),
}
_KEYS = frozenset({"FREQ", "UNTIL", "COUNT", "INTERVAL", "WKST", "BYDAY", *_RANGES})
_CLOCK = ("BYHOUR", "BYMINUTE", "BYSECOND")
_ONLY_WITH = {
    "BYWEEKNO": ("YEARLY",),
    "BYYEARDAY": ("YEARLY",),
    "BYMONTHDAY": ("YEARLY", "MONTHLY", "DAILY"),
}
_PART = re.compile(r"([A-Z]+)=([A-Z0-9,+-]+)")
_NUMBER = re.compile(r"[0-9]{1,4}")
_START = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")
_UNTIL = re.compile(r"([0-9]{8})(T[0-9]{6})?(Z)?")
_DAY = re.compile(r"([+-]?[1-9][0-9]?)?(MO|TU|WE|TH|FR|SA|SU)")
_TIMES_A_DAY = 24
# The calendar repeats itself, weekdays included.
_CYCLE = 400
# Files that every system has among its time zones, and that name none.
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """Local starts, from the first one on."""

    first: datetime
    rule: rrule | None
    count: int | None
    until: datetime | None
    """Aware: a moment; naive: local time."""

    def starts(self, zone: ZoneInfo, before: datetime) -> Iterator[datetime]:
        """The local starts in order, none of them later than `before` (local)."""
        if self.rule is None:
            yield from (self.first,) if self.first <= before else ()
            return
        for start in islice(self.rule.replace(until=before), self.count):
            if self.until is not None and _after(start, self.until, zone):
                return
            yield start

    def opens_within(self, years: int) -> bool:
        """Whether there is a start in so many years.

        Asked near the end of the calendar, as many cycles later: the library walks a rule that
        matches nothing to the year 9999, and from there that is soon.
        """
        if self.rule is None:
            return True
        shift = (9999 - years - self.first.year) // _CYCLE * _CYCLE
        late = self.first.replace(year=self.first.year + shift)
        before = late.replace(year=late.year + years, day=min(late.day, 28))
        return next(iter(self.rule.replace(dtstart=late, until=before)), None) is not None


def recurrence(text: str, first: datetime) -> Recurrence:
    """The rule that `text` writes, empty for a single start; ValueError says what is wrong."""
    if not text:
        return Recurrence(first=first, rule=None, count=None, until=None)
    parts = _parts(text.removeprefix("RRULE:"))
    _check_parts(parts)
    count = _number(parts, "COUNT")
    until = _until(parts.pop("UNTIL")) if "UNTIL" in parts else None
    parts.pop("COUNT", None)
    try:
        rule = rrulestr(";".join(f"{key}={value}" for key, value in parts.items()), dtstart=first)
    except (ValueError, IndexError, TypeError) as error:
        raise ValueError(f"it is no rule of RFC 5545: {error}") from error
    if not isinstance(rule, rrule):
        raise ValueError("it is more than one rule of RFC 5545")
    return Recurrence(first=first, rule=rule, count=count, until=until)


def local_time(text: str) -> datetime:
    """A start such as 2026-12-20T00:00:00; ValueError says how one is written."""
    found = None
    if isinstance(text, str) and _START.fullmatch(text):
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            found = None
    if found is None:
        raise ValueError(f"{text!r} is no local time: write 2026-12-20T00:00:00, without an offset")
    if not EARLIEST <= found < LATEST:
        raise ValueError(f"{text} is not between {EARLIEST.year} and {LATEST.year - 1}")
    return found


def is_time_zone(name: str) -> bool:
    """Whether the machine's IANA database has it."""
    return isinstance(name, str) and name in _zones()


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_ZONES


def _parts(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(";"):
        match = _PART.fullmatch(part)
        if match is None or match[1] not in _KEYS:
            raise ValueError(f"{part!r} is no part of a rule: write such as FREQ=WEEKLY;BYDAY=FR")
        if match[1] in found:
            raise ValueError(f"{match[1]} is there twice")
        found[match[1]] = match[2]
    return found


def _check_parts(parts: dict[str, str]) -> None:
    """ValueError for what RFC 5545 forbids, and for what makes no sense as a freeze."""
    frequency = parts.get("FREQ", "")
    if frequency not in FREQUENCIES:
        raise ValueError(f"FREQ is one of {', '.join(FREQUENCIES)}; this rule has {frequency!r}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("write COUNT or UNTIL, not both")
    _number(parts, "INTERVAL")
    for key, allowed in _ONLY_WITH.items():
        if key in parts and frequency not in allowed:
            raise ValueError(f"{key} goes with FREQ={' or '.join(allowed)} only")
    for key, values in _RANGES.items():
        _check_numbers(key, parts.get(key, ""), values)
    _check_days(parts, frequency)
    times = [len(parts[key].split(",")) for key in _CLOCK if key in parts]
    if prod(times) > _TIMES_A_DAY:
        raise ValueError(f"it opens more than {_TIMES_A_DAY} windows a day")


def _check_numbers(key: str, text: str, values: range) -> None:
    for item in text.split(",") if text else ():
        if not re.fullmatch(r"[+-]?[0-9]{1,3}", item) or int(item) not in values:
            raise ValueError(f"{key} is from {values[0]} to {values[-1]}; this has {item!r}")
        if int(item) == 0 and values[0] < 0:
            raise ValueError(f"{key} counts from 1, or from -1 backwards; this has 0")


def _check_days(parts: dict[str, str], frequency: str) -> None:
    """`2MO` is the second Monday of a month or a year, and nothing elsewhere."""
    most = 5 if frequency == "MONTHLY" or "BYMONTH" in parts else 53
    for item in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        match = _DAY.fullmatch(item)
        if match is None:
            raise ValueError(f"BYDAY is such as MO,TU or -1FR; this has {item!r}")
        if match[1] and (frequency not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts):
            raise ValueError(f"{item} goes with FREQ=MONTHLY or FREQ=YEARLY only, not BYWEEKNO")
        if match[1] and abs(int(match[1])) > most:
            raise ValueError(f"{item}: there are at most {most} of them")


def _number(parts: dict[str, str], key: str) -> int | None:
    if key not in parts:
        return None
    if not _NUMBER.fullmatch(parts[key]) or int(parts[key]) < 1:
        raise ValueError(f"{key} is a whole number from 1 to 9999; this is {parts[key]!r}")
    return int(parts[key])


def _until(text: str) -> datetime:
    match = _UNTIL.fullmatch(text)
    try:
        day, moment = (match[1], match[2] or "T235959") if match else ("", "")
        found = datetime.strptime(day + moment, "%Y%m%dT%H%M%S")
    except ValueError:
        raise ValueError(f"UNTIL is such as 20261231T235959Z; this is {text!r}") from None
    return found.replace(tzinfo=UTC) if match and match[3] else found


def _after(start: datetime, until: datetime, zone: ZoneInfo) -> bool:
    moment = start if until.tzinfo is None else start.replace(tzinfo=zone)
    return moment > until
