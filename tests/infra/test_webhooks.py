"""Webhooks: signed as the standard says, tried again until they arrive, every call kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from standardwebhooks import Webhook

from infra import clock, webhooks
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from infra.webhooks import reach
from tests import builders
from tests.clients import signed_in

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  the standard's own example


class Receiver:
    """A server that keeps what it was told and answers what it is told to."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.told: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.told.append((dict(self.headers), body))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.end_headers()
                self.wfile.write(b"noted \x00 \xff" * 1000)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "hook"
    file.write_text(SECRET + "\n")
    return f"file:{file}"


def endpoint(url: str, secret_ref: str, name: str = "ops") -> WebhookEndpoint:
    actor = builders.cast().release_manager
    return webhooks.add_endpoint(actor=actor, name=name, url=url, secret_ref=secret_ref)


def tell(subject: WebhookEndpoint) -> int:
    return webhooks.tell(event="test.told", subject=subject, data={"said": "ünïcode"})


@pytest.mark.django_db
def test_the_signature_is_the_standards(receiver: Receiver, secret: str) -> None:
    tell(endpoint(receiver.url, secret))
    assert webhooks.deliver_due() == 1
    headers, body = receiver.told[0]
    told = Webhook(SECRET).verify(body, headers)
    assert (told["type"], told["data"]) == ("test.told", {"said": "ünïcode"})
    delivery = WebhookDelivery.objects.get()
    assert headers["webhook-id"] == f"msg_{delivery.pk.hex}"
    assert (delivery.state, delivery.n_attempts, delivery.next_attempt_at) == ("delivered", 1, None)
    assert delivery.attempts.get().status == 200
    moment = datetime.fromtimestamp(1614265330, UTC)
    signed = Webhook(SECRET).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", moment, '{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert webhooks.deliver_due() == 0


@pytest.mark.django_db
def test_a_failing_endpoint_is_tried_again_under_the_same_id(
    receiver: Receiver, secret: str
) -> None:
    receiver.statuses = [500, 302, 200]
    tell(endpoint(receiver.url, secret))
    assert (webhooks.deliver_due(), webhooks.deliver_due()) == (0, 0)
    assert len(receiver.told) == 1, "the second attempt is due in five seconds"
    with clock.moved_by(timedelta(seconds=6)):
        assert webhooks.deliver_due() == 0
    with clock.moved_by(timedelta(minutes=6)):
        assert webhooks.deliver_due() == 1
    assert len({headers["webhook-id"] for headers, _ in receiver.told}) == 1
    assert len({body for _, body in receiver.told}) == 1
    statuses = WebhookAttempt.objects.order_by("at").values_list("status", flat=True)
    assert list(statuses) == [500, 302, 200]
    assert "It answered 500: noted" in WebhookAttempt.objects.get(status=500).problem


@pytest.mark.django_db
def test_what_never_arrives_fails_and_is_sent_again_by_a_person(
    receiver: Receiver, secret: str
) -> None:
    receiver.statuses = [503] * (1 + len(webhooks.WAITS_S))
    tell(endpoint(receiver.url, secret))
    for n in range(1 + len(webhooks.WAITS_S)):
        with clock.moved_by(timedelta(days=2 * n)):
            webhooks.deliver_due()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempts.count()) == ("failed", 1 + len(webhooks.WAITS_S))
    cast = builders.cast()
    with pytest.raises(NotPermitted):
        webhooks.send_again(actor=cast.engineer, delivery=delivery, reason="please")
    with pytest.raises(InvalidInput, match="Say why"):
        webhooks.send_again(actor=cast.eval_owner, delivery=delivery, reason="")
    webhooks.send_again(actor=cast.eval_owner, delivery=delivery, reason="it is up again")
    with pytest.raises(InvalidMove):
        webhooks.send_again(actor=cast.eval_owner, delivery=delivery, reason="twice")
    assert webhooks.deliver_due() == 1


