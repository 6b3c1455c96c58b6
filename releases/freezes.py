"""When a freeze is in force: recurring windows by RFC 5545 in an IANA time zone. Pure.

A start is local time: one that a clock change skips counts by the offset before the change, and one
that comes twice is the first of the two (RFC 5545, 3.3.5). `lasts` in days is whole days on the
clock on the wall, 23 or 25 hours long where the clock changes; hours, minutes and seconds are exact
(3.3.6). Windows that touch are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Protocol
from zoneinfo import ZoneInfo

from releases.durations import duration
from releases.recurrence import Recurrence, is_time_zone, local_time, recurrence

LONGEST = timedelta(days=366)
# A rule that opens more often than this in a year is no freeze, and would take long to walk.
MOST_A_YEAR = 800
# A leap day comes after eight years at the latest; a rule that stays silent longer never opens.
SILENT_YEARS = 12


class Scheduled(Protocol):
    """A freeze's row, or a `Schedule`."""

    @property
    def starts(self) -> str: ...
    @property
    def lasts(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def except_dates(self) -> Sequence[str]: ...
    @property
    def time_zone(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What a freeze's windows follow from; `rule` empty: one window."""

    starts: str
    lasts: str
    time_zone: str
    rule: str = ""
    except_dates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Window:
    """In force from `opens_at` until just before `closes_at`, both UTC."""

    opens_at: datetime
    closes_at: datetime


def window_at(freeze: Scheduled, now: datetime) -> Window | None:
    """The window that `now` is in; ValueError for a schedule with problems."""
    found = _windows(schedule_of(freeze), now.astimezone(UTC).year)
    return next((w for w in found if w.opens_at <= now < w.closes_at), None)


def next_window(freeze: Scheduled, now: datetime) -> Window | None:
    """The first window that opens after `now`; None when none opens any more."""
    year = now.astimezone(UTC).year
    for first in range(year, year + SILENT_YEARS + 1, 2):
        for window in _windows(schedule_of(freeze), first):
            if window.opens_at > now:
                return window
    return None


def schedule_of(freeze: Scheduled) -> Schedule:
    """The part of a freeze that its windows follow from."""
    return Schedule(
        starts=freeze.starts,
        lasts=freeze.lasts,
        time_zone=freeze.time_zone,
        rule=freeze.rule,
        except_dates=tuple(freeze.except_dates),
    )


def schedule_problems(freeze: Scheduled) -> list[tuple[str, str]]:
    """Everything wrong with it, as (field, sentence); an empty list: it can be placed."""
    schedule = schedule_of(freeze)
    found = [*_zone_problems(schedule), *_span_problems(schedule)]
    try:
        start = local_time(schedule.starts)
    except ValueError as error:
        return [*found, ("starts", str(error))]
    try:
        rule = recurrence(schedule.rule, start)
    except ValueError as error:
        return [*found, ("rule", str(error))]
    if found:
        return found
    return [*_rule_problems(schedule, rule), *_exception_problems(schedule, rule)]


def _zone_problems(schedule: Schedule) -> Iterator[tuple[str, str]]:
    if not is_time_zone(schedule.time_zone):
        yield (
            "time_zone",
            f"{schedule.time_zone!r} is no time zone: write one such as Europe/Berlin or UTC",
        )


def _span_problems(schedule: Schedule) -> Iterator[tuple[str, str]]:
    try:
        span = duration(schedule.lasts)
    except ValueError as error:
        yield ("lasts", str(error))
        return
    if not timedelta(0) < span <= LONGEST:
        yield ("lasts", f"{schedule.lasts!r}: a window lasts at most {LONGEST.days}d, and not 0")


def _rule_problems(schedule: Schedule, rule: Recurrence) -> Iterator[tuple[str, str]]:
    if not rule.opens_within(SILENT_YEARS):
        yield ("rule", f"it opens no window within {SILENT_YEARS} years of its start")
        return
    start, zone = local_time(schedule.starts), ZoneInfo(schedule.time_zone)
    in_a_year = rule.starts(zone, start + timedelta(days=366))
    if sum(1 for _ in islice(in_a_year, MOST_A_YEAR + 1)) > MOST_A_YEAR:
        yield ("rule", f"it opens more than {MOST_A_YEAR} windows a year: make each last longer")
        return
    seen = rule.starts(zone, start + timedelta(days=366 * SILENT_YEARS))
    opening = [_window(schedule, at) for at in islice(seen, MOST_A_YEAR)]
    if not opening:
        yield ("rule", "it ends before its first window")
    if any(w.closes_at - w.opens_at > LONGEST for w in _merged(sorted(opening))):
        yield ("rule", "each window runs into the next one, so it never ends: place a hold instead")


def _exception_problems(schedule: Schedule, rule: Recurrence) -> Iterator[tuple[str, str]]:
    zone = ZoneInfo(schedule.time_zone)
    for text in schedule.except_dates:
        try:
            day = local_time(text if "T" in text else f"{text}T00:00:00")
        except ValueError as error:
            yield ("except_dates", str(error))
            continue
        until = day + timedelta(days=1)
        if not any(_is_left_out(start, (text,)) for start in rule.starts(zone, until)):
            yield ("except_dates", f"{text} leaves out nothing: no window starts then")


def _is_left_out(start: datetime, except_dates: Sequence[str]) -> bool:
    return start.isoformat() in except_dates or start.date().isoformat() in except_dates


def _window(schedule: Schedule, start: datetime) -> Window:
    """The window of a local start."""
    zone, span = ZoneInfo(schedule.time_zone), duration(schedule.lasts)
    opens = start.replace(tzinfo=zone).astimezone(UTC)
    if schedule.lasts.endswith("d"):
        closes = (start + span).replace(tzinfo=zone).astimezone(UTC)
    else:
        closes = opens + span
    return Window(opens_at=opens, closes_at=max(opens, closes))


@lru_cache(maxsize=512)
def _windows(schedule: Schedule, year: int) -> tuple[Window, ...]:
    """The windows that are open at some time from the start of `year` for two years, in order.

    Walking a rule from its first start takes a while, so what two years need is kept.
    """
    problems = schedule_problems(schedule)
    if problems:
        raise ValueError("; ".join(f"{field}: {sentence}" for field, sentence in problems))
    zone = ZoneInfo(schedule.time_zone)
    rule = recurrence(schedule.rule, local_time(schedule.starts))
    first, last = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 2, 1, 1, tzinfo=UTC)
    # Windows that touch, one of which began before or goes on after, are one; none lasts longer.
    early = (first - LONGEST).replace(tzinfo=None)
    starts = rule.starts(zone, (last + LONGEST).replace(tzinfo=None))
    found = [
        _window(schedule, start)
        for start in starts
        if start >= early and not _is_left_out(start, schedule.except_dates)
    ]
    return tuple(w for w in _merged(sorted(found)) if w.closes_at > first and w.opens_at < last)


def _merged(windows: Sequence[Window]) -> list[Window]:
    merged: list[Window] = []
    for window in windows:
        if merged and window.opens_at <= merged[-1].closes_at:
            closes = max(merged[-1].closes_at, window.closes_at)
            merged[-1] = Window(opens_at=merged[-1].opens_at, closes_at=closes)
        else:
            merged.append(window)
    return merged
