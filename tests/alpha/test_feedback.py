"""Feedback after it came in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alpha.models import Feedback, UsageEvent
from alpha.services import feedback, upkeep
from alpha.states import FeedbackState
from infra import clock
from infra.errors import InvalidMove, NotFound, NotPermitted
from infra.ids import uuid7
from tests import builders
from tests.alpha import builders as alpha_builders

pytestmark = pytest.mark.django_db


def test_feedback_is_bound_when_its_call_lands() -> None:
    access, request_id = alpha_builders.access(), uuid7()
    row = alpha_builders.feedback(access, request_id=request_id)
    assert feedback.bind_waiting() == 0
    alpha_builders.usage_event(access, request_id)
    assert feedback.bind_waiting() == 1
    row.refresh_from_db()
    assert (row.state, row.checkpoint, row.release) == ("new", access.checkpoint, access.release)


def test_feedback_without_a_call_stands_by_itself_after_a_minute() -> None:
    access = alpha_builders.access()
    row = alpha_builders.feedback(access, request_id=uuid7())
    with clock.moved_by(timedelta(seconds=61)):
        feedback.bind_waiting()
    row.refresh_from_db()
    assert (row.state, row.checkpoint) == ("new", None)


def test_feedback_is_not_bound_to_another_partners_call() -> None:
    access, request_id = alpha_builders.access(), uuid7()
    alpha_builders.usage_event(access, request_id, partner_id=uuid7())
    alpha_builders.feedback(access, request_id=request_id)
    assert feedback.bind_waiting() == 0


def test_a_reviewer_enters_what_a_partner_said_of_a_call() -> None:
    access = alpha_builders.access()
    event = alpha_builders.usage_event(access)
    row = feedback.enter_feedback(
        actor=builders.cast().behaviour_reviewer,
        partner=access.partner,
        comment="It is kind of weird.",
        request_id=event.request_id,
    )
    assert row.checkpoint_id == access.checkpoint.pk and row.state == "new"


def test_an_unknown_call_is_named() -> None:
    access = alpha_builders.access()
    with pytest.raises(NotFound, match="made no request"):
        feedback.enter_feedback(
            actor=builders.cast().partner_manager,
            partner=access.partner,
            comment="odd",
            request_id=uuid7(),
        )


def test_dismissing_needs_a_role_and_an_open_row() -> None:
    access = alpha_builders.access()
    row = alpha_builders.feedback(access, state=FeedbackState.NEW.value)
    with pytest.raises(NotPermitted):
        feedback.dismiss(actor=builders.cast().engineer, feedback=row, reason="no")
    manager = builders.cast().partner_manager
    feedback.dismiss(actor=manager, feedback=row, reason="sent twice")
    with pytest.raises(InvalidMove, match="possible from here: new"):
        feedback.dismiss(actor=manager, feedback=row, reason="sent twice")
    assert Feedback.objects.get().state == "dismissed"


def test_partitions_are_made_ahead_once() -> None:
    with clock.moved_by(timedelta(days=400)):
        assert len(upkeep.ensure_partitions()) == upkeep.MONTHS_AHEAD + 1
        assert upkeep.ensure_partitions() == []


def test_usage_of_a_month_without_a_partition_is_kept() -> None:
    access = alpha_builders.access()
    alpha_builders.usage_event(access, month="2031-05-01")
    assert UsageEvent.objects.count() == 1
    with clock.frozen_at(builders.NOW.replace(year=2031, month=5)):
        assert all(first.month != 5 for first in upkeep.ensure_partitions())
