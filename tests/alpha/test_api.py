"""Who may do what through the management API of alpha, and how refusals look."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from infra.roles import Role, Scope
from infra.service_keys import make_service_key
from tests import builders
from tests.alpha import builders as alpha_builders

pytestmark = pytest.mark.django_db


def signed_in(username: str, *roles: Role) -> Client:
    client = Client()
    client.force_login(builders.login(username, *roles))
    return client


def with_key(*scopes: Scope) -> Client:
    manager = builders.cast().release_manager
    _, text = make_service_key(actor=manager, name="ci", scopes=scopes)
    return Client(headers={"authorization": f"Bearer {text}"})


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(path, body, content_type="application/json")


def test_a_stranger_is_401_and_a_bad_key_too() -> None:
    assert Client().get("/api/partners/").status_code == 401
    bad = Client(headers={"authorization": "Bearer slk_00_11"})
    assert bad.get("/api/partners/").json()["code"] == "authentication_failed"


def test_a_partner_manager_makes_a_partner_with_key_and_grant() -> None:
    client, stage = signed_in("pat", Role.PARTNER_MANAGER), builders.stage()
    assert (
        post(client, "/api/partners/", name="acme", contact_email="a@b.example").status_code == 201
    )
    issued = post(client, "/api/partners/acme/keys/", name="laptop")
    assert issued.json()["key"].startswith(f"slw_{issued.json()['public']}_")
    grant = post(client, "/api/grants/", stage=str(stage.pk), partner="acme")
    assert grant.status_code == 201 and grant.json()["stage"] == "chat/closed-alpha"
    assert "key" not in client.get("/api/partners/acme/keys/").json()[0]


def test_refusals_name_every_field() -> None:
    answer = post(signed_in("pat", Role.PARTNER_MANAGER), "/api/partners/", name="a b")
    assert answer.status_code == 400
    assert {reason["required"] for reason in answer.json()["reasons"]} == {"name", "contact_email"}


def test_a_key_acts_within_its_scopes() -> None:
    alpha_builders.access()
    body = {"name": "other", "contact_email": "a@b.example"}
    assert post(with_key(Scope.PARTNERS), "/api/partners/", **body).status_code == 201


def test_a_key_outside_its_scopes_is_refused() -> None:
    body = {"name": "other", "contact_email": "a@b.example"}
    answer = post(with_key(Scope.READ), "/api/partners/", **body)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")


def test_feedback_is_dismissed_once() -> None:
    row = alpha_builders.feedback(alpha_builders.access(), state="new")
    client, path = signed_in("pat", Role.PARTNER_MANAGER), f"/api/feedback/{row.pk}/dismiss/"
    assert post(client, path, reason="sent twice").json()["state"] == "dismissed"
    assert post(client, path, reason="sent twice").status_code == 409


def test_unknown_rows_are_404_in_the_same_shape() -> None:
    client = signed_in("pat", Role.PARTNER_MANAGER)
    for path in (
        "/api/partners/nobody/",
        "/api/nothing/",
        f"/api/feedback/{builders.checkpoint().pk}/",
    ):
        answer = client.get(path)
        assert answer.status_code == 404 and set(answer.json()) == {"code", "message", "reasons"}
