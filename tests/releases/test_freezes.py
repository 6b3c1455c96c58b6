"""When freezes are in force: recurrence, time zones, both clock changes, the leap day."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.freezes import (
    Schedule,
    Window,
    next_window,
    schedule_problems,
    window_at,
)

BERLIN = Schedule(starts="2026-01-02T18:00:00", lasts="60h", time_zone="Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(opens: str, closes: str) -> Window:
    return Window(opens_at=utc(opens), closes_at=utc(closes))


def schedule(starts: str, lasts: str, rule: str = "", zone: str = "Europe/Berlin") -> Schedule:
    made = Schedule(starts=starts, lasts=lasts, rule=rule, time_zone=zone)
    assert schedule_problems(made) == []
    return made


# Berlin springs forward on 2026-03-29 at 02:00 and falls back on 2026-10-25 at 03:00;
# New York on 2026-03-08 and 2026-11-01.
WINDOWS = [
    (
        "once",
        schedule("2026-12-20T00:00:00", "14d"),
        window("2026-12-19T23:00", "2027-01-02T23:00"),
    ),
    (
        "a day that loses an hour",
        schedule("2026-03-29T00:00:00", "1d"),
        window("2026-03-28T23:00", "2026-03-29T22:00"),
    ),
    (
        "24 exact hours over the lost hour",
        schedule("2026-03-29T00:00:00", "24h"),
        window("2026-03-28T23:00", "2026-03-29T23:00"),
    ),
    (
        "a day that has an hour twice",
        schedule("2026-10-25T00:00:00", "1d"),
        window("2026-10-24T22:00", "2026-10-25T23:00"),
    ),
    (
        "24 exact hours over the doubled hour",
        schedule("2026-10-25T00:00:00", "24h"),
        window("2026-10-24T22:00", "2026-10-25T22:00"),
    ),
    (
        "a start that the clock skips counts by the offset before",
        schedule("2026-03-29T02:30:00", "1h"),
        window("2026-03-29T01:30", "2026-03-29T02:30"),
    ),
    (
        "a start that comes twice is the first one",
        schedule("2026-10-25T02:30:00", "1h"),
        window("2026-10-25T00:30", "2026-10-25T01:30"),
    ),
    (
        "a weekly weekend keeps its local hour in summer",
        schedule("2026-01-02T18:00:00", "60h", "FREQ=WEEKLY;BYDAY=FR"),
        window("2026-07-03T16:00", "2026-07-06T04:00"),
    ),
    (
        "a weekend in New York over the spring change",
        schedule("2026-01-03T00:00:00", "1d", "FREQ=WEEKLY;BYDAY=SA,SU", "America/New_York"),
        window("2026-03-07T05:00", "2026-03-09T04:00"),
    ),
    (
        "a weekend in New York over the autumn change",
        schedule("2026-01-03T00:00:00", "1d", "FREQ=WEEKLY;BYDAY=SA,SU", "America/New_York"),
        window("2026-10-31T04:00", "2026-11-02T05:00"),
    ),
    (
        "the leap day",
        schedule("2024-02-29T00:00:00", "1d", "FREQ=YEARLY", "UTC"),
        window("2028-02-29T00:00", "2028-03-01T00:00"),
    ),
    (
        "days that span a leap day",
        schedule("2026-02-28T00:00:00", "2d", "FREQ=YEARLY", "UTC"),
        window("2028-02-28T00:00", "2028-03-01T00:00"),
    ),
    (
        "the last day of each month",
        schedule("2026-01-31T00:00:00", "1d", "FREQ=MONTHLY;BYMONTHDAY=-1", "UTC"),
        window("2028-02-29T00:00", "2028-03-01T00:00"),
    ),
    (
        "over the turn of the year",
        schedule("2020-12-20T00:00:00", "14d", "FREQ=YEARLY", "UTC"),
        window("2026-12-20T00:00", "2027-01-03T00:00"),
    ),
    (
        "half an hour's offset",
        schedule("2026-05-01T00:00:00", "1d", "", "Asia/Kolkata"),
        window("2026-04-30T18:30", "2026-05-01T18:30"),
    ),
]


@pytest.mark.parametrize(("name", "freeze", "expected"), WINDOWS, ids=[row[0] for row in WINDOWS])
def test_a_window_is_in_force_from_its_start_until_just_before_its_end(
    name: str, freeze: Schedule, expected: Window
) -> None:
    moment = timedelta(microseconds=1)
    assert window_at(freeze, expected.opens_at) == expected
    assert window_at(freeze, expected.closes_at - moment) == expected
    assert window_at(freeze, expected.opens_at - moment) != expected
    assert window_at(freeze, expected.closes_at) is None
    assert next_window(freeze, expected.opens_at - moment) == expected


def test_a_freeze_of_one_window_never_opens_again() -> None:
    assert next_window(BERLIN, utc("2026-01-02T17:00")) is None
    assert window_at(BERLIN, utc("2026-01-02T17:00")) is not None


def test_the_next_leap_day_is_found_over_a_year_that_has_none() -> None:
    freeze = schedule("2096-02-29T00:00:00", "1d", "FREQ=YEARLY", "UTC")
    assert next_window(freeze, utc("2096-03-01T00:00")) == window(
        "2104-02-29T00:00", "2104-03-01T00:00"
    )


def test_count_until_and_exceptions_end_or_thin_out_a_rule() -> None:
    weekly = replace(BERLIN, rule="FREQ=WEEKLY;COUNT=2")
    assert next_window(weekly, utc("2026-01-09T16:59")) == window(
        "2026-01-09T17:00", "2026-01-12T05:00"
    )
    assert next_window(weekly, utc("2026-01-09T17:00")) is None
    # 18:00 in Berlin is 17:00 UTC: the rule ends just before, and just after its second start.
    before = replace(BERLIN, rule="FREQ=WEEKLY;UNTIL=20260109T165959Z")
    assert next_window(before, utc("2026-01-03T00:00")) is None
    after = replace(BERLIN, rule="FREQ=WEEKLY;UNTIL=20260109T170000Z")
    assert next_window(after, utc("2026-01-03T00:00")) is not None
    for text in ("2026-01-09", "2026-01-09T18:00:00"):
        thinned = replace(BERLIN, rule="FREQ=WEEKLY", except_dates=(text,))
        assert schedule_problems(thinned) == []
        found = next_window(thinned, utc("2026-01-03T00:00"))
        assert found == window("2026-01-16T17:00", "2026-01-19T05:00")


def test_windows_that_touch_are_one_over_the_turn_of_the_year() -> None:
    days = schedule("2026-01-01T00:00:00", "1d", "FREQ=YEARLY;BYWEEKNO=53", "UTC")
    whole = window("2032-12-27T00:00", "2033-01-03T00:00")
    assert next_window(days, utc("2030-01-01T00:00")) == whole
    assert window_at(days, utc("2033-01-01T00:00")) == whole


REFUSED = [
    ("every minute", {"rule": "FREQ=MINUTELY"}, "rule", "FREQ is one of"),
    ("every hour", {"rule": "FREQ=HOURLY"}, "rule", "FREQ is one of"),
    ("no frequency", {"rule": "BYDAY=MO"}, "rule", "FREQ is one of"),
    ("standing still", {"rule": "FREQ=DAILY;INTERVAL=0"}, "rule", "INTERVAL"),
    ("minutes by the back door", {"rule": "FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=1,2,3,4,5,6,7,8,9"},
     "rule", "windows a day"),
    ("hundreds of windows", {"lasts": "5m", "rule": "FREQ=DAILY;BYHOUR=1,2,3"}, "rule", "a year"),
    ("never over", {"lasts": "1d", "rule": "FREQ=DAILY"}, "rule", "never ends"),
    ("longer than its step", {"lasts": "8d", "rule": "FREQ=WEEKLY"}, "rule", "never ends"),
    ("never there", {"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "rule", "no window"),
    ("over before it begins", {"rule": "FREQ=WEEKLY;UNTIL=20251231"}, "rule", "before its first"),
    ("both ends", {"rule": "FREQ=WEEKLY;UNTIL=20271231;COUNT=3"}, "rule", "not both"),
    ("two rules", {"rule": "FREQ=WEEKLY\nRRULE:FREQ=DAILY"}, "rule", "no part of a rule"),
    ("another start", {"rule": "DTSTART=19700101T000000;FREQ=DAILY"}, "rule", "no part of a rule"),
    ("easter", {"rule": "FREQ=YEARLY;BYEASTER=0"}, "rule", "no part of a rule"),
    ("no day", {"rule": "FREQ=WEEKLY;BYDAY=XX"}, "rule", "BYDAY"),
    ("a sixth Friday", {"rule": "FREQ=MONTHLY;BYDAY=6FR"}, "rule", "at most 5"),
    ("a month of its own", {"rule": "FREQ=YEARLY;BYMONTH=13"}, "rule", "BYMONTH"),
    ("no zone", {"time_zone": "Mars/Olympus"}, "time_zone", "no time zone"),
    ("a path", {"time_zone": "../../etc/passwd"}, "time_zone", "no time zone"),
    ("the machine's zone", {"time_zone": "localtime"}, "time_zone", "no time zone"),
    ("an offset", {"starts": "2026-01-02T18:00:00+01:00"}, "starts", "no local time"),
    ("no date", {"starts": "2026-02-29T00:00:00"}, "starts", "no local time"),
    ("before all", {"starts": "1970-01-01T00:00:00"}, "starts", "not between"),
    ("no time at all", {"lasts": "0h"}, "lasts", "at most"),
    ("for ever", {"lasts": "400d"}, "lasts", "at most"),
    ("a word", {"lasts": "a while"}, "lasts", "not a duration"),
    ("an exception on no start", {"except_dates": ("2026-01-03",)}, "except_dates", "nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "field", "said"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_is_no_freeze_is_refused_with_its_field(
    name: str, changes: dict[str, object], field: str, said: str
) -> None:
    freeze = replace(BERLIN, **changes)  # type: ignore[arg-type]
    found = schedule_problems(freeze)
    assert [f for f, sentence in found if said in sentence] == [field]
    with pytest.raises(ValueError, match=field):
        window_at(freeze, utc("2026-06-01T00:00"))


def test_an_old_daily_freeze_is_walked_once_and_looked_up_after_that() -> None:
    freeze = schedule("2000-01-01T00:00:00", "8h", "FREQ=DAILY")
    now = utc("2026-06-01T03:00")
    assert window_at(freeze, now) == window("2026-05-31T22:00", "2026-06-01T06:00")
    began = time.process_time()
    for day in range(200):
        window_at(freeze, now + timedelta(days=day))
    assert time.process_time() - began < 0.5


FREQ = st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY"])
PART = st.sampled_from(
    ["INTERVAL=2", "INTERVAL=7", "BYDAY=MO", "BYDAY=5FR", "BYDAY=-53SU", "BYMONTH=2"]
    + [
        "BYMONTHDAY=30",
        "BYMONTHDAY=-1",
        "BYYEARDAY=366",
        "BYWEEKNO=53",
        "BYSETPOS=2",
        "COUNT=3",
        "UNTIL=20300101",
        "WKST=SU",
    ]
    + ["FREQ=SECONDLY", "BYHOUR=2,3", "BYMINUTE=30", "BYHOUR=x", "", "FREQ=", "BYDAY=0MO"]
)
MOMENT = st.datetimes(datetime(2024, 1, 1), datetime(2045, 1, 1), timezones=st.just(UTC))


@settings(max_examples=40, deadline=None)
@given(FREQ, st.lists(PART, max_size=4), st.sampled_from(["30m", "1d", "40h"]), MOMENT)
def test_any_rule_is_refused_or_answers_in_order(
    freq: str, parts: list[str], lasts: str, now: datetime
) -> None:
    freeze = replace(BERLIN, rule=";".join([freq, *parts]), lasts=lasts)
    if schedule_problems(freeze):
        return
    here, following = window_at(freeze, now), next_window(freeze, now)
    if here is not None:
        assert here.opens_at <= now < here.closes_at
    if following is not None:
        assert now < following.opens_at < following.closes_at
        assert here is None or here.closes_at < following.opens_at
        assert window_at(freeze, following.opens_at) == following