@pytest.mark.django_db
def test_nobody_there_and_no_secret_are_kept_as_problems(secret: str) -> None:
    made = endpoint("http://127.0.0.1:9/hook", secret)
    tell(made)
    webhooks.deliver_due()
    Path(secret.removeprefix("file:")).unlink()
    with clock.moved_by(timedelta(seconds=6)):
        webhooks.deliver_due()
    problems = list(WebhookAttempt.objects.order_by("at").values_list("problem", flat=True))
    assert "could not be reached" in problems[0]
    assert "can't be read" in problems[1]


@pytest.mark.django_db
def test_a_disabled_endpoint_is_told_nothing(receiver: Receiver, secret: str) -> None:
    made = endpoint(receiver.url, secret)
    tell(made)
    actor = builders.cast().release_manager
    webhooks.enable_endpoint(actor=actor, endpoint=made, enabled=False, reason="moved")
    assert tell(made) == 0
    webhooks.deliver_due()
    assert (WebhookDelivery.objects.get().state, receiver.told) == ("failed", [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "ftp://example.org",
        "x",
        "https://u:p@example.org",
        "https://",
        "http://[",
    ],
)
def test_addresses_that_are_not_told(url: str, secret: str) -> None:
    with pytest.raises(InvalidInput):
        endpoint(url, secret)


@pytest.mark.django_db
def test_secrets_that_do_not_sign(tmp_path: Path) -> None:
    for text in ("", "whsec_", "whsec_c2hvcnQ=", "not base64 at all, only words"):
        file = tmp_path / "bad"
        file.write_text(text)
        with pytest.raises(InvalidInput):
            endpoint("https://example.org", f"file:{file}")
    with pytest.raises(InvalidInput):
        endpoint("https://example.org", "")
    with pytest.raises(NotPermitted):
        webhooks.add_endpoint(
            actor=builders.cast().auditor, name="x", url="https://a.b", secret_ref="env:X"
        )


def test_two_workers_send_a_message_once(
    committed_db: str, receiver: Receiver, secret: str
) -> None:
    made = endpoint(receiver.url, secret)
    for _ in range(10):
        tell(made)

    def work(_: int) -> int:
        try:
            return webhooks.deliver_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 10
    assert len(receiver.told) == 10


@pytest.mark.django_db
def test_calls_that_were_made_are_never_rewritten(receiver: Receiver, secret: str) -> None:
    tell(endpoint(receiver.url, secret))
    webhooks.deliver_due()
    with pytest.raises(DatabaseError), transaction.atomic():
        WebhookAttempt.objects.update(problem="")
    with pytest.raises(DatabaseError), transaction.atomic():
        WebhookDelivery.objects.update(state="failed")


def command(*words: str) -> tuple[int, str]:
    out, err, code = StringIO(), StringIO(), 0
    try:
        call_command("webhook", *words, stdout=out, stderr=err)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, out.getvalue() + err.getvalue()


@pytest.mark.django_db
def test_api_and_command_send_a_test_call_and_tell_what_came_of_it(
    receiver: Receiver, secret: str
) -> None:
    endpoint(receiver.url, secret)
    client = signed_in("eval_owner")
    receiver.statuses = [200, 500, 204]
    first = client.post("/api/webhooks/ops/test/")
    assert (first.status_code, first.json()["state"]) == (200, "delivered")
    assert first.json()["attempts"][0]["status"] == 200
    assert client.post("/api/webhooks/ops/test/").json()["state"] == "failed"
    assert command("test", "ops", "--by", "eval_owner") == (0, "ops answered 204\n")
    receiver.statuses = [503]
    code, said = command("test", "ops", "--by", "eval_owner")
    assert (code, "ops: It answered 503" in said) == (1, True)
    assert command("test", "nobody", "--by", "eval_owner")[0] == 1
    assert signed_in("auditor").post("/api/webhooks/ops/test/").status_code == 403
    assert len(receiver.told) == 4
    assert all(Webhook(SECRET).verify(body, headers) for headers, body in receiver.told)


