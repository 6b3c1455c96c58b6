"""The brief: one selector, the same rows in every shell, and only what a person can move."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alpha.models import Finding
from evals.models import Suite
from infra import audit, clock
from infra.actors import Actor, system
from infra.brief.changes import vocabulary
from infra.brief.compose import brief_for, brief_of
from infra.brief.contract import Brief, Tone
from infra.brief.looks import remember_look, since_of
from infra.brief.rendering import as_html, as_text, subject
from infra.errors import InvalidInput, NotFound
from infra.ids import created_at, first_of, uuid7
from infra.models import BriefLook, Person
from infra.roles import Scope
from infra.service_keys import make_service_key
from releases.freezes import Schedule
from releases.models import Promotion
from releases.services import freezes, holds, line
from tests import builders
from tests.builders import Cast
from tests.clients import signed_in, with_key
from tests.releases import story

pytestmark = pytest.mark.django_db
CANARY = '<img src=x onerror="alert(1)"> \x1b[31mred \u202egnp.exe'


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def waiting(cast: Cast, tmp_path: Path) -> Promotion:
    """A request that only an approval keeps back."""
    stage = story.stage(story.ARTIFACT)
    checkpoint = story.stored_checkpoint("chat-nano-2", str(tmp_path))
    return story.requested(cast.release_manager, checkpoint, stage)


def titles(brief: Brief) -> list[str]:
    return [line.title for line in brief.waits]


def test_a_vote_waits_for_whoever_may_give_it_and_for_nobody_else(
    cast: Cast, waiting: Promotion
) -> None:
    mine = brief_for(cast.second_release_manager).waits
    assert [(line.title, line.act, line.word) for line in mine] == [
        ("chat-nano-2 → closed-alpha", "Decide", "approval")
    ]
    assert mine[0].address == reverse("console-promotion", args=[waiting.pk])
    # Its requester is too near; the others have no vote.
    for other in (cast.release_manager, cast.engineer, cast.auditor):
        assert not brief_for(other).waits, other.name


def test_a_person_of_several_logins_is_told_by_the_login_that_asks(
    cast: Cast, waiting: Promotion
) -> None:
    assert titles(brief_of("second_release_manager"))
    with pytest.raises(NotFound, match="known: "):
        brief_of("nobody")


def test_what_stops_the_line_is_at_risk_and_who_confirms_is_waited_for(cast: Cast) -> None:
    manager, second = cast.release_manager, cast.second_release_manager
    line.stop_the_line(actor=manager, reason="It leaks.")
    assert [(one.title, one.tone) for one in brief_for(cast.auditor).risks] == [
        ("The line is stopped", Tone.BAD)
    ]
    line.ask_to_start_the_line(actor=manager, reason="Patched.")
    assert titles(brief_for(second)) == ["Start the line again"]
    assert titles(brief_for(manager)) == [] == titles(brief_for(cast.engineer))


def test_holds_freezes_keys_and_findings_are_at_risk(cast: Cast, tmp_path: Path) -> None:
    stage = story.stage(story.ARTIFACT)
    now = clock.now()
    holds.place_hold(actor=cast.behaviour_reviewer, stage=stage, reason="Red team is not done.")
    soon = (now + timedelta(days=3)).strftime("%Y-%m-%dT%H:00:00")
    schedule = Schedule(starts=soon, lasts="24h", time_zone="UTC")
    freezes.place_freeze(
        actor=cast.release_manager, name="year-end", stage=stage, schedule=schedule, reason="Out."
    )
    ends = now + timedelta(days=3)
    make_service_key(actor=cast.release_manager, name="ci", scopes=[Scope.READ], expires_at=ends)
    opened = now - timedelta(days=8)
    Finding.objects.create(
        title="Wrong column", severity="major", opened_at=opened,
        opened_by_id=cast.eval_owner.person_id,
        checkpoint=story.stored_checkpoint("chat-nano-1", str(tmp_path)),
    )  # fmt: skip
    found = {one.title: one for one in brief_for(cast.auditor).risks}
    assert {name: one.word for name, one in found.items()} == {
        "chat/closed-alpha": "held",
        "Freeze year-end": "ahead",
        "Service key ci": "expires",
        "Wrong column": "overdue",
    }
    assert (
        "open for 8 d where 7 d are the limit; nobody sees to it" in found["Wrong column"].sentence
    )


def test_a_worn_suite_waits_for_its_owner_and_is_a_risk_to_others(cast: Cast) -> None:
    Suite.objects.create(
        name="sql",
        owner_id=cast.eval_owner.person_id,
        review_by=(clock.now() - timedelta(days=1)).date(),
    )
    owner, other = brief_for(cast.eval_owner), brief_for(cast.release_manager)
    assert [(one.title, one.act) for one in owner.waits] == [("Suite sql", "Renew")]
    assert not owner.risks
    assert [(one.title, one.word) for one in other.risks] == [("Suite sql", "expired")]


def _told(actor: Actor, action: str, name: str, reason: str = "") -> None:
    audit.record(
        actor=actor, action=action, subject=Person(name=name, email="a@b.c"), reason=reason
    )


def test_changes_are_one_row_an_action_without_ones_own(cast: Cast) -> None:
    for number in range(5):
        _told(cast.engineer, "finding.opened", f"finding {number}")
    _told(cast.engineer, "release.halted", "chat-nano-2", "It loops.")
    _told(cast.auditor, "key.issued", "slw_abc")
    _told(system("runner"), "promotion.evaluated", "not news")
    _told(system("runner"), "run.completed", "probe-01a2@1 on chat-nano-2")
    halted, opened = brief_for(cast.auditor).changes
    assert (halted.title, halted.reason, halted.tone) == (
        "A release was halted", "It loops.", Tone.BAD,
    )  # fmt: skip
    assert opened.title == "5 findings were opened"
    assert (opened.names, opened.n_more) == (("finding 4", "finding 3", "finding 2"), 2)


def test_every_word_of_the_vocabularies_leads_to_a_page() -> None:
    for action, told in vocabulary().items():
        assert reverse(told.page), action
        assert "{n}" in told.many and "{" not in told.one, action
        if told.detail:
            assert reverse(told.detail, args=[uuid7()]), action


def test_a_look_again_within_half_an_hour_loses_no_news(cast: Cast) -> None:
    me, start = cast.engineer, builders.NOW
    assert since_of(me, start) == start - timedelta(hours=24)
    remember_look(me, start)
    later = start + timedelta(minutes=20)
    remember_look(me, later)
    assert since_of(me, later) == start - timedelta(hours=24)
    # Away for the night: from then on, what came after the last look is news.
    morning = later + timedelta(hours=9)
    assert since_of(me, morning) == later
    remember_look(me, morning)
    assert since_of(me, morning + timedelta(minutes=1)) == later
    # A clock that went back moves nothing back.
    remember_look(me, start)
    assert BriefLook.objects.get(person=me.person_id).looked_at == morning
    assert since_of(me, morning + timedelta(days=90)) == morning + timedelta(days=76)


def test_only_the_page_marks_a_look(cast: Cast) -> None:
    client = signed_in("auditor")
    assert client.get(reverse("brief")).status_code == 200
    client.get(reverse("admin:index"), headers={"Sec-Purpose": "prefetch"})
    assert not BriefLook.objects.exists()
    client.get(reverse("admin:index"))
    assert BriefLook.objects.get().person_id == cast.auditor.person_id


def test_page_api_and_command_line_say_the_same(
    cast: Cast, waiting: Promotion, capsys: pytest.CaptureFixture[str]
) -> None:
    found = brief_of("second_release_manager")
    body = signed_in("second_release_manager").get(reverse("brief")).json()
    assert body["headline"] == found.headline == "One thing waits for you, nothing is at risk."
    assert body["waits"][0]["sentence"] == found.waits[0].sentence
    assert [row["title"] for row in body["changes"]] == [row.title for row in found.changes]
    page = signed_in("second_release_manager").get(reverse("admin:index")).content.decode()
    assert found.headline in page and found.waits[0].address in page
    call_command("brief", "--by", "second_release_manager")
    said = capsys.readouterr().out
    assert found.headline in said and found.waits[0].address in said


def test_a_service_key_has_a_brief_in_which_nothing_waits(cast: Cast, waiting: Promotion) -> None:
    body = with_key(cast.release_manager, Scope.READ).get(reverse("brief")).json()
    assert body["waits"] == [] and body["changes"]
    assert not BriefLook.objects.exists()


def test_a_moment_ahead_is_refused_and_one_far_back_is_the_furthest(cast: Cast) -> None:
    ahead = clock.now() + timedelta(days=1)
    with pytest.raises(InvalidInput, match="still ahead"):
        brief_for(cast.auditor, ahead)
    answer = signed_in("auditor").get(reverse("brief"), {"since": ahead.isoformat()})
    assert (answer.status_code, answer.json()["code"]) == (400, "since_ahead")
    found = brief_for(cast.auditor, clock.now() - timedelta(days=900))
    assert found.made_at - found.since == timedelta(days=14)


def test_what_people_wrote_is_inert_in_the_mail(cast: Cast, tmp_path: Path) -> None:
    stage = story.stage(story.ARTIFACT)
    holds.place_hold(actor=cast.behaviour_reviewer, stage=stage, reason=CANARY)
    found = brief_for(cast.auditor)
    html, text = as_html(found), as_text(found)
    assert "<img" not in html and "&lt;img" in html and "http://127.0.0.1" in html
    assert "\x1b" not in text and "\u202e" not in text and "red" in text
    assert "\n" not in subject(found)


def test_the_number_of_queries_does_not_grow(cast: Cast, tmp_path: Path) -> None:
    stage = story.stage(story.ARTIFACT)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            brief_for(cast.second_release_manager)
        return len(queries)

    def grow(names: range) -> None:
        for number in names:
            one = story.stored_checkpoint(f"chat-nano-{number}", str(tmp_path))
            story.requested(cast.release_manager, one, stage)
            holds.place_hold(actor=cast.behaviour_reviewer, checkpoint=one, reason="Looks odd.")

    grow(range(2))
    before = count()
    grow(range(2, 6))
    assert count() == before <= 44


def test_the_first_id_of_a_moment_is_below_every_later_one() -> None:
    made = uuid7()
    assert first_of(created_at(made)) <= made < first_of(created_at(made) + timedelta(seconds=1))
    assert first_of(builders.NOW).version == 7
    assert created_at(first_of(builders.NOW)) == builders.NOW
