"""Notifications: told once, to those who may act, as they chose, and mailed until it was taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from infra import clock, mail_server, webhooks
from infra.errors import InvalidInput, InvalidMove, NotFound, NotPermitted
from infra.models import AuditEntry, Mail, Notification, Person
from infra.notifications import choices, mailing, morning, outbox, reader
from infra.notifications.kinds import Fact, Kind, Way
from tests import builders
from tests.builders import Cast
from tests.clients import signed_in
from tests.infra.smtp import Post, open_post


@pytest.fixture
def post(settings: Any) -> Iterator[Post]:
    """Mail goes over SMTP to a server of this test."""
    with open_post() as found:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        yield found


def fact(*persons: Any, key: str = "k", kind: Kind = Kind.HALT, **fields: Any) -> Fact:
    told = {"event": "release.halted", "title": "It was halted", "text": "“Odd.”", "link": "/x/"}
    ids = frozenset(person.person_id for person in persons)
    return Fact(kind=kind, key=key, persons=ids, **{**told, **fields})


def states() -> list[str]:
    return list(Mail.objects.order_by("person__name").values_list("state", flat=True))


@pytest.mark.django_db
def test_the_same_thing_is_told_once() -> None:
    cast = builders.cast()
    assert outbox.post(fact(cast.engineer, cast.auditor)) is not None
    assert outbox.post(fact(cast.engineer, cast.eval_owner)) is None
    assert states() == ["pending", "pending"]
    with pytest.raises(DatabaseError), transaction.atomic():
        Notification.objects.update(title="otherwise")


@pytest.mark.django_db
def test_each_hears_as_it_chose_and_who_left_hears_nothing() -> None:
    cast = builders.cast()
    choices.choose_ways(actor=cast.auditor, ways={Kind.HALT: Way.NEVER})
    choices.choose_ways(actor=cast.engineer, ways={Kind.HALT: Way.IN_BRIEF})
    Person.objects.filter(pk=cast.partner_manager.person_id).update(left_at=clock.now())
    outbox.post(fact(cast.auditor, cast.engineer, cast.eval_owner, cast.partner_manager))
    assert states() == ["silent", "gathered", "pending"]
    assert AuditEntry.objects.filter(action="notifications.chosen").count() == 2
    choices.choose_ways(actor=cast.auditor, ways={Kind.HALT: Way.NEVER})
    assert AuditEntry.objects.filter(action="notifications.chosen").count() == 2
    with pytest.raises(InvalidInput, match="can't be told at once"):
        choices.choose_ways(actor=cast.auditor, ways={Kind.BRIEF: Way.AT_ONCE})


@pytest.mark.django_db
def test_without_a_mail_server_nothing_waits_to_be_sent(settings: Any) -> None:
    settings.EMAIL_IS_ON = False
    cast = builders.cast()
    outbox.post(fact(cast.engineer))
    assert states() == ["silent"] and mailing.send_due() == 0
    with pytest.raises(InvalidMove, match="SLIPWAY_EMAIL_URL"):
        mailing.send_test(actor=cast.engineer)


@pytest.mark.django_db
def test_a_mail_has_both_parts_and_keeps_its_id_until_it_is_taken(post: Post) -> None:
    cast = builders.cast()
    post.refusals = 1
    outbox.post(fact(cast.engineer, title="It was <b>halted</b>\r\nBcc: x@example.org"))
    assert mailing.send_due() == 0
    row = Mail.objects.get()
    assert (row.state, row.n_attempts) == ("pending", 1) and "451" in row.problem
    assert mailing.send_due() == 0, "the next attempt is due in thirty seconds"
    with clock.moved_by(timedelta(seconds=31)):
        assert mailing.send_due() == 1
    sent = post.taken[0]
    assert sent["To"] == "engineer@example.org" and sent["Bcc"] is None
    assert sent["Message-ID"] == f"<{row.pk}@127.0.0.1>"
    plain, html = (part.get_payload(decode=True).decode() for part in sent.get_payload())
    assert "http://127.0.0.1:8000/x/" in plain and "<b>halted" in plain
    assert "&lt;b&gt;halted" in html and "<b>halted" not in html
    assert states() == ["sent"]


@pytest.mark.django_db
def test_what_no_server_takes_fails_and_is_sent_again_by_its_person(post: Post) -> None:
    cast = builders.cast()
    post.refusals = 1 + len(mailing.WAITS_S)
    outbox.post(fact(cast.engineer))
    for day in range(1 + len(mailing.WAITS_S)):
        with clock.moved_by(timedelta(days=day)):
            mailing.send_due()
    row = Mail.objects.get()
    assert (row.state, row.n_attempts, post.taken) == ("failed", 1 + len(mailing.WAITS_S), [])
    with pytest.raises(NotFound):
        mailing.send_again(actor=cast.auditor, mail=row)
    mailing.send_again(actor=cast.engineer, mail=row)
    with pytest.raises(InvalidMove):
        mailing.send_again(actor=cast.engineer, mail=row)
    assert mailing.send_due() == 1 and len(post.taken) == 1


@pytest.mark.django_db
def test_a_worker_killed_before_it_could_note_the_call_leaves_it_to_the_next(post: Post) -> None:
    outbox.post(fact(builders.cast().engineer))
    assert mailing._claim() is not None, "the claim of a worker that died"
    assert mailing.send_due() == 0
    with clock.moved_by(mailing.CLAIM + timedelta(seconds=1)):
        assert mailing.send_due() == 1
    assert len(post.taken) == 1


def test_two_workers_mail_each_copy_once(committed_db: str, post: Post) -> None:
    cast = builders.cast()
    for n in range(12):
        outbox.post(fact(cast.engineer, key=f"k{n}", event=""))

    def work(_: int) -> int:
        try:
            return mailing.send_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 12
    assert len({message["Message-ID"] for message in post.taken}) == len(post.taken) == 12


@pytest.mark.django_db
def test_the_audit_is_read_on_from_where_the_last_look_ended(settings: Any) -> None:
    cast = builders.cast()
    settings.NOTIFICATION_SOURCES = ["tests.infra.test_notifications.every_choice"]
    choices.choose_ways(actor=cast.auditor, ways={Kind.HALT: Way.NEVER})
    assert reader.read_on() == 0, "what happened before the first look is told to nobody"
    choices.choose_ways(actor=cast.engineer, ways={Kind.HALT: Way.NEVER})
    assert reader.n_unread() == 1
    assert (reader.read_on(), reader.read_on(), reader.n_unread()) == (1, 0, 0)


def every_choice(entry: AuditEntry) -> Iterator[Fact]:
    yield Fact(
        kind=Kind.EXPIRY, key=f"{entry.seq}", event="", title=entry.action, text="", link="/"
    )


@pytest.mark.django_db
def test_api_and_command_show_choose_and_send_again(post: Post) -> None:
    cast: Cast = builders.cast()
    client = signed_in("engineer")
    assert client.get("/api/notification-choices/").json()["expiry"] == "in_brief"
    chosen = client.put("/api/notification-choices/", {"expiry": "at_once"}, format="json")
    assert (chosen.status_code, chosen.json()["expiry"]) == (200, "at_once")
    bad = client.put("/api/notification-choices/", {"brief": "at_once"}, format="json")
    assert (bad.status_code, bad.json()["code"]) == (400, "bad_way")
    assert client.post("/api/notification-test/").json() == {"address": "engineer@example.org"}
    assert post.taken[0]["Subject"] == "A test mail from Slipway"
    outbox.post(fact(cast.engineer))
    told = client.get("/api/notifications/").json()["results"][0]
    assert (told["kind"], told["link"]) == ("halt", "http://127.0.0.1:8000/x/")
    Mail.objects.update(state="failed", next_attempt_at=None)
    assert signed_in("auditor").post(f"/api/notifications/{told['id']}/again/").status_code == 404
    assert client.post(f"/api/notifications/{told['id']}/again/").json()["state"] == "pending"
    assert command("choose", "halt", "never") == "decision  at_once\nhalt      never\n" + (
        "incident  at_once\nexpiry    at_once\nbrief     in_brief\n"
    )
    assert "It was halted" in command("list")
    assert command("send") == "0 told, 1 mailed.\n"


def command(*words: str) -> str:
    out = StringIO()
    call_command("notification", *words, "--by", "engineer", stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_keys_of_pipelines_are_told_nothing() -> None:
    from infra.actors import system

    with pytest.raises(NotPermitted):
        choices.choose_ways(actor=system("ci"), ways={Kind.HALT: Way.NEVER})


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("STARTTLS", "smtp+tls://u:p%40ss@mail.example:2525", ("mail.example", 2525, True, False)),
        ("TLS", "smtps://mail.example", ("mail.example", 465, False, True)),
        ("plain", "smtp://mail.example", ("mail.example", 25, False, False)),
    ],
)
def test_where_mail_goes_is_one_url(
    name: str, url: str, expected: tuple[str, int, bool, bool]
) -> None:
    found = mail_server.from_url(url)
    assert (found.host, found.port, found.use_tls, found.use_ssl) == expected
    assert found.password in ("p@ss", "") and found.is_on


@pytest.mark.parametrize("url", ["mail.example:25", "smtp://", "http://x", "smtp://h:port"])
def test_what_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"smtp\+tls://"):
        mail_server.from_url(url)
    assert not mail_server.from_url("").is_on


@pytest.mark.django_db
def test_everybody_gets_one_brief_a_morning_with_what_was_gathered(
    post: Post, settings: Any
) -> None:
    settings.BRIEF_ZONE, settings.BRIEF_AT = "Europe/Berlin", "07:00"
    cast = builders.cast()
    choices.choose_ways(actor=cast.auditor, ways={Kind.BRIEF: Way.NEVER})
    outbox.post(fact(cast.engineer, kind=Kind.EXPIRY, title="The suite sql is worn"))
    early = datetime(2026, 3, 2, 5, 59, tzinfo=UTC)
    with clock.frozen_at(early):
        assert morning.write_due() == 0, "06:59 in Berlin"
    with clock.frozen_at(early + timedelta(minutes=2)):
        assert (morning.write_due(), morning.write_due()) == (6, 0)
        assert mailing.send_due() == 6
    mine = next(m for m in post.taken if m["To"] == "engineer@example.org")
    plain, html = (part.get_payload(decode=True).decode() for part in mine.get_payload())
    assert "The suite sql is worn" in plain and "The suite sql is worn" in html
    assert set(states()) == {"sent"}
    with clock.frozen_at(early + timedelta(hours=9)):
        assert morning.write_due() == 0, "a missed morning is not made up for at noon"
    with clock.frozen_at(early + timedelta(days=1, minutes=2)):
        assert morning.write_due() == 6


@pytest.mark.django_db
def test_programs_hear_of_a_morning_once(tmp_path: Path) -> None:
    cast = builders.cast()
    (tmp_path / "s").write_text(webhooks.new_secret())
    webhooks.add_endpoint(
        actor=cast.eval_owner, name="ops", url="https://x.example", secret_ref=f"file:{tmp_path}/s"
    )
    now = datetime(2026, 3, 2, 7, 1, tzinfo=UTC)
    with clock.frozen_at(now):
        morning.write_due()
        morning.write_due()
    row = webhooks.deliveries().get()
    said = json.loads(row.body)["data"]
    assert (row.event, row.subject) == ("brief.morning", "2026-03-02")
    assert set(said["components"]) == {"worse", "better", "can't tell"} and said["html"]


@pytest.mark.django_db
def test_one_asks_for_todays_brief_by_every_way_and_gets_it_once(post: Post) -> None:
    builders.cast()
    out = StringIO()
    call_command("brief", "send", "--by", "engineer", stdout=out)
    assert "to engineer@example.org is pending" in out.getvalue()
    again = signed_in("engineer").post("/api/brief/send/")
    assert (again.status_code, again.json()["state"]) == (200, "pending")
    assert mailing.send_due() == 1 and len(post.taken) == 1
