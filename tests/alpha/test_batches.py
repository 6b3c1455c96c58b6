"""Live traffic is counted once, in batches that close by count and never open again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError, InternalError, ProgrammingError

from alpha.models import (
    Feedback,
    LandedCall,
    TrafficBatch,
    TrafficSegment,
    TrafficUnit,
    UsageEvent,
)
from alpha.services.batches import LEAST, close_batches
from alpha.services.feedback import bind_waiting
from tests.alpha import builders as alpha_builders
from tests.alpha.traffic import FAILED, SINCE, Traffic, later, set_share, ship

pytestmark = pytest.mark.django_db
NOW = later(hours=1)


def arms(counts: str = "unit", age: int = 0) -> list[tuple[int, int, int, int]]:
    """Arm, units, errors, thumbs-down of every closed batch."""
    found = []
    for batch in TrafficBatch.objects.filter(counts=counts, age=age).order_by("number"):
        for arm in batch.arms.order_by("arm"):
            found.append((arm.arm, arm.n, arm.n_errors, arm.n_downs))
    return found


def test_both_arms_of_a_closed_batch_are_counted() -> None:
    traffic = Traffic()
    candidate = traffic.begin()
    ship(traffic.calls(traffic.incumbent, 15) + traffic.calls(candidate, 9))
    ship(traffic.calls(candidate, 1, prefix="bad", **FAILED))
    assert close_batches(NOW) == 2
    assert arms() == [(0, 15, 0, 0), (1, 10, 1, 0)] == arms("request")
    assert not LandedCall.objects.exists()


def test_below_the_least_number_nothing_closes_whatever_was_seen() -> None:
    traffic = Traffic()
    candidate = traffic.begin()
    ship(traffic.calls(candidate, LEAST - 1, **FAILED))
    assert close_batches(NOW + timedelta(days=1)) == 0
    ship(traffic.calls(candidate, 1, prefix="last"))
    close_batches(NOW + timedelta(days=1))
    assert arms() == [(1, LEAST, LEAST - 1, 0)]


def test_a_unit_counts_once_in_a_stay_with_one_event_at_most() -> None:
    traffic = Traffic()
    candidate = traffic.begin()
    who = traffic.callers["acme"]
    ship(traffic.calls(candidate, LEAST))
    ship(traffic.event(candidate, who, "bad", **FAILED) for _ in range(30))
    close_batches(NOW)
    assert arms() == [(1, LEAST + 1, 1, 0)]
    ship(traffic.calls(candidate, LEAST, **FAILED))
    close_batches(NOW)
    assert arms() == [(1, LEAST + 1, 1, 0)], "these units were counted before"
    assert sum(n for _, n, _, _ in arms("request")) == 2 * LEAST + 30


def test_a_restarted_stay_counts_its_units_anew() -> None:
    traffic = Traffic()
    candidate = traffic.begin()
    ship(traffic.calls(candidate, LEAST))
    close_batches(NOW)
    candidate.halted_at, candidate.ended_at = later(hours=1), later(hours=2)
    candidate.state = "ended"
    candidate.save()
    again = alpha_builders.release_of(traffic.new, traffic.stage, "candidate", later(hours=2), 50)
    names = [f"{candidate.pk}/u{number}" for number in range(LEAST)]
    who = traffic.callers["acme"]
    ship(traffic.event(again, who, name, at=later(hours=3)) for name in names)
    close_batches(later(hours=4))
    assert arms() == [(1, LEAST, 0, 0), (1, LEAST, 0, 0)]
    stays = TrafficBatch.objects.filter(counts="unit", age=0).values_list("stay__since", flat=True)
    assert sorted(stays) == [SINCE, later(hours=2)]


def test_a_change_of_shares_begins_another_segment() -> None:
    traffic = Traffic()
    candidate = traffic.begin(10)
    set_share(traffic.incumbent, 50, later(minutes=30))
    set_share(candidate, 50, later(minutes=30))
    ship(traffic.calls(candidate, LEAST))
    ship(traffic.calls(candidate, LEAST, prefix="v", at=later(minutes=40)))
    ship(traffic.calls(candidate, LEAST, prefix="w", at=later(minutes=30, seconds=1)))
    close_batches(NOW)
    shares = TrafficSegment.objects.exclude(candidate=None).order_by("since")
    assert list(shares.values_list("share", flat=True)) == [10, 50]
    assert arms() == [(1, LEAST, 0, 0)] * 2, "calls around the change follow either share"


@pytest.mark.parametrize(
    ("name", "fields", "counted"),
    [
        ("an upstream that failed", {"state": "failed", "http_status": 502}, (1, 1)),
        ("an upstream that was not reached", {"state": "failed", "http_status": 503}, (1, 1)),
        ("a time-out", {"state": "failed", "http_status": 504}, (1, 1)),
        ("a stream that broke", {"state": "failed", "http_status": 200}, (1, 1)),
        ("a client that hung up", {"state": "client_gone", "http_status": 499}, (1, 0)),
        ("input that was refused", {"state": "failed", "http_status": 400}, (1, 0)),
        ("an answer", {"state": "succeeded", "http_status": 200}, (1, 0)),
        ("a gateway that died", {"state": "aborted", "http_status": 0}, (0, 0)),
    ],
)
def test_an_error_is_what_the_upstream_did(
    name: str, fields: dict[str, Any], counted: tuple[int, int]
) -> None:
    traffic = Traffic()
    ship(traffic.calls(traffic.incumbent, LEAST))
    ship(traffic.calls(traffic.incumbent, 1, prefix="odd", **fields))
    close_batches(NOW)
    assert arms() == [(1, LEAST + counted[0], counted[1], 0)], name


def test_a_thumbs_down_joins_the_open_batch_and_comes_late_to_a_closed_one() -> None:
    traffic = Traffic()
    candidate = traffic.begin()
    ids = ship(traffic.calls(candidate, LEAST))
    say = {"partner": traffic.callers["acme"].partner, "thumbs_up": False}
    down(ids[0], **say)
    close_batches(NOW)
    assert arms() == [(1, LEAST, 0, 1)]
    for request_id in ids[:3]:
        down(request_id, **say)
    close_batches(NOW + timedelta(minutes=5))
    down(ids[3], **say)
    close_batches(NOW + timedelta(hours=2))
    assert arms() == [(1, LEAST, 0, 1)], "a closed batch is never opened again"
    assert arms(age=1) == [(1, LEAST - 1, 0, 2)], "of those that had none"
    close_batches(NOW + timedelta(days=2))
    assert arms(age=2) == [(1, LEAST - 3, 0, 1)]


def down(request_id: Any, **fields: Any) -> None:
    """A partner's thumbs-down, bound to its call as the shipper binds it."""
    Feedback.objects.create(request_id=request_id, received_at=NOW, **fields)
    assert bind_waiting() == 1


