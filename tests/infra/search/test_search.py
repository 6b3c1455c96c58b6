"""Search: names, parts of names and ids; the same for palette, page and API."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse
from rest_framework.test import APIClient

from alpha.services import keys
from alpha.services.findings import Weakness, open_finding
from infra.search.compose import search, sought_of
from infra.search.contract import Hit, closeness
from infra.search.kinds import HitKind
from releases.gates.severity import Severity
from tests import builders
from tests.alpha import builders as alpha
from tests.builders import Cast
from tests.clients import signed_in
from tests.releases import story

pytestmark = pytest.mark.django_db
CANARY = '<img src=x onerror="alert(1)">'


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def kinds(cast: Cast, text: str) -> set[str]:
    return {hit.kind.value for hit in search(cast.auditor, text).hits}


def titles(cast: Cast, text: str, kind: HitKind) -> list[str]:
    return [hit.title for hit in search(cast.auditor, text).hits if hit.kind is kind]


def test_every_word_has_to_be_part_of_the_name(cast: Cast, tmp_path: Path) -> None:
    stage = story.stage(story.ARTIFACT)
    one = story.stored_checkpoint("chat-nano-2", str(tmp_path))
    story.stored_checkpoint("chat-mini-2", str(tmp_path), size="mini")
    story.requested(cast.release_manager, one, stage)
    assert titles(cast, "chat nano", HitKind.CHECKPOINT) == ["chat-nano-2"]
    assert titles(cast, "  “CHAT-NANO-2”, ", HitKind.CHECKPOINT) == ["chat-nano-2"]
    assert titles(cast, "closed nano", HitKind.PROMOTION) == ["chat-nano-2 → closed-alpha"]
    assert titles(cast, "nano mini", HitKind.CHECKPOINT) == []
    # A percent sign is a percent sign.
    assert kinds(cast, "%") == kinds(cast, "_%_") == set()


@pytest.mark.parametrize("text", ["\x00", "'; --", "\\", "\ud83d", "a" * 5000, "0" * 32, "f" * 36])
def test_whatever_is_typed_is_only_looked_for(cast: Cast, text: str) -> None:
    for hit in search(cast.auditor, text.encode("utf-8", "replace").decode()).hits:
        assert hit.kind in (HitKind.PAGE, HitKind.ACTION)


def test_a_thing_is_found_by_its_id(cast: Cast, tmp_path: Path) -> None:
    stage = story.stage(story.ARTIFACT)
    one = story.stored_checkpoint("chat-nano-2", str(tmp_path))
    promotion = story.requested(cast.release_manager, one, stage)
    for row, kind in ((one, "checkpoint"), (promotion, "promotion"), (stage, "stage")):
        assert kinds(cast, f" {row.pk} ") == kinds(cast, str(row.pk).upper()) == {kind}


def test_a_call_is_found_by_its_request_id_and_by_its_beginning(cast: Cast) -> None:
    access = alpha.access()
    event = alpha.usage_event(access)
    whole = str(event.request_id)
    for text in (whole, whole.upper(), whole[:8], whole[:13], whole.replace("-", "")[:20]):
        assert titles(cast, text, HitKind.CALL) == [whole], text
    (hit,) = [hit for hit in search(cast.auditor, whole).hits if hit.kind is HitKind.CALL]
    page = signed_in("auditor").get(hit.address)
    assert access.partner.name in page.content.decode()
    assert titles(cast, whole[:7], HitKind.CALL) == []
    remark = alpha.feedback(access, request_id=event.request_id, comment="It forgot the WHERE.")
    assert titles(cast, whole, HitKind.FEEDBACK) == ["It forgot the WHERE."]
    assert titles(cast, str(remark.pk), HitKind.FEEDBACK) == ["It forgot the WHERE."]


def test_a_partner_is_found_by_a_key_and_never_by_its_secret(cast: Cast) -> None:
    access = alpha.access()
    key, text = keys.issue_key(actor=cast.partner_manager, partner=access.partner, name="laptop")
    for typed in (str(key), key.public, text):
        assert access.partner.name in titles(cast, typed, HitKind.PARTNER)
    secret = text.rsplit("_", 1)[1]
    assert titles(cast, secret, HitKind.PARTNER) == []
    assert secret not in str(search(cast.auditor, text).hits)


def test_only_what_a_person_may_do_is_offered(cast: Cast) -> None:
    def offered(who: object) -> set[str]:
        return {hit.title for hit in search(who, "stop line").hits if hit.kind is HitKind.ACTION}  # type: ignore[arg-type]

    assert offered(cast.release_manager) == {"Stop the line"}
    assert offered(cast.auditor) == offered(cast.engineer) == set()
    assert "page" in kinds(cast, "stop the line")


def test_the_nearest_comes_first(cast: Cast) -> None:
    sought = sought_of(cast.auditor, "nano", 6)
    names = ("chat-supernano", "chat-nano-2", "nano-1", "nano")
    hits = [Hit(kind=HitKind.CHECKPOINT, title=one, detail="", address="") for one in names]
    hits.sort(key=lambda hit: closeness(sought, hit))
    assert [hit.title for hit in hits] == ["nano", "nano-1", "chat-nano-2", "chat-supernano"]


def test_page_api_and_command_line_find_the_same_and_say_it_inert(
    cast: Cast, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = story.stored_checkpoint("chat-nano-2", str(tmp_path))
    weakness = Weakness(title=f"Wrong column {CANARY} \x1b[31m", severity=Severity.MAJOR)
    open_finding(actor=cast.behaviour_reviewer, checkpoint=checkpoint, weakness=weakness)
    client = signed_in("auditor")
    body = client.get(reverse("search"), {"q": "wrong column"}).json()
    assert [(hit["kind"], hit["title"]) for hit in body["hits"]] == [("finding", weakness.title)]
    page = client.get(reverse("console-search"), {"q": "wrong column"}).content.decode()
    assert body["hits"][0]["address"] in page and "<img" not in page
    call_command("find", "wrong", "column", "--by", "auditor")
    said = capsys.readouterr().out
    assert body["hits"][0]["address"] in said and "\x1b" not in said
    assert client.get(reverse("search"), {"q": "x" * 201}).status_code == 400


def test_before_anything_is_typed_pages_and_actions_are_shown(cast: Cast) -> None:
    assert kinds(cast, "") == kinds(cast, "   ") == {"page", "action"}


def test_nobody_searches_without_a_session(db: None) -> None:
    assert APIClient().get(reverse("search")).status_code == 401
    assert APIClient().get(reverse("console-search")).status_code == 302
