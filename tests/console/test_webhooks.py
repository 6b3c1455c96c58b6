"""The console's page of webhooks: who may, what is shown once, what a test call says."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from infra import webhooks
from infra.models import WebhookDelivery, WebhookEndpoint
from tests import builders
from tests.console.visits import signed_in
from tests.infra.test_webhooks import Receiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


@pytest.fixture
def keeper() -> Client:
    builders.cast()
    return signed_in("eval_owner")


@pytest.fixture
def secret_ref(tmp_path: Path) -> str:
    (tmp_path / "hook").write_text(webhooks.new_secret())
    return f"file:{tmp_path / 'hook'}"


def post(client: Client, **fields: object) -> tuple[int, str]:
    answer = client.post(reverse("console-webhooks"), fields, follow=True)
    return answer.status_code, answer.content.decode()


def added(client: Client, url: str, secret_ref: str) -> WebhookEndpoint:
    status, page = post(client, do="add", name="ops", url=url, secret_ref=secret_ref)
    assert status == 200 and "ops is told from now on" in page
    return WebhookEndpoint.objects.get(name="ops")


def test_an_address_is_added_called_and_switched(
    keeper: Client, receiver: Receiver, secret_ref: str
) -> None:
    row = added(keeper, receiver.url, secret_ref)
    status, page = post(keeper, do="test", id=row.pk)
    assert status == 200 and "ops answered 200 in" in page
    assert len(receiver.told) == 1 and b'"webhook.test"' in receiver.told[0][1]
    delivery = WebhookDelivery.objects.get()
    status, page = post(keeper, do="again", id=delivery.pk, reason="the pager slept")
    assert status == 200 and "goes out again" in page
    assert webhooks.deliver_due() == 1
    assert len({headers["webhook-id"] for headers, _ in receiver.told}) == 1
    assert post(keeper, do="disable", id=row.pk, reason="it moved")[0] == 200
    status, page = post(keeper, do="test", id=row.pk)
    assert status == 409 and "is disabled: enable it" in page
    assert len(receiver.told) == 2
    assert post(keeper, do="enable", id=row.pk, reason="it is back")[0] == 200


def test_a_test_call_that_fails_says_why_and_is_tried_once(
    keeper: Client, receiver: Receiver, secret_ref: str
) -> None:
    receiver.statuses = [503]
    row = added(keeper, receiver.url, secret_ref)
    status, page = post(keeper, do="test", id=row.pk)
    assert status == 502 and "did not take the test call. It answered 503" in page
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.n_attempts, delivery.next_attempt_at) == ("failed", 1, None)
    assert webhooks.deliver_due() == 0


def test_a_new_secret_is_shown_once_and_can_sign(keeper: Client, tmp_path: Path) -> None:
    answer = keeper.post(reverse("console-webhooks"), {"do": "secret"})
    found = re.search(r'<output id="secret">(whsec_[^<]+)</output>', answer.content.decode())
    assert found and answer["Cache-Control"] == "no-store"
    assert len(base64.b64decode(found[1].removeprefix("whsec_"))) == 32
    assert "whsec_" not in keeper.get(reverse("console-webhooks")).content.decode()
    (tmp_path / "hook").write_text(found[1])
    added(keeper, "https://hooks.example/x", f"file:{tmp_path / 'hook'}")
    assert "whsec_" not in keeper.get(reverse("console-webhooks")).content.decode()


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("no address", {"url": "ftp://x"}, "is no address to tell"),
        ("plain HTTP elsewhere", {"url": "http://hooks.example/"}, "https:// URL"),
        ("a password in it", {"url": "https://a:b@hooks.example/"}, "must not carry a password"),
        ("a secret in clear", {"secret_ref": "whsec_abc"}, "the secret itself is not kept"),
        ("no name", {"name": ""}, "required"),
    ],
)
def test_what_cannot_be_told_is_refused(
    keeper: Client, secret_ref: str, name: str, fields: dict[str, str], said: str
) -> None:
    whole = {"name": "ops", "url": "https://hooks.example/x", "secret_ref": secret_ref, **fields}
    status, page = post(keeper, do="add", **whole)
    assert status == 400 and said in page
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.parametrize("username", ["engineer", "auditor"])
def test_others_see_the_page_and_change_nothing(
    keeper: Client, receiver: Receiver, secret_ref: str, username: str
) -> None:
    row = added(keeper, receiver.url, secret_ref)
    client = signed_in(username)
    page = client.get(reverse("console-webhooks")).content.decode()
    assert "ops" in page and "Add an address" not in page
    for do in ("add", "secret", "test", "enable", "disable"):
        fields = {"name": "n", "url": receiver.url, "secret_ref": secret_ref, "reason": "x"}
        assert post(client, do=do, id=row.pk, **fields)[0] == 403, do
    assert not receiver.told and WebhookEndpoint.objects.count() == 1