def test_a_thumbs_down_may_come_before_its_call() -> None:
    traffic = Traffic()
    candidate = traffic.begin()
    events = traffic.calls(candidate, LEAST)
    Feedback.objects.create(
        request_id=events[0]["request_id"],
        partner=traffic.callers["acme"].partner,
        thumbs_up=False,
        received_at=NOW,
    )
    close_batches(NOW)
    ship(events)
    close_batches(NOW)
    assert arms() == [(1, LEAST, 0, 1)]


def test_a_thumbs_down_waits_for_the_usage_of_a_call_that_its_gateway_knew() -> None:
    traffic = Traffic()
    candidate = traffic.begin()
    events = traffic.calls(candidate, LEAST)
    Feedback.objects.create(
        request_id=events[0]["request_id"],
        partner=traffic.callers["acme"].partner,
        release=candidate,
        state="new",
        thumbs_up=False,
        received_at=NOW,
    )
    close_batches(NOW)
    assert Feedback.objects.get().counted_at is None
    ship(events)
    close_batches(NOW)
    assert arms() == [(1, LEAST, 0, 1)] and Feedback.objects.get().counted_at == NOW


def test_closed_counts_cant_be_changed() -> None:
    traffic = Traffic()
    ship(traffic.calls(traffic.incumbent, LEAST))
    close_batches(NOW)
    for statement in ("UPDATE traffic_arm SET n_errors = 1", "DELETE FROM traffic_batch"):
        with pytest.raises((InternalError, ProgrammingError)), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(statement)
    known = TrafficUnit.objects.values("stay", "unit", "segment", "partner").first()
    again = {f"{name}_id" if name != "unit" else name: value for name, value in known.items()}
    with pytest.raises(IntegrityError, match="traffic_unit_once"), transaction.atomic():
        TrafficUnit.objects.create(
            **again, arm=1, seen_at=NOW, is_error=False, n_priced=0, cost_micros=0
        )


def test_what_is_shipped_twice_lands_once() -> None:
    traffic = Traffic()
    events = traffic.calls(traffic.incumbent, LEAST)
    ship(events)
    ship(events)
    assert (UsageEvent.objects.count(), LandedCall.objects.count()) == (LEAST, LEAST)


def test_a_batch_grows_with_what_the_partner_has_shown() -> None:
    traffic = Traffic()
    ship(traffic.calls(traffic.incumbent, 3000))
    close_batches(NOW)
    ship(traffic.calls(traffic.incumbent, 25, prefix="v"))
    close_batches(NOW)
    assert len(arms()) == 1
    ship(traffic.calls(traffic.incumbent, 5, prefix="w"))
    close_batches(NOW)
    assert [n for _, n, _, _ in arms()] == [3000, 30]
