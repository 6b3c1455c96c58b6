"""Feedback through `/v1`: of one's own calls only, kept once, bound to what served the call."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest

from alpha.gateway.config import GatewayConfig
from alpha.models import Feedback
from alpha.services import grants, keys, partners
from alpha.services.feedback import bind_waiting
from infra.ids import uuid7
from tests.alpha.builders import ACTOR, Access, usage_event
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import Running, running, usage_of, wait_for


@pytest.fixture
def called(http: httpx.Client) -> dict[str, Any]:
    """A call's reply."""
    return http.post("/chat/completions", json=chat()).json()


@pytest.fixture
def others_key(granted: Access) -> str:
    """The key of another partner with a grant to the same stage."""
    other = partners.make_partner(actor=ACTOR, name="zeta", contact_email="dev@zeta.example")
    consent = grants.Consent(terms_version="1", accepted_by="Zoe")
    grants.make_grant(actor=ACTOR, stage=granted.stage, partner=other, consent=consent)
    return keys.issue_key(actor=ACTOR, partner=other)[1]


def post(http: httpx.Client, **body: Any) -> httpx.Response:
    return http.post("/feedback", json=body)


def test_feedback_keeps_its_own_copies_of_what_served_the_call(
    http: httpx.Client, called: dict[str, Any], granted: Access
) -> None:
    said = {
        "thumbs_up": False, "rating": -2, "number": 0.5, "label": "tone", "comment": "odd",
        "correction": "SELECT 1",
    }  # fmt: skip
    reply = post(http, request_id=called["id"], **said)
    assert reply.status_code == 200 and set(reply.json()) == {
        *("id", "object", "request_id", "state", "created_at")
    }
    row = Feedback.objects.get(pk=reply.json()["id"])
    assert {name: getattr(row, name) for name in said} == said
    assert row.state == "new" and row.bound_at is not None and row.source == "api"
    assert row.checkpoint_id == granted.checkpoint.pk and row.release_id == granted.release.pk
    assert row.stage_id == granted.stage.pk and row.arm == "incumbent"
    assert row.codename == "quasar-alpha" and row.key_id == granted.key.pk
    assert row.request_id == UUID(called["id"].removeprefix("chatcmpl-"))


def test_either_form_of_the_id_names_the_call(http: httpx.Client, called: dict[str, Any]) -> None:
    plain = str(UUID(called["id"].removeprefix("chatcmpl-")))
    for identifier in (called["id"], plain, plain.replace("-", "")):
        assert post(http, request_id=identifier, thumbs_up=True).json()["request_id"] == plain


def test_a_call_of_another_worker_is_found_in_the_database(
    http: httpx.Client, granted: Access, gateway: Running, config: GatewayConfig
) -> None:
    with running(config) as second:
        url = f"{second.url}/chat/completions"
        made = httpx.post(url, json=chat(), headers=dict(http.headers))
    usage_of(made.headers["x-request-id"])
    assert post(http, request_id=made.json()["id"], comment="x").json()["state"] == "new"


def test_feedback_before_its_event_waits_and_is_bound_when_it_lands(
    http: httpx.Client, granted: Access
) -> None:
    identifier = uuid7()
    reply = post(http, request_id=str(identifier), comment="quick")
    assert reply.json()["state"] == "unbound"
    usage_event(granted, identifier)
    again = post(http, request_id=str(identifier), comment="again")
    assert again.json()["state"] == "new"
    assert bind_waiting() == 1
    assert http.get(f"/feedback/{reply.json()['id']}").json()["state"] == "new"


def test_the_shipper_binds_what_waited_for_its_event(
    http: httpx.Client, granted: Access, gateway: Running, config: GatewayConfig
) -> None:
    with running(config, ship_every_s=2.0) as slow:
        headers = dict(http.headers)
        httpx.post(f"{slow.url}/chat/completions", json=chat(), headers=headers)
        made = httpx.post(f"{slow.url}/chat/completions", json=chat(), headers=headers)
        first = post(http, request_id=made.json()["id"], comment="x").json()
        assert first["state"] == "unbound"
    bound = http.get(f"/feedback/{first['id']}").json()
    assert bound["state"] == "new"
    assert Feedback.objects.get().checkpoint_id == granted.checkpoint.pk