@pytest.mark.django_db
def test_new_secrets_sign_and_are_kept_nowhere(tmp_path: Path) -> None:
    builders.cast()
    answer = signed_in("eval_owner").post("/api/webhook-secrets/")
    made = answer.json()["secret"]
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    code, said = command("secret")
    assert code == 0 and said.strip() != made
    for text in (made, said):
        (tmp_path / "new").write_text(text)
        endpoint("https://example.org", f"file:{tmp_path / 'new'}", name=f"n{len(text)}{text[8]}")
    assert signed_in("auditor").post("/api/webhook-secrets/").status_code == 403
    kept = AuditEntry.objects.values_list("after", "reason")
    assert not any(made in str(row) for row in kept)


@pytest.mark.django_db
def test_messages_of_one_checkpoint_arrive_in_their_order(receiver: Receiver, secret: str) -> None:
    made = endpoint(receiver.url, secret)
    receiver.statuses = [503]
    for n, checkpoint in ((1, "a"), (2, "a"), (3, "b"), (4, "")):
        webhooks.tell(event=f"e{n}", subject=made, data={"n": n}, ordered_by=checkpoint)
    assert webhooks.deliver_due() == 2
    first, second = (WebhookDelivery.objects.get(event=event) for event in ("e1", "e2"))
    assert (webhooks.waits_behind(second), webhooks.waits_behind(first)) == (first, None)
    with clock.moved_by(timedelta(seconds=6)):
        assert webhooks.deliver_due() == 2
    order = [json.loads(body)["data"]["n"] for _, body in receiver.told]
    assert order == [1, 3, 4, 1, 2]


@pytest.mark.django_db
def test_one_that_is_given_up_no_longer_stands_in_the_way(receiver: Receiver, secret: str) -> None:
    made = endpoint(receiver.url, secret)
    receiver.statuses = [503] * (1 + len(webhooks.WAITS_S))
    for event in ("e1", "e2"):
        webhooks.tell(event=event, subject=made, data={}, ordered_by="a")
    for day in range(1 + len(webhooks.WAITS_S)):
        with clock.moved_by(timedelta(days=2 * day)):
            webhooks.deliver_due()
    found = webhooks.endpoints().get()
    assert (found.n_failed, found.n_pending) == (1, 0)
    assert [row.state for row in webhooks.deliveries(state="delivered")] == ["delivered"]


def test_only_public_and_named_addresses_are_within_reach() -> None:
    named = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    for text, public, within in [
        ("93.184.216.34", True, True),
        ("127.0.0.1", False, False),
        ("10.1.2.3", False, True),
        ("169.254.169.254", False, False),
        ("100.64.0.1", False, False),
        ("0.1.2.3", False, False),
        ("224.0.0.1", False, False),
        ("::1", False, False),
        ("::ffff:127.0.0.1", False, False),
        ("::ffff:10.1.2.3", False, True),
        ("64:ff9b::7f00:1", False, False),
        ("2002:7f00:1::", False, False),
        ("fe80::1", False, False),
        ("fd00::5", False, True),
        ("2606:4700::1111", True, True),
    ]:
        address = ip_address(text)
        assert (reach.may_reach(address, []), reach.may_reach(address, named)) == (public, within)


@pytest.mark.django_db
def test_no_private_address_is_reached_unless_the_operator_names_it(
    receiver: Receiver, secret: str, settings: Any
) -> None:
    made = endpoint(receiver.url, secret)
    named = endpoint(receiver.url.replace("127.0.0.1", "localhost"), secret, "by-name")
    settings.WEBHOOK_NETWORKS = []
    tell(made)
    assert webhooks.deliver_due() == 0 and not receiver.told
    problems = WebhookAttempt.objects.values_list("problem", flat=True)
    assert len(problems) == 2
    assert all("SLIPWAY_WEBHOOK_NETWORKS" in problem for problem in problems)
    for url in ("https://10.0.0.7/x", "https://[::1]/x", "http://localhost/x"):
        with pytest.raises(InvalidInput, match="no public address"):
            endpoint(url, secret, "private")
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
    with clock.moved_by(timedelta(seconds=6)):
        assert webhooks.deliver_due() == 2
    assert {row.endpoint for row in webhooks.deliveries(state="delivered")} == {made, named}
