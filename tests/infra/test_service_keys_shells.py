"""Service keys, cohorts and the log's chain by the API and the command line."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command

from infra import audit
from infra.models import AuditEntry, ServiceKey
from infra.roles import Scope
from infra.service_keys import actor_of_key
from tests import builders
from tests.builders import Cast
from tests.clients import signed_in, with_key

pytestmark = pytest.mark.django_db
KEYS = "/api/service-keys/"


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def test_a_key_is_made_shown_once_and_revoked_over_the_api(cast: Cast) -> None:
    client = signed_in("release_manager")
    made = client.post(KEYS, {"name": "ci", "scopes": ["runs:write"]}, format="json")
    assert made.status_code == 201 and made["Cache-Control"] == "no-store"
    actor = actor_of_key(made.data["key"])
    assert actor is not None and actor.scopes == {Scope.RUN}
    (listed,) = client.get(KEYS).data["results"]
    assert listed["name"] == "ci" and "key" not in listed and "digest" not in listed
    path = f"{KEYS}{made.data['id']}/revoke/"
    assert client.post(path, {"reason": "It leaked."}, format="json").data["revoked_at"]
    assert actor_of_key(made.data["key"]) is None
    again = client.post(path, {"reason": "It leaked."}, format="json")
    assert again.status_code == 409 and again.data["code"] == "already_revoked"


def test_no_key_and_no_engineer_makes_keys(cast: Cast) -> None:
    body = {"name": "more", "scopes": [scope.value for scope in Scope]}
    for client in (with_key(cast.release_manager, *Scope), signed_in("engineer")):
        assert client.post(KEYS, body, format="json").status_code == 403
    assert not ServiceKey.objects.filter(name="more").exists()


def test_the_command_line_does_the_same(cast: Cast) -> None:
    out = StringIO()
    made = ("service-key", "make", "ci", "runs:write")
    call_command(*made, by="release_manager", json=True, stdout=out)
    text = json.loads(out.getvalue())["key"]
    assert actor_of_key(text) is not None
    with pytest.raises(SystemExit):
        call_command("service-key", "revoke", "ci", reason="No.", by="engineer", stderr=StringIO())
    call_command("service-key", "revoke", "ci", reason="Old.", by="release_manager", stdout=out)
    assert actor_of_key(text) is None


def test_a_partner_leaves_a_cohort_and_the_reason_is_kept(cast: Cast) -> None:
    client = signed_in("partner_manager")
    client.post("/api/partners/", {"name": "acme", "contact_email": "a@x.org"}, format="json")
    client.post("/api/cohorts/", {"name": "first"}, format="json")
    client.post("/api/cohorts/first/members/", {"partner": "acme"}, format="json")
    body = {"partner": "acme", "reason": "Contract ended."}
    assert client.post("/api/cohorts/first/leave/", body, format="json").data["partners"] == []
    assert AuditEntry.objects.get(action="cohort.left").reason == "Contract ended."
    again = client.post("/api/cohorts/first/leave/", body, format="json")
    assert again.status_code == 404 and again.data["code"] == "not_a_member"


def test_the_chain_is_verified_over_the_api(cast: Cast) -> None:
    client = signed_in("auditor")
    signed_in("release_manager").post(KEYS, {"name": "ci", "scopes": ["runs:write"]}, format="json")
    told = client.get("/api/audit/verify/").data
    assert told["problem"] is None
    assert told["n_entries"] == audit.verify().n_entries > 0
