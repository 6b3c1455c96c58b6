"""Who is told of what: approvals to those who may give them, stops to those who keep watch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alpha.services import grants, keys, partners
from infra import clock, service_keys, webhooks
from infra.models import Mail, Notification, WebhookDelivery
from infra.notifications import reader
from infra.roles import Scope
from releases.evidence import _standing_sources
from releases.services import line, promotions
from releases.services import releases as services
from releases.services.guardrails import watch_guardrails
from tests import builders
from tests.builders import NOW, Cast
from tests.evals import builders as evals
from tests.releases import live, rollout, story

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(tmp_path: Path) -> Cast:
    """The cast, with somebody who listens to webhooks and nothing to tell yet."""
    made = builders.cast()
    secret = tmp_path / "secret"
    secret.write_text(webhooks.new_secret())
    webhooks.add_endpoint(
        actor=made.release_manager,
        name="ops",
        url="https://hooks.example/x",
        secret_ref=f"file:{secret}",
    )
    reader.read_on()
    return made


def mailed(kind: str) -> set[str]:
    """Who has a copy of the notifications of that kind."""
    rows = Mail.objects.filter(notification__kind=kind)
    return set(rows.values_list("person__name", flat=True))


def events() -> list[str]:
    rows = WebhookDelivery.objects.order_by("created_at", "pk")
    return list(rows.values_list("event", flat=True))


def test_an_approval_is_asked_of_those_who_may_give_it(cast: Cast) -> None:
    to = story.stage(story.SIGN_OFF)
    checkpoint = builders.checkpoint()
    promotion = story.requested(cast.release_manager, checkpoint, to)
    assert promotion.state == "waiting"
    reader.read_on()
    assert mailed("decision") == {"Second Release Manager", "Behaviour Reviewer"}
    mail = Mail.objects.get(person=cast.second_release_manager.person_id)
    assert "better at tables" in mail.text and story.QUESTION.rstrip("?") in mail.text
    assert f"/console/promotions/{promotion.pk}/" in mail.text
    delivery = WebhookDelivery.objects.get()
    said = json.loads(delivery.body)
    assert (said["type"], said["data"]["checkpoint"]) == ("promotion.waiting", "chat-nano-1")
    assert delivery.ordered_by == str(checkpoint.pk)
    promotions.evaluate_promotion(actor=cast.engineer, promotion=promotion)
    assert reader.read_on() == 0, "the same evidence asks nobody twice"


def test_who_asked_and_the_owner_hear_how_it_ended(cast: Cast) -> None:
    story.promoted(cast, builders.checkpoint(), story.stage(story.MANUAL))
    reader.read_on()
    ended = Notification.objects.get(event="promotion.promoted")
    told = set(ended.mails.values_list("person__name", flat=True))
    assert told == {"Release Manager", "Engineer"}
    waited = Notification.objects.get(event="promotion.waiting")
    assert not waited.mails.exists(), "nobody is asked for what is decided already"


def test_a_halt_is_told_to_the_others_and_a_stopped_line_to_all(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    story.promoted(cast, builders.checkpoint(), to)
    reader.read_on()
    release = to.releases.get()
    services.halt_release(actor=cast.release_manager, release=release, reason="It swears.")
    line.stop_the_line(actor=cast.release_manager, reason="Until we know why.")
    line.ask_to_start_the_line(actor=cast.release_manager, reason="We know.")
    reader.read_on()
    halted = Notification.objects.get(event="release.halted")
    assert "It swears." in halted.text
    assert "Release Manager" not in set(halted.mails.values_list("person__name", flat=True))
    asked = Notification.objects.get(event="line.start_asked")
    assert [m.person.name for m in asked.mails.all()] == ["Second Release Manager"]
    assert Notification.objects.get(event="line.stopped").mails.count() == 4


@pytest.fixture
def told(settings: Any) -> Iterator[dict[str, Any]]:
    settings.EVIDENCE_SOURCES = [live.SOURCE, *settings.EVIDENCE_SOURCES]
    _standing_sources.cache_clear()
    live.Told.says, live.Told.asked = {}, []
    yield live.Told.says
    _standing_sources.cache_clear()


def test_a_tripped_guardrail_is_one_mail_and_every_webhook_in_order(
    cast: Cast, told: dict[str, Any]
) -> None:
    to = story.stage(story.MANUAL, guardrails=[live.RATIO], ramp=rollout.STEPS)
    with clock.frozen_at(NOW):
        rollout.begun(cast, to, "one", "two")
        reader.read_on()
    seen = set(Notification.objects.values_list("pk", flat=True))
    WebhookDelivery.objects.update(ordered_by="")
    told["error_rate"] = live.HARM
    with clock.frozen_at(NOW + timedelta(hours=1)):
        assert watch_guardrails() == 1
        reader.read_on()
    new = Notification.objects.exclude(pk__in=seen)
    assert set(new.values_list("event", flat=True)) == {
        "guardrail.fired",
        "release.halted",
        "hold.placed",
    }
    mails = Mail.objects.filter(notification__in=new)
    assert set(mails.values_list("notification__event", flat=True)) == {"guardrail.fired"}
    assert {m.person.name for m in mails} >= {"Release Manager", "Behaviour Reviewer", "Engineer"}
    told_of = WebhookDelivery.objects.exclude(ordered_by="").values_list("ordered_by", flat=True)
    assert len(told_of) == 3 and len(set(told_of)) == 1


def test_what_ends_soon_is_told_once_to_who_keeps_it(cast: Cast) -> None:
    now, soon = clock.now(), clock.now() + timedelta(days=5)
    stage = story.stage(story.MANUAL)
    partner = partners.make_partner(
        actor=cast.partner_manager, name="acme", contact_email="a@acme.example"
    )
    keys.issue_key(actor=cast.partner_manager, partner=partner, expires_at=soon)
    grants.make_grant(actor=cast.partner_manager, stage=stage, partner=partner, ends_at=soon)
    service_keys.make_service_key(
        actor=cast.release_manager, name="ci", scopes=[Scope.READ], expires_at=soon
    )
    suite = evals.published(3).suite
    suite.review_by = soon.date()
    suite.save(update_fields=["review_by"])
    promotion = story.requested(cast.release_manager, builders.checkpoint(), stage)
    waiver = promotions.waive_gate(
        actor=cast.release_manager,
        promotion=promotion,
        gate_id="manual-1",
        reason="Everybody who could is away.",
    )
    promotions.confirm_waiver(actor=cast.second_release_manager, waiver=waiver)
    reader.look_ahead()
    found = set(Notification.objects.filter(kind="expiry").values_list("event", flat=True))
    assert found == {
        "key.expiring",
        "grant.expiring",
        "service_key.expiring",
        "suite.expiring",
        "waiver.expiring",
    }
    assert reader.look_ahead() == 0
    assert set(Mail.objects.values_list("state", flat=True)) == {"gathered"}
    with clock.frozen_at(now + timedelta(days=30)):
        assert reader.look_ahead() == 1, "the suite has expired meanwhile; the rest is over"
