"""Who sees the console, and what a form refuses."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, reverse

from alpha.models import Key
from infra import clock
from infra.models import User
from releases.models import Hold, Promotion
from releases.states import PromotionState
from tests import actions, builders
from tests.console.visits import pages_of, signed_in
from tests.console.world import CANARY, World

pytestmark = pytest.mark.django_db
_CHANGES = re.compile(r"\s*(INSERT|UPDATE|DELETE|TRUNCATE|MERGE)\b", re.IGNORECASE)
# When somebody last looked, so that the next visit can tell what is new; frontiers and comparisons
# are reckoned once and kept.
KEPT_OF_A_VISIT = ("django_session", "look", "size_frontier", '"comparison"')


def test_every_page_asks_strangers_to_sign_in(world: World) -> None:
    for path in pages_of(world).values():
        answer = Client().get(path)
        assert answer.status_code == 302, path
        assert answer["Location"].startswith(reverse("admin:login")), path


def test_every_route_of_the_console_is_in_the_list_of_pages(world: World) -> None:
    routes = {name for name in get_resolver().reverse_dict if str(name).startswith("console-")}
    # A stream without an end; tests/console/test_live.py says who is told what by it.
    routes -= {"console-live"}
    paths = set(pages_of(world).values())
    unvisited = {
        name
        for name in routes
        if not any(
            re.fullmatch(get_resolver().reverse_dict.getlist(name)[0][1], path.split("?")[0][1:])
            for path in paths
        )
    }
    assert len(routes) > 15
    assert not unvisited


def test_a_login_without_staff_rights_gets_no_session() -> None:
    login = builders.login("outsider")
    login.is_staff = False
    login.save(update_fields=["is_staff"])
    body = {"username": "outsider", "password": builders.PASSWORD}
    answer = Client().post(reverse("admin:login"), body)
    assert "may not open the console" in answer.content.decode()


def test_a_disabled_login_loses_its_pages_at_once() -> None:
    login = builders.login("leaver")
    client = signed_in("leaver")
    assert client.get(reverse("console-board")).status_code == 200
    login.is_active = False
    login.save(update_fields=["is_active"])
    assert client.get(reverse("console-board")).status_code == 302


def test_a_form_without_its_csrf_token_is_refused(world: World) -> None:
    client = signed_in("release_manager")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    path = reverse("console-promotion", args=[world.waiting.pk])
    assert strict.post(path, {"do": "reject", "comment": "No."}).status_code == 403
    assert Promotion.objects.get(pk=world.waiting.pk).state == PromotionState.WAITING


def test_no_page_changes_anything_by_being_looked_at(world: World) -> None:
    client, changing = signed_in("admin"), {}
    for name, path in pages_of(world).items():
        with CaptureQueriesContext(connection) as asked:
            client.get(path)
        found = [one["sql"] for one in asked if _CHANGES.match(one["sql"])]
        if [sql for sql in found if not any(table in sql for table in KEPT_OF_A_VISIT)]:
            changing[name] = found
    assert not changing


def test_no_form_anywhere_is_taken_without_its_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = signed_in("admin").cookies
    taken = {path for path in pages_of(world).values() if client.post(path).status_code != 403}
    assert not taken
    n_refused = 0
    for route, view in actions.views("api/").items():
        for method in {"post", "put", "patch", "delete"} & set(dir(view)):
            path = "/" + re.sub(r"<(?:(\w+):)?\w+>", _example, route)
            answer = getattr(client, method)(path, {}, content_type="application/json")
            assert answer.status_code == 403 and "CSRF" in answer.content.decode(), route
            n_refused += 1
    assert n_refused > 90


def _example(part: re.Match[str]) -> str:
    """Something that the route's part takes; nothing has that name."""
    return {"uuid": str(uuid4()), "int": "7"}.get(part[1] or "", "nothing")


def test_the_requester_is_refused_with_the_reason_and_keeps_the_comment(world: World) -> None:
    path = reverse("console-promotion", args=[world.waiting.pk])
    body = {"do": "approve", "comment": "Looks fine to me."}
    answer = signed_in("release_manager").post(path, body)
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "Release Manager requested this promotion: somebody else has to decide." in page
    assert "Looks fine to me." in page
    assert not world.waiting.approvals.exists()


@pytest.mark.parametrize("username", ["engineer", "auditor", "partner_manager", "eval_owner"])
def test_others_than_release_managers_cannot_approve(world: World, username: str) -> None:
    path = reverse("console-promotion", args=[world.waiting.pk])
    answer = signed_in(username).post(path, {"do": "approve"})
    assert answer.status_code == 403
    assert not world.waiting.approvals.exists()


def test_a_decision_on_changed_evidence_is_refused(world: World) -> None:
    path = reverse("console-promotion", args=[world.waiting.pk])
    body = {"do": "approve", "evidence_hash": "f" * 64}
    answer = signed_in("second_release_manager").post(path, body)
    assert answer.status_code == 409
    assert "read it again" in answer.content.decode()


