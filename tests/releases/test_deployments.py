"""Where a checkpoint answers: asked before it is believed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import DatabaseError, transaction

from infra.actors import Actor, ActorKind
from infra.errors import InvalidInput, InvalidMove, NotPermitted, UpstreamError
from infra.models import AuditEntry
from infra.roles import Scope
from releases.models import Checkpoint, Deployment
from releases.services.deployments import (
    add_deployment,
    disable_deployment,
    enable_deployment,
    normal_url,
)
from tests import builders
from tests.releases.upstream import Upstream, running

MODEL = "smollm2-135m-instruct"
REASON = "The upstream starts tonight only."


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running() as found:
        yield found


@pytest.fixture
def engineer(db: None) -> Actor:
    return builders.cast().engineer


@pytest.fixture
def checkpoint(engineer: Actor) -> Checkpoint:
    return builders.checkpoint()


def test_the_upstream_is_asked_and_its_answer_kept(
    engineer: Actor, checkpoint: Checkpoint, upstream: Upstream
) -> None:
    row = add_deployment(
        actor=engineer,
        checkpoint=checkpoint,
        base_url=f"{upstream.base_url}/",
        upstream_model=MODEL,
    )
    paths = [path for path, _, _ in upstream.seen]
    assert paths == ["/v1/models", *["/v1/chat/completions"] * 3]
    asked = upstream.seen[1][2]
    assert (asked["model"], asked["max_tokens"], asked["seed"]) == (MODEL, 4, 7)
    assert row.base_url == upstream.base_url
    assert row.fingerprint is not None
    assert (row.fingerprint["text"], row.fingerprint["model"]) == ("Blue", MODEL)
    assert row.fingerprint["texts"] == ["Blue"] * 3
    assert row.fingerprint["requests"] == [
        {name: value for name, value in body.items() if name != "model"}
        for _, _, body in upstream.seen[1:]
    ]
    entry = AuditEntry.objects.get(action="deployment.added")
    assert entry.after["fingerprint"] == row.fingerprint


def test_a_model_that_is_not_listed_is_refused_with_the_list(
    engineer: Actor, checkpoint: Checkpoint, upstream: Upstream
) -> None:
    upstream.models = ["a-7b", "b-7b"]
    with pytest.raises(InvalidInput, match="it lists: a-7b, b-7b") as refusal:
        add_deployment(
            actor=engineer,
            checkpoint=checkpoint,
            base_url=upstream.base_url,
            upstream_model=MODEL,
        )
    assert upstream.base_url in refusal.value.message
    assert "skip_probe_reason" in refusal.value.message
    assert not Deployment.objects.exists()


@pytest.mark.parametrize("raw", [b"<html>", b"[]", b'{"data": 1}', b'{"data": [{}, 3]}', b"null"])
def test_something_else_than_an_upstream_is_refused(
    engineer: Actor, checkpoint: Checkpoint, upstream: Upstream, raw: bytes
) -> None:
    upstream.raw = raw
    with pytest.raises((UpstreamError, InvalidInput), match="skip_probe_reason"):
        add_deployment(
            actor=engineer,
            checkpoint=checkpoint,
            base_url=upstream.base_url,
            upstream_model=MODEL,
        )


def test_nobody_listening_is_refused_and_can_be_overridden(
    engineer: Actor, checkpoint: Checkpoint
) -> None:
    place = {"base_url": "http://127.0.0.1:9/v1", "upstream_model": MODEL}
    with pytest.raises(UpstreamError, match="http://127.0.0.1:9/v1/models could not be reached"):
        add_deployment(actor=engineer, checkpoint=checkpoint, **place)
    with pytest.raises(InvalidInput, match="20 characters"):
        add_deployment(
            actor=engineer, checkpoint=checkpoint, **place, skip_probe_reason="because" + " " * 30
        )
    row = add_deployment(actor=engineer, checkpoint=checkpoint, **place, skip_probe_reason=REASON)
    assert (row.fingerprint, row.probe_skipped_reason) == (None, REASON)
    assert AuditEntry.objects.get(action="deployment.added").reason == REASON


def test_the_secret_is_sent_and_never_kept(
    engineer: Actor, checkpoint: Checkpoint, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.secret = "s3cret-of-the-upstream"
    place = {"base_url": upstream.base_url, "upstream_model": MODEL}
    with pytest.raises(UpstreamError, match="Check the secret"):
        add_deployment(actor=engineer, checkpoint=checkpoint, **place)
    monkeypatch.setenv("UPSTREAM_KEY", upstream.secret)
    row = add_deployment(
        actor=engineer, checkpoint=checkpoint, **place, secret_ref="env:UPSTREAM_KEY"
    )
    kept = str(Deployment.objects.values().get()) + str(list(AuditEntry.objects.values()))
    assert row.secret_ref == "env:UPSTREAM_KEY"
    assert upstream.secret not in kept


def test_the_same_deployment_again_is_the_same_row(
    engineer: Actor, checkpoint: Checkpoint, upstream: Upstream
) -> None:
    place = {"base_url": upstream.base_url, "upstream_model": MODEL}
    first = add_deployment(actor=engineer, checkpoint=checkpoint, **place)
    assert add_deployment(actor=engineer, checkpoint=checkpoint, **place) == first
    with pytest.raises(InvalidMove, match="another weight"):
        add_deployment(actor=engineer, checkpoint=checkpoint, **place, weight=1)


@pytest.mark.parametrize(
    "base_url",
    [
        "ftp://host/v1",
        "file:///etc/passwd",
        "host/v1",
        "http://",
        "http://user:pw@host/v1",
        "http://host/v1?key=1",
        "http://host:99999/v1",
        "http://ho st/v1",
        "http://[::1/v1",
    ],
)
def test_a_base_url_is_plain_http(base_url: str) -> None:
    with pytest.raises(InvalidInput):
        normal_url(base_url)


def test_a_disabled_deployment_comes_back_after_the_same_answer(
    engineer: Actor, checkpoint: Checkpoint, upstream: Upstream
) -> None:
    row = add_deployment(
        actor=engineer, checkpoint=checkpoint, base_url=upstream.base_url, upstream_model=MODEL
    )
    disable_deployment(actor=engineer, deployment=row, reason="It is slow.")
    with pytest.raises(InvalidMove, match="is disabled"):
        disable_deployment(actor=engineer, deployment=row, reason="Again.")
    upstream.text = "Red"
    with pytest.raises(InvalidMove, match="'Red', not 'Blue'"):
        enable_deployment(actor=engineer, deployment=row, reason="Fast again.")
    row = Deployment.objects.get()
    assert (row.state, row.fingerprint["text"]) == ("disabled", "Blue")
    upstream.text = "Blue"
    enable_deployment(actor=engineer, deployment=row, reason="Fast again.")
    assert Deployment.objects.get().state == "active"
    actions = AuditEntry.objects.order_by("seq").values_list("action", flat=True)
    assert list(actions) == ["deployment.added", "deployment.disabled", "deployment.enabled"]


def test_the_database_refuses_to_delete_a_deployment(checkpoint: Checkpoint) -> None:
    row = builders.deployment(checkpoint)
    with pytest.raises(DatabaseError), transaction.atomic():
        row.delete()


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["auditor", "behaviour_reviewer", "eval_owner"])
def test_other_roles_add_none(role: str) -> None:
    with pytest.raises(NotPermitted):
        add_deployment(
            actor=getattr(builders.cast(), role),
            checkpoint=builders.checkpoint(),
            base_url="http://127.0.0.1:9/v1",
            upstream_model=MODEL,
        )


@pytest.mark.django_db
def test_a_key_with_the_scope_adds_one() -> None:
    ci = Actor(kind=ActorKind.SERVICE_KEY, name="ci", scopes=frozenset({Scope.REGISTER}))
    row = add_deployment(
        actor=ci,
        checkpoint=builders.checkpoint(),
        base_url="http://127.0.0.1:9/v1",
        upstream_model=MODEL,
        skip_probe_reason=REASON,
    )
    assert AuditEntry.objects.get().actor_name == "ci"
    assert row.state == "active"
