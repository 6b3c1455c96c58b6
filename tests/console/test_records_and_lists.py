"""Records behind the pages, the audit page, and lists that stay quick and teach when empty."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from infra.admin import SuperuserAdmin
from infra.models import AuditEntry, Person
from releases.models import Promotion, Stage
from tests import builders
from tests.console.visits import signed_in
from tests.console.world import World

pytestmark = pytest.mark.django_db
OWN_APPS = ("infra", "releases", "alpha", "evals")


@pytest.mark.parametrize("username", ["release_manager", "admin"])
def test_records_are_read_only_for_everybody(world: World, username: str) -> None:
    client = signed_in(username)
    for model, shown in admin.site._registry.items():
        if isinstance(shown, SuperuserAdmin) or model._meta.app_label not in OWN_APPS:
            continue
        route = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert client.get(reverse(f"{route}_changelist")).status_code == 200, route
        assert client.get(reverse(f"{route}_add")).status_code == 403, route
        row = model._default_manager.first()
        if row is not None:
            assert client.post(reverse(f"{route}_change", args=[row.pk])).status_code == 403, route
            assert client.post(reverse(f"{route}_delete", args=[row.pk])).status_code == 403, route


def test_only_a_superuser_edits_people_and_the_log_tells(world: World) -> None:
    person = Person.objects.get(email="engineer@example.org")
    path = reverse("admin:infra_person_change", args=[person.pk])
    body = {"name": "Emmy", "email": person.email, "left_at_0": "", "left_at_1": ""}
    assert signed_in("release_manager").post(path, body).status_code == 403
    assert signed_in("admin").post(path, body).status_code == 302
    person.refresh_from_db()
    assert person.name == "Emmy"
    entry = AuditEntry.objects.order_by("-seq").first()
    assert (entry.action, entry.actor_name) == ("person.changed", "Ada Admin")


def test_the_chain_is_checked_on_the_audit_page(world: World) -> None:
    answer = signed_in("auditor").post(reverse("console-audit"), {"do": "check"})
    assert "The chain is whole" in answer.content.decode()


def test_audit_search_narrows_by_every_field(world: World) -> None:
    client = signed_in("auditor")
    whole = {"who": "Partner Manager", "action": "key.issued"}
    page = client.get(reverse("console-audit"), whole).content.decode()
    assert "key.issued" in page and "hold.placed" not in page
    assert "Nothing matches" in client.get(reverse("console-audit"), {"who": "x9"}).content.decode()


@pytest.mark.parametrize("route", ["admin:index", "console-board", "console-promotions"])
def test_queries_do_not_grow_with_what_is_queued(world: World, route: str) -> None:
    client = signed_in("auditor")
    client.get(reverse(route))
    with CaptureQueriesContext(connection) as few:
        client.get(reverse(route))
    policy = Stage.objects.get(pk=world.alpha.pk).policy
    for number in range(6):
        stage = builders.stage(f"extra-{number}", policy)
        Promotion.objects.create(
            checkpoint=world.candidate,
            stage=stage,
            reason="more",
            requester_name="engineer",
            requested_at=builders.NOW,
            expires_at=builders.NOW + timedelta(days=9999),
            policy=policy,
            policy_digest=stage.policy_digest,
        )
    with CaptureQueriesContext(connection) as many:
        client.get(reverse(route))
    assert len(many) <= len(few)