def test_an_old_sign_in_is_asked_for_the_password_before_a_decision(world: World) -> None:
    client = signed_in("second_release_manager")
    path = reverse("console-promotion", args=[world.waiting.pk])
    body = {"do": "reject", "comment": "It feels off."}
    with clock.moved_by(timedelta(seconds=configured.REAUTHENTICATE_WITHIN_S + 1)):
        answer = client.post(path, body)
        assert answer.status_code == 403
        again = reverse("console-sign-in-again")
        assert f"{again}?next={path}" in answer.content.decode()
        assert client.post(again, {"password": "wrong", "next": path}).status_code == 400
        assert client.post(path, body).status_code == 403
        good = client.post(again, {"password": builders.PASSWORD, "next": path})
        assert good["Location"] == path
        assert client.post(path, body).status_code == 302
    assert Promotion.objects.get(pk=world.waiting.pk).state == PromotionState.REJECTED


def test_a_session_that_never_gave_a_password_cannot_decide(world: World) -> None:
    client = Client()
    client.force_login(User.objects.get(username="second_release_manager"))
    path = reverse("console-promotion", args=[world.waiting.pk])
    assert client.post(path, {"do": "reject", "comment": "No."}).status_code == 403


def test_confirming_leads_nowhere_else() -> None:
    builders.login("auditor")
    body = {"password": builders.PASSWORD, "next": "https://evil.example/"}
    answer = signed_in("auditor").post(reverse("console-sign-in-again"), body)
    assert answer["Location"] == reverse("admin:index")


def test_an_unknown_action_is_refused(world: World) -> None:
    path = reverse("console-stage", args=[world.alpha.pk])
    answer = signed_in("release_manager").post(path, {"do": "explode"})
    assert answer.status_code == 400


def test_a_release_of_another_stage_is_not_halted_from_here(world: World) -> None:
    other = world.internal.releases.get(ended_at=None)
    path = reverse("console-stage", args=[world.alpha.pk])
    body = {"do": "halt", "id": str(other.pk), "reason": "A mistake."}
    assert signed_in("release_manager").post(path, body).status_code == 404
    other.refresh_from_db()
    assert other.state == "live"


def test_a_missing_reason_changes_nothing_and_says_so(world: World) -> None:
    path = reverse("console-stage", args=[world.alpha.pk])
    answer = signed_in("release_manager").post(path, {"do": "hold", "reason": " "})
    assert answer.status_code == 400
    assert "Reason: This field is required." in answer.content.decode()
    assert not Hold.objects.filter(stage=world.alpha).exists()


def test_a_hold_that_another_placed_names_its_owner(world: World) -> None:
    hold = Hold.objects.get(stage=world.production)
    path = reverse("console-stage", args=[world.production.pk])
    body = {"do": "lift", "id": str(hold.pk), "reason": "It is done."}
    answer = signed_in("release_manager").post(path, body)
    assert answer.status_code == 403
    assert "Behaviour Reviewer placed this hold" in answer.content.decode()


def test_a_key_is_in_no_session_and_in_no_cache(world: World) -> None:
    client = signed_in("partner_manager")
    path = reverse("console-partner", args=[world.partner.pk])
    answer = client.post(path, {"do": "key", "name": "ci"})
    found = re.search(r'id="secret">(slw_\w+)<', answer.content.decode())
    assert found and answer["Cache-Control"] == "no-store"
    secret = found[1].split("_")[2]
    assert secret not in str(dict(client.session))
    assert secret not in client.get(path).content.decode()
    assert Key.objects.get(partner=world.partner, name="ci").digest != secret


def test_an_auditor_issues_no_key(world: World) -> None:
    path = reverse("console-partner", args=[world.partner.pk])
    answer = signed_in("auditor").post(path, {"do": "key", "name": "ci"})
    assert answer.status_code == 403
    assert not Key.objects.filter(name="ci").exists()


def test_what_users_wrote_is_never_markup(world: World) -> None:
    client = signed_in("admin")
    n_shown = 0
    for path in pages_of(world).values():
        page = client.get(path).content.decode()
        assert "<img src=x" not in page and "<svg onload" not in page, path
        assert 'href="javascript:' not in page and "href='javascript:" not in page, path
        n_shown += "&lt;img src=x onerror=" in page
    assert n_shown >= 4
    assert "<img src=x" in CANARY


def test_conversations_are_kept_from_those_who_do_not_triage(world: World) -> None:
    path = reverse("console-feedback-item", args=[world.feedback.pk])
    assert "you may not" in signed_in("auditor").get(path).content.decode()
    assert "you may not" not in signed_in("eval_owner").get(path).content.decode()


def test_missing_rows_are_a_page_that_says_so(world: World) -> None:
    client = signed_in("auditor")
    path = reverse("console-promotion", args=[world.partner.pk])
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is no promotion" in answer.content.decode()
    assert client.get("/console/no-such-page/").status_code == 404
