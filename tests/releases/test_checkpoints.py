"""Registration: what is believed, what is refused, and that it never changes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import InternalError, ProgrammingError, connection, connections

from infra.actors import Actor, ActorKind, system
from infra.errors import DomainError, InvalidInput, InvalidMove, NotFound, NotPermitted
from infra.models import AuditEntry
from infra.roles import Scope
from releases import digests
from releases.models import Checkpoint, Codename, Deployment, Price
from releases.services import checkpoints, manifests
from tests import builders
from tests.releases import documents
from tests.releases.upstream import running


@pytest.fixture
def cast(db: None) -> builders.Cast:
    return builders.cast()


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"file://{documents.artifact(tmp_path / 'weights')}"


def register(actor: Actor, uri: str, **fields: Any) -> checkpoints.Registration:
    document = documents.checkpoint(uri, **fields)
    return checkpoints.register_checkpoint(actor=actor, document=document)


def key(*scopes: Scope) -> Actor:
    return Actor(kind=ActorKind.SERVICE_KEY, name="ci", scopes=frozenset(scopes))


def test_a_checkpoint_is_registered_with_its_computed_manifest(
    cast: builders.Cast, uri: str
) -> None:
    done = register(cast.engineer, uri)
    row = done.checkpoint
    assert done.created
    assert [file["path"] for file in row.manifest] == ["tokenizer/vocab.json", "weights.gguf"]
    assert row.manifest_digest == digests.manifest_digest(row.manifest)
    assert row.owner_id == cast.engineer.person_id
    assert row.serving == {
        "system_prompt": "Be brief.",
        "sampling": {"temperature": 0, "seed": 7},
        "template": "",
    }


def test_the_registration_is_audited_with_its_digest(cast: builders.Cast, uri: str) -> None:
    row = register(cast.engineer, uri).checkpoint
    entry = AuditEntry.objects.get(action="checkpoint.registered")
    assert (entry.object_name, entry.evidence_hash) == ("chat-nano-1", row.checkpoint_digest)
    assert entry.actor_id == cast.engineer.id


def test_the_same_document_gives_the_same_row(cast: builders.Cast, uri: str) -> None:
    first = register(cast.engineer, uri)
    second = register(cast.release_manager, uri)
    assert (first.created, second.created) == (True, False)
    assert second.checkpoint.pk == first.checkpoint.pk
    assert AuditEntry.objects.filter(action="checkpoint.registered").count() == 1


@pytest.mark.parametrize(
    ("fields", "different"),
    [
        ({"context_window": 4096}, "context_window"),
        ({"kind": "sft"}, "kind"),
        ({"size": "mini"}, "size"),
        ({"family": "code"}, "family"),
        ({"serving": {"system_prompt": "Be long."}}, "serving"),
        ({"owner": "auditor"}, "owner"),
        ({"notes": "other"}, "notes"),
    ],
)
def test_a_taken_name_with_other_content_names_the_difference(
    cast: builders.Cast, uri: str, fields: dict[str, Any], different: str
) -> None:
    register(cast.engineer, uri)
    with pytest.raises(InvalidMove, match=f"other content exists .{different}.") as refusal:
        register(cast.engineer, uri, **fields)
    assert [reason.sentence.split()[0] for reason in refusal.value.reasons] == [different]


def test_files_that_changed_since_are_not_the_same_checkpoint(
    cast: builders.Cast, uri: str, tmp_path: Path
) -> None:
    register(cast.engineer, uri)
    (tmp_path / "weights" / "weights.gguf").write_bytes(b"other")
    with pytest.raises(InvalidMove, match="manifest_digest"):
        register(cast.engineer, uri)


def test_a_given_manifest_is_held_against_every_file(
    cast: builders.Cast, uri: str, tmp_path: Path
) -> None:
    manifest = manifests.compute_manifest(uri)
    (tmp_path / "weights" / "weights.gguf").write_bytes(b"X" + b"weights" * 100)
    (tmp_path / "weights" / "extra.bin").write_bytes(b"x")
    with pytest.raises(InvalidInput, match="2 files differ") as refusal:
        register(cast.engineer, uri, manifest=manifest)
    assert [reason.code for reason in refusal.value.reasons] == ["file_size", "file_extra"]
    assert not Checkpoint.objects.exists()


def test_a_given_manifest_may_come_in_any_order(cast: builders.Cast, uri: str) -> None:
    manifest = manifests.compute_manifest(uri)
    first = register(cast.engineer, uri, manifest=list(reversed(manifest)))
    assert first.checkpoint.manifest == manifest
    assert not register(cast.engineer, uri).created


def test_a_tampered_byte_is_found_later_and_named(
    cast: builders.Cast, uri: str, tmp_path: Path
) -> None:
    row = register(cast.engineer, uri).checkpoint
    assert manifests.verify_manifest(row) == []
    path = tmp_path / "weights" / "weights.gguf"
    path.write_bytes(b"W" + path.read_bytes()[1:])
    (reason,) = manifests.verify_manifest(row)
    assert (reason.code, "weights.gguf" in reason.sentence) == ("file_hash", True)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"sampling": 1}, "sampling: unknown key"),
        ({"serving": {"sampling": {"temprature": 0}}}, "did you mean temperature?"),
        ({"serving": {"sampling": {"temperature": float("nan")}}}, "nan is not a number"),
        ({"serving": {"sampling": {"temperature": 3}}}, "maximum of 2"),
        ({"serving": {"sampling": {"seed": True}}}, "not of type 'integer'"),
        ({"serving": {"sampling": {"stop": [1]}}}, "not of type 'string'"),
        ({"serving": {"system_prompt": "a\x00"}}, "NUL"),
        ({"name": "../etc"}, "letters, digits"),
        ({"name": "chat\n"}, "letters, digits"),
        ({"kind": "magic"}, "is not one of"),
        ({"context_window": 0}, "minimum of 1"),
        ({"manifest": []}, "non-empty"),
        ({"manifest": [{"path": "../a", "size": 1, "sha256": "a" * 64}]}, "below the artifact"),
        ({"manifest": [{"path": "a", "size": 1, "sha256": "a"}]}, "64 hexadecimal"),
    ],
)
def test_a_malformed_document_is_refused(
    cast: builders.Cast, uri: str, fields: dict[str, Any], expected: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        register(cast.engineer, uri, **fields)
    assert any(expected in reason.sentence for reason in refusal.value.reasons)


def test_every_mistake_of_a_document_comes_at_once(cast: builders.Cast, uri: str) -> None:
    with pytest.raises(InvalidInput, match="3 problems") as refusal:
        register(cast.engineer, uri, kind="magic", context_window=0, sizes="nano")
    assert len(refusal.value.reasons) == 3


def test_lineage_names_an_existing_parent(cast: builders.Cast, uri: str) -> None:
    parent = register(cast.engineer, uri).checkpoint
    child = register(cast.engineer, uri, name="chat-nano-2", parent="chat-nano-1").checkpoint
    assert child.parent == parent
    with pytest.raises(NotFound, match="Did you mean chat-nano-2"):
        register(cast.engineer, uri, name="chat-nano-3", parent="chat-nano-2x")


def test_a_codename_is_no_checkpoints_name(cast: builders.Cast, uri: str) -> None:
    Codename.objects.create(
        stage=builders.stage(), size="nano", name="quasar-alpha", opens_at=builders.NOW
    )
    with pytest.raises(InvalidInput, match="is a codename"):
        register(cast.engineer, uri, name="quasar-alpha")


def test_a_service_key_names_the_owner(cast: builders.Cast, uri: str) -> None:
    ci = key(Scope.REGISTER)
    with pytest.raises(InvalidInput, match="name the checkpoint's owner"):
        register(ci, uri)
    assert register(ci, uri, owner="engineer").checkpoint.owner_id == cast.engineer.person_id


@pytest.mark.parametrize("role", ["auditor", "behaviour_reviewer", "eval_owner", "partner_manager"])
def test_other_roles_register_nothing(cast: builders.Cast, uri: str, role: str) -> None:
    with pytest.raises(NotPermitted):
        register(getattr(cast, role), uri)


def test_a_key_without_the_scope_registers_nothing(cast: builders.Cast, uri: str) -> None:
    with pytest.raises(NotPermitted):
        register(key(Scope.READ, Scope.RUN), uri, owner="engineer")


def test_one_document_brings_deployments_and_prices(cast: builders.Cast, uri: str) -> None:
    with running() as upstream:
        place = {"base_url": upstream.base_url, "upstream_model": upstream.models[0]}
        price = {
            "currency": "EUR",
            "input_micros_per_million": 100_000,
            "output_micros_per_million": 300_000,
        }
        both = {"deployments": [place], "prices": [price]}
        first = register(cast.engineer, uri, **both)
        second = register(cast.engineer, uri, **both)
    assert (first.deployments, first.prices) == (second.deployments, second.prices)
    assert (Deployment.objects.count(), Price.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE checkpoint SET size = 'mini'", "DELETE FROM checkpoint", "TRUNCATE checkpoint"],
)
def test_the_database_refuses_to_change_a_checkpoint(
    cast: builders.Cast, uri: str, statement: str
) -> None:
    register(system("test"), uri, owner="engineer")
    with pytest.raises((ProgrammingError, InternalError), match="permission denied"):
        with connection.cursor() as cursor:
            cursor.execute(statement)


def test_simultaneous_registrations_of_one_document_give_one_row(
    committed_db: str, uri: str
) -> None:
    actor = builders.cast().engineer
    n = 4
    barrier, results = threading.Barrier(n), list[checkpoints.Registration | DomainError]()

    def work() -> None:
        barrier.wait()
        try:
            results.append(register(actor, uri))
        except DomainError as refusal:
            results.append(refusal)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(result) for result in results] == [checkpoints.Registration] * n
    assert sum(result.created for result in results) == 1  # type: ignore[union-attr]
    assert Checkpoint.objects.count() == 1
    assert AuditEntry.objects.filter(action="checkpoint.registered").count() == 1


@pytest.mark.parametrize("uri", ["http://host/folder", "file://host/folder", "file:///", "s3://"])
def test_an_artifact_is_a_folder_in_a_known_store(cast: builders.Cast, uri: str) -> None:
    with pytest.raises(InvalidInput, match="s3://bucket/prefix"):
        register(cast.engineer, uri)
