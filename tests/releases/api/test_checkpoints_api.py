"""Checkpoints, deployments, prices and pipelines over the API: who may, shapes, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from infra.models import User
from infra.people import actor_of_login
from infra.roles import Role, Scope
from infra.service_keys import make_service_key
from tests import builders
from tests.releases import documents, suites
from tests.releases.upstream import Upstream, running

URL = "/api/checkpoints/"


def client_of(role: Role) -> APIClient:
    client = APIClient()
    client.force_login(builders.login(role.value, role))
    return client


def key_client(*scopes: Scope) -> APIClient:
    manager = actor_of_login(builders.login("keymaker", Role.RELEASE_MANAGER))
    _, text = make_service_key(actor=manager, name="ci", scopes=scopes)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


@pytest.fixture
def engineer(db: None) -> APIClient:
    return client_of(Role.ENGINEER)


@pytest.fixture
def manager(db: None) -> APIClient:
    return client_of(Role.RELEASE_MANAGER)


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    return documents.checkpoint(f"file://{documents.artifact(tmp_path / 'weights')}")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running() as found:
        yield found


def post(client: APIClient, url: str, body: Any) -> Any:
    return client.post(url, body, format="json")


def test_registering_answers_201_then_200(engineer: APIClient, document: dict[str, Any]) -> None:
    first, second = post(engineer, URL, document), post(engineer, URL, document)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    body = first.json()
    assert (body["name"], body["family"], body["parent"]) == ("chat-nano-1", "chat", None)
    assert body["owner"] == User.objects.get(username="engineers").person.email
    assert len(body["checkpoint_digest"]) == 64
    assert [file["path"] for file in body["manifest"]] == ["tokenizer/vocab.json", "weights.gguf"]
    assert body["serving"]["sampling"] == {"temperature": 0, "seed": 7}


def test_other_content_under_the_name_is_a_conflict(
    engineer: APIClient, document: dict[str, Any]
) -> None:
    post(engineer, URL, document)
    answer = post(engineer, URL, document | {"context_window": 4096})
    assert answer.status_code == 409
    (reason,) = answer.json()["reasons"]
    assert (reason["required"], reason["observed"]) == (2048, 4096)


@pytest.mark.parametrize(
    "wrong",
    [
        {"contextwindow": 1},
        {"kind": "magic"},
        {"serving": {"sampling": {"temprature": 1}}},
        {"serving": []},
        {"manifest": [{"path": "a"}]},
        {"name": "a b"},
        {"artifact_uri": "file:///nowhere/at/all"},
    ],
)
def test_a_malformed_registration_is_400_with_reasons(
    engineer: APIClient, document: dict[str, Any], wrong: dict[str, Any]
) -> None:
    answer = post(engineer, URL, document | wrong)
    assert answer.status_code == 400
    assert answer.json()["message"]


@pytest.mark.parametrize("body", [[], "text", 3, None])
def test_a_body_that_is_no_object_is_400(engineer: APIClient, body: Any) -> None:
    assert post(engineer, URL, body).status_code == 400


def test_a_key_with_the_scope_registers_for_an_owner(
    engineer: APIClient, document: dict[str, Any]
) -> None:
    ci = key_client(Scope.REGISTER)
    assert post(ci, URL, document).status_code == 400
    answer = post(ci, URL, document | {"owner": "engineers"})
    assert (answer.status_code, answer.json()["owner"]) == (201, "engineers@example.org")


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.BEHAVIOUR_REVIEWER, Role.PARTNER_MANAGER])
def test_other_roles_are_403(db: None, document: dict[str, Any], role: Role) -> None:
    assert post(client_of(role), URL, document).status_code == 403


def test_a_key_without_the_scope_is_403(db: None, document: dict[str, Any]) -> None:
    answer = post(key_client(Scope.READ), URL, document | {"owner": "keymaker"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "url", [URL, f"{URL}chat-nano-1/", "/api/families/", "/api/pipelines/", "/api/pipelines/chat/"]
)
def test_nobody_reads_without_a_key_or_session(db: None, url: str) -> None:
    assert APIClient().get(url).status_code == 401


def test_the_list_narrows_by_family_and_size(db: None) -> None:
    builders.checkpoint("chat-nano-1")
    builders.checkpoint("chat-mini-1", size="mini")
    builders.checkpoint("code-nano-1", family=builders.family("code"))
    client = client_of(Role.AUDITOR)

    def names(query: str) -> set[str]:
        return {row["name"] for row in client.get(URL + query).json()["results"]}

    assert names("") == {"chat-nano-1", "chat-mini-1", "code-nano-1"}
    assert names("?family=chat&size=nano") == {"chat-nano-1"}
    assert client.get(f"{URL}?family=a%00b").status_code == 400


def test_a_checkpoint_that_is_not_there_is_404(engineer: APIClient) -> None:
    for name in ("nope", "a%00b", "..", "a b"):
        answer = engineer.get(f"{URL}{name}/")
        assert answer.status_code == 404
        assert answer.json()["message"]


def test_a_deployment_is_added_disabled_and_enabled(
    engineer: APIClient, document: dict[str, Any], upstream: Upstream
) -> None:
    post(engineer, URL, document)
    place = {"base_url": upstream.base_url, "upstream_model": upstream.models[0]}
    added = post(engineer, f"{URL}chat-nano-1/deployments/", place)
    assert (added.status_code, added.json()["fingerprint"]["text"]) == (201, "Blue")
    url = f"/api/deployments/{added.json()['id']}/"
    assert post(engineer, url + "disable/", {}).status_code == 400
    off = post(engineer, url + "disable/", {"reason": "Slow."})
    assert (off.status_code, off.json()["state"]) == (200, "disabled")
    assert post(engineer, url + "disable/", {"reason": "Slow."}).status_code == 409
    on = post(engineer, url + "enable/", {"reason": "Fast."})
    assert (on.status_code, on.json()["state"]) == (200, "active")
    shown = engineer.get(f"{URL}chat-nano-1/").json()["deployments"]
    assert [row["state"] for row in shown] == ["active"]


def test_an_upstream_that_does_not_answer_is_502_and_can_be_overridden(
    engineer: APIClient, document: dict[str, Any]
) -> None:
    post(engineer, URL, document)
    place = {"base_url": "http://127.0.0.1:9/v1", "upstream_model": "m"}
    url = f"{URL}chat-nano-1/deployments/"
    refused = post(engineer, url, place)
    assert (refused.status_code, refused.json()["code"]) == (502, "upstream_probe_failed")
    assert post(engineer, url, place | {"skip_probe_reason": "short"}).status_code == 400
    reason = "The upstream starts tonight only."
    added = post(engineer, url, place | {"skip_probe_reason": reason})
    assert (added.status_code, added.json()["probe_skipped_reason"]) == (201, reason)


def test_a_price_is_set_and_shown(engineer: APIClient, document: dict[str, Any]) -> None:
    post(engineer, URL, document)
    price = {
        "currency": "EUR",
        "input_micros_per_million": 100,
        "output_micros_per_million": 300,
    }
    answer = post(engineer, f"{URL}chat-nano-1/prices/", price)
    assert (answer.status_code, answer.json()["cached_input_micros_per_million"]) == (201, 100)
    assert engineer.get(f"{URL}chat-nano-1/").json()["price"] == answer.json()
    wrong = post(engineer, f"{URL}chat-nano-1/prices/", price | {"currency": "eur"})
    assert wrong.status_code == 400


def test_families_count_their_checkpoints(engineer: APIClient) -> None:
    builders.checkpoint()
    (row,) = engineer.get("/api/families/").json()["results"]
    assert (row["name"], row["n_checkpoints"]) == ("chat", 1)


def test_a_pipeline_is_planned_applied_and_shown(manager: APIClient) -> None:
    suites.published()
    url = "/api/pipelines/apply/"
    plan = post(manager, url, {"source": documents.PIPELINE, "plan": True})
    assert (plan.status_code, plan.json()["applied"]) == (200, False)
    assert manager.get("/api/pipelines/").json()["count"] == 0
    done = post(manager, url, {"source": documents.PIPELINE}).json()
    assert done["pipelines"] == plan.json()["pipelines"]
    shown = manager.get("/api/pipelines/chat/").json()
    assert [stage["name"] for stage in shown["stages"]] == ["internal", "closed-alpha"]
    assert [version["number"] for version in shown["versions"]] == [1]
    assert post(manager, url, {"source": documents.PIPELINE}).json()["changed"] is False


def test_a_wrong_pipeline_is_400_with_every_line(manager: APIClient) -> None:
    suites.published()
    source = documents.PIPELINE.replace("artifact", "artefact").replace("24h", "soon")
    answer = post(manager, "/api/pipelines/apply/", {"source": source})
    assert answer.status_code == 400
    assert [reason["observed"]["line"] for reason in answer.json()["reasons"]] == [7, 9]


def test_only_a_release_manager_applies(engineer: APIClient) -> None:
    body = {"source": documents.PIPELINE}
    assert post(engineer, "/api/pipelines/apply/", body).status_code == 403
    assert post(key_client(*Scope), "/api/pipelines/apply/", body).status_code == 403


def test_a_pipeline_that_is_not_there_is_404(manager: APIClient) -> None:
    assert manager.get("/api/pipelines/nope/").status_code == 404
