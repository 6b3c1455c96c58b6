"""What people say about a promotion: by service, API and command, kept for good."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection

from infra import audit
from infra.actors import Actor, ActorKind, system
from infra.errors import InvalidInput, NotPermitted
from infra.models import AuditEntry
from infra.roles import Scope
from releases.models import Promotion
from releases.selectors.promotions import comments_of, decision_of
from releases.services.promotions import comment_on_promotion, withdraw_promotion
from tests import builders
from tests.builders import Cast
from tests.clients import signed_in, with_key
from tests.releases import story

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def promotion(cast: Cast) -> Promotion:
    checkpoint = builders.checkpoint("chat-nano-2")
    return story.requested(cast.release_manager, checkpoint, story.stage(story.MANUAL))


def test_anybody_with_a_role_says_something_and_nothing_else_changes(
    cast: Cast, promotion: Promotion
) -> None:
    before = decision_of(promotion)
    comment_on_promotion(actor=cast.auditor, promotion=promotion, text="  Who saw the logs?  ")
    comment_on_promotion(actor=cast.engineer, promotion=promotion, text="I did.")
    said = [(row.person.name, row.text, row.state) for row in comments_of(promotion)]
    assert said == [
        ("Auditor", "Who saw the logs?", "waiting"),
        ("Engineer", "I did.", "waiting"),
    ]
    assert decision_of(promotion) == before
    told = AuditEntry.objects.filter(action="promotion.commented")
    assert [row.reason for row in told.order_by("seq")] == ["Who saw the logs?", "I did."]
    assert audit.verify().problem is None


def test_an_ended_promotion_still_takes_remarks(cast: Cast, promotion: Promotion) -> None:
    withdraw_promotion(actor=cast.release_manager, promotion=promotion, reason="Too early.")
    promotion.refresh_from_db()
    made = comment_on_promotion(actor=cast.engineer, promotion=promotion, text="See chat-nano-3.")
    assert made.state == "withdrawn"


@pytest.mark.parametrize("text", ["", "   \n"])
def test_nothing_is_no_comment(cast: Cast, promotion: Promotion, text: str) -> None:
    with pytest.raises(InvalidInput):
        comment_on_promotion(actor=cast.engineer, promotion=promotion, text=text)
    assert not comments_of(promotion).exists()


def test_neither_slipway_nor_a_person_without_a_role_comments(promotion: Promotion) -> None:
    login = builders.login("visitor")
    visitor = Actor(kind=ActorKind.PERSON, name="Visitor", person_id=login.person_id)
    for actor, code in ((system("gates"), "person_required"), (visitor, "not_permitted")):
        with pytest.raises(NotPermitted) as refused:
            comment_on_promotion(actor=actor, promotion=promotion, text="Hello.")
        assert refused.value.code == code


@pytest.mark.parametrize(
    "statement", ["UPDATE promotion_comment SET text = ''", "DELETE FROM promotion_comment"]
)
def test_the_database_keeps_what_was_said(cast: Cast, promotion: Promotion, statement: str) -> None:
    comment_on_promotion(actor=cast.engineer, promotion=promotion, text="It stands.")
    with pytest.raises(DatabaseError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute(statement)


def test_api_and_command_say_and_list_the_same(cast: Cast, promotion: Promotion) -> None:
    url = f"/api/promotions/{promotion.pk}/comments/"
    made = signed_in("engineer").post(url, {"text": "<b>Ready</b>"}, format="json")
    assert (made.status_code, made.json()["text"]) == (201, "<b>Ready</b>")
    out = StringIO()
    words = ["promotion", "comment", str(promotion.pk), "Seen.", "--json", "--by", "auditor"]
    call_command(*words, stdout=out)
    assert json.loads(out.getvalue())["person"] == "Auditor"
    listed = signed_in("auditor").get(url).json()["results"]
    assert [row["text"] for row in listed] == ["<b>Ready</b>", "Seen."]


def test_a_key_reads_and_never_says(cast: Cast, promotion: Promotion) -> None:
    url = f"/api/promotions/{promotion.pk}/comments/"
    client = with_key(cast.release_manager, Scope.READ, Scope.PROMOTE)
    refused = client.post(url, {"text": "Built by CI."}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "person_required")
    assert client.get(url).json()["results"] == []


def test_no_promotion_no_comments(cast: Cast) -> None:
    url = "/api/promotions/00000000-0000-7000-8000-000000000000/comments/"
    client = signed_in("engineer")
    assert client.get(url).status_code == 404
    assert client.post(url, {"text": "Hello?"}, format="json").status_code == 404
