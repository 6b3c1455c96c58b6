"""Records behind the pages, the audit page, and lists that stay quick and teach when empty."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from infra.admin import SuperuserAdmin
from infra.console.tables import places, read
from infra.models import AuditEntry, Person
from releases.models import Promotion, Stage
from tests import builders
from tests.console.visits import pages_of, signed_in
from tests.console.world import World

pytestmark = pytest.mark.django_db
OWN_APPS = ("infra", "releases", "alpha", "evals")
# Pages of Django's own admin, and the first one, whose tables are those of other pages.
NOT_EXPORTED = ("brief", "records", "record", "logins", "login", "new login", "password", "confirm")
_LINKS = re.compile(r'href="(\?[^"]*format=(csv|json)&amp;table=([^"&]+))"')


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


def _content(answer: Any) -> str:
    return (b"".join(answer) if answer.streaming else answer.content).decode()


def test_every_table_of_every_page_can_be_had_as_csv_and_json(world: World) -> None:
    client, n_tables, wrong = signed_in("admin"), 0, []
    for page, path in pages_of(world).items():
        if page in NOT_EXPORTED:
            continue
        html = _content(client.get(path))
        tables = {place.name: read(html[place.start : place.end]) for place in places(html)}
        links = {(name, kind) for _, kind, name in _LINKS.findall(html)}
        if links != {(name, kind) for name in tables for kind in ("csv", "json")}:
            wrong.append(f"{page}: tables {sorted(tables)}, links {sorted(links)}")
        base = path + ("&" if "?" in path else "?")
        for name, table in tables.items():
            n_tables += 1
            problem = _problem(client, f"{base}table={name}", table.columns, len(table.rows))
            wrong += [f"{page}, {name}: {problem}"] if problem else []
    assert not wrong
    assert n_tables > 40


def _problem(client: Client, address: str, columns: list[str], n_least: int) -> str:
    """What is wrong with a table's two exports; empty when they hold what the page shows."""
    answer = client.get(f"{address}&format=csv")
    if answer.status_code != 200 or "attachment" not in answer.headers["Content-Disposition"]:
        return f"{answer.status_code} for CSV"
    head, *rows = csv.reader(io.StringIO(_content(answer)))
    listed = json.loads(_content(client.get(f"{address}&format=json")))
    if head[: len(columns)] != columns:
        return f"columns {head} for {columns}"
    if len(listed) != len(rows) or len(rows) < n_least:
        return f"{n_least} rows on the page, {len(rows)} in CSV, {len(listed)} in JSON"
    return ""


def test_an_export_has_all_pages_and_keeps_the_filter(world: World) -> None:
    client, path = signed_in("auditor"), reverse("console-audit")
    shown = _content(client.get(path))
    everything = json.loads(_content(client.get(f"{path}?format=json")))
    numbers = [row["#"] for row in everything]
    assert len(everything) > shown.count('data-label="#"') == 50
    assert numbers == list(range(numbers[0], 0, -1))
    action = everything[0]["Action"]
    some = json.loads(_content(client.get(f"{path}?format=json&action={action}")))
    assert 0 < len(some) < len(everything)
    assert {row["Action"] for row in some} == {action}
    assert all(row["When"].endswith("+00:00") for row in some)


def test_who_may_not_see_the_page_gets_no_export(world: World) -> None:
    answer = Client().get(reverse("console-audit"), {"format": "csv"})
    assert answer.status_code == 302 and answer["Location"].startswith(reverse("admin:login"))


def test_an_unknown_format_or_table_is_refused_in_words(world: World) -> None:
    client, path = signed_in("auditor"), reverse("console-audit")
    wrong = client.get(path, {"format": "xlsx"})
    assert wrong.status_code == 400 and "csv and json are known" in _content(wrong)
    none = client.get(path, {"format": "csv", "table": "prices"})
    assert none.status_code == 404 and "It has audit" in _content(none)