def test_the_same_feedback_twice_is_kept_once(http: httpx.Client, called: dict[str, Any]) -> None:
    body = {"request_id": called["id"], "comment": "odd"}
    first = post(http, **body, idempotency_key="k1")
    again = http.post("/feedback", json=body, headers={"idempotency-key": "k1"})
    assert first.json() == again.json() and Feedback.objects.count() == 1
    other = post(http, **(body | {"comment": "another"}), idempotency_key="k1")
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "idempotency_key_reused"


def test_another_partners_call_and_feedback_are_not_there(
    http: httpx.Client, called: dict[str, Any], others_key: str, gateway: Running, granted: Access
) -> None:
    own = post(http, request_id=called["id"], comment="mine").json()["id"]
    headers = {"authorization": f"Bearer {others_key}"}

    def theirs() -> httpx.Response | None:
        body = {"request_id": called["id"], "comment": "theirs"}
        reply = httpx.post(f"{gateway.url}/feedback", json=body, headers=headers)
        return reply if reply.status_code != 401 else None

    refused = wait_for(theirs, "the new key is known")
    assert refused.status_code == 404
    assert httpx.get(f"{gateway.url}/feedback/{own}", headers=headers).status_code == 404
    landed = usage_event(granted)
    body = {"request_id": str(landed.request_id), "comment": "theirs"}
    assert httpx.post(f"{gateway.url}/feedback", json=body, headers=headers).status_code == 404
    assert Feedback.objects.count() == 1


def test_what_is_wrong_with_feedback_is_named(http: httpx.Client, called: dict[str, Any]) -> None:
    identifier = called["id"]
    cases: list[tuple[dict[str, Any], str, int]] = [
        ({"comment": "x"}, "request_id", 400),
        ({"request_id": "abc", "comment": "x"}, "request_id", 400),
        ({"request_id": str(uuid4()), "comment": "x"}, "request_id", 400),
        ({"request_id": 7, "comment": "x"}, "request_id", 400),
        ({"request_id": identifier}, "comment", 400),
        ({"request_id": identifier, "thumbs_up": "yes"}, "thumbs_up", 400),
        ({"request_id": identifier, "rating": True}, "rating", 400),
        ({"request_id": identifier, "rating": 10**9}, "rating", 400),
        ({"request_id": identifier, "number": "1"}, "number", 400),
        ({"request_id": identifier, "comment": "a\0b"}, "comment", 400),
        ({"request_id": identifier, "label": "l" * 101}, "label", 400),
        ({"request_id": identifier, "comment": "x", "partner": "me"}, "partner", 400),
        ({"request_id": identifier, "comment": "x", "idempotency_key": 5}, "idempotency_key", 400),
        ({"request_id": OLD, "comment": "x"}, "request_id", 404),
    ]
    for body, param, status in cases:
        reply = post(http, **body)
        assert (reply.status_code, reply.json()["error"]["param"]) == (status, param), body
    assert Feedback.objects.count() == 0


# A request id of January 2024: its event would have landed long ago.
OLD = "018cc251-f400-7000-8000-000000000000"


def test_unknown_feedback_is_404(http: httpx.Client) -> None:
    for identifier in (str(uuid7()), "abc"):
        reply = http.get(f"/feedback/{identifier}")
        assert reply.status_code == 404
        assert reply.json()["error"]["code"] == "feedback_not_found"


def test_a_revoked_key_posts_no_feedback(
    http: httpx.Client, called: dict[str, Any], granted: Access
) -> None:
    keys.revoke_key(actor=ACTOR, key=granted.key, reason="it was published")
    wait_for(
        lambda: post(http, request_id=called["id"], comment="x").status_code == 401,
        "the revocation is known",
        1.0,
    )
