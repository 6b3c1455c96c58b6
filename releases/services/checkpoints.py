"""Registers checkpoints: immutable rows whose files were read and found as listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db import IntegrityError, transaction

from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, Reason
from infra.models import Person
from infra.people import person_named
from infra.roles import Role, Scope
from releases import digests
from releases.documents import Document, refuse
from releases.models import Checkpoint, Codename, Deployment, Family, Price
from releases.registration import CheckpointSpec, checkpoint_spec, document_problems
from releases.selectors.checkpoints import checkpoint_named
from releases.services import deployments, manifests, prices


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a registration left: `created` is False when the same checkpoint was there already."""

    checkpoint: Checkpoint
    created: bool
    deployments: tuple[Deployment, ...] = ()
    prices: tuple[Price, ...] = ()


def register_checkpoint(*, actor: Actor, document: Mapping[str, Any]) -> Registration:
    """Register what `document` says (`releases.registration.CHECKPOINT` is its schema).

    Every file is read and compared with the manifest, or the manifest is made from the files.
    The same document again gives the same row. InvalidInput with every problem of the document or
    of the files; InvalidMove when the name stands for other content.
    """
    return register_document(actor=actor, document=Document(value=document, file="document"))


def register_document(*, actor: Actor, document: Document) -> Registration:
    """As `register_checkpoint`, with the document's deployments and prices too."""
    actor.must("register checkpoints", Role.ENGINEER, Role.RELEASE_MANAGER, scope=Scope.REGISTER)
    refuse("invalid_document", document.file, document_problems(document))
    spec = checkpoint_spec(document.value)
    checkpoint, created = _register(actor, spec)
    added = [
        deployments.add_deployment(actor=actor, checkpoint=checkpoint, **fields)
        for fields in document.value.get("deployments", ())
    ]
    priced = [
        prices.set_price(actor=actor, checkpoint=checkpoint, **prices.price_fields(fields))
        for fields in document.value.get("prices", ())
    ]
    return Registration(
        checkpoint=checkpoint, created=created, deployments=tuple(added), prices=tuple(priced)
    )


def _register(actor: Actor, spec: CheckpointSpec) -> tuple[Checkpoint, bool]:
    _check_name(spec.name)
    parent = checkpoint_named(spec.parent) if spec.parent else None
    existing = Checkpoint.objects.filter(name=spec.name).first()
    owner = _owner(actor, spec, existing)
    manifest = spec.manifest
    if manifest is None:
        manifest = manifests.compute_manifest(spec.artifact_uri)
    fields = _fields(spec, owner, parent, manifest)
    if existing is not None:
        return _same(existing, fields), False
    if spec.manifest is not None:
        _check_files(spec.artifact_uri, manifest)
    return _write(actor, spec.family, fields)


def _check_name(name: str) -> None:
    if Codename.objects.filter(name=name).exists():
        raise InvalidInput(
            "name_is_a_codename",
            f"{name!r} is a codename that partners call: a checkpoint needs a name of its own.",
        )


def _owner(actor: Actor, spec: CheckpointSpec, existing: Checkpoint | None) -> Person:
    if spec.owner:
        return person_named(spec.owner)
    if existing is not None:
        return existing.owner
    if actor.person_id is None:
        raise InvalidInput(
            "owner_missing",
            f"{actor.name} is no person: name the checkpoint's owner (`owner`: login or e-mail).",
        )
    return Person.objects.get(pk=actor.person_id)


def _check_files(artifact_uri: str, manifest: list[dict[str, Any]]) -> None:
    reasons = manifests.manifest_differences(artifact_uri, manifest)
    if reasons:
        count = "One file differs" if len(reasons) == 1 else f"{len(reasons)} files differ"
        message = f"{count} from the manifest at {artifact_uri}: {reasons[0].sentence}"
        raise InvalidInput("manifest_mismatch", message, reasons)


def _fields(
    spec: CheckpointSpec, owner: Person, parent: Checkpoint | None, manifest: list[dict[str, Any]]
) -> dict[str, Any]:
    given = asdict(spec)
    kept = ("size", "name", "artifact_uri", "context_window", "serving", "notes")
    fields = {key: given[key] for key in kept} | {
        "kind": spec.kind.value,
        "owner": owner,
        "parent": parent,
        "manifest": manifest,
        "manifest_digest": digests.manifest_digest(manifest),
    }
    fields["checkpoint_digest"] = digests.checkpoint_digest(
        family=spec.family,
        size=spec.size,
        name=spec.name,
        owner_email=owner.email,
        parent_digest=parent.checkpoint_digest if parent else None,
        kind=spec.kind.value,
        artifact_uri=spec.artifact_uri,
        manifest_digest=fields["manifest_digest"],
        serving=spec.serving,
        context_window=spec.context_window,
    )
    return fields | {"family": Family(name=spec.family)}


_COMPARED = (
    "family size owner parent kind artifact_uri manifest_digest serving context_window notes"
).split()


def _same(existing: Checkpoint, fields: Mapping[str, Any]) -> Checkpoint:
    """`existing` when the document says the same of it; InvalidMove with each difference."""
    compared = {n: (_plain(getattr(existing, n)), _plain(fields[n])) for n in _COMPARED}
    different = {name: pair for name, pair in compared.items() if pair[0] != pair[1]}
    if not different:
        return existing
    reasons = [
        Reason(
            code="differs",
            sentence=f"{name} is {_short(before)} there and {_short(now)} in the document.",
            observed=now,
            required=before,
        )
        for name, (before, now) in different.items()
    ]
    raise InvalidMove(
        "name_taken",
        f"A checkpoint {existing.name!r} with other content exists ({', '.join(different)}). "
        "Checkpoints never change: register this one under a new name.",
        reasons,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Person):
        return value.email
    return value.name if isinstance(value, Family | Checkpoint) else value


def _short(value: Any) -> str:
    text = "nothing" if value in (None, "", {}) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _write(actor: Actor, family_name: str, fields: Mapping[str, Any]) -> tuple[Checkpoint, bool]:
    try:
        with transaction.atomic():
            family, _ = Family.objects.get_or_create(name=family_name)
            checkpoint = Checkpoint.objects.create(
                **{**fields, "family": family}, registered_at=clock.now()
            )
            audit.record(
                actor=actor,
                action="checkpoint.registered",
                subject=checkpoint,
                after=_snapshot(checkpoint),
                evidence_hash=checkpoint.checkpoint_digest,
            )
    except IntegrityError:
        first = Checkpoint.objects.filter(name=fields["name"]).first()
        if first is None:
            raise
        return _same(first, fields), False
    return checkpoint, True


def _snapshot(checkpoint: Checkpoint) -> dict[str, Any]:
    names = "size kind artifact_uri manifest_digest checkpoint_digest context_window".split()
    return {name: getattr(checkpoint, name) for name in names} | {
        "family": checkpoint.family.name,
        "owner": checkpoint.owner.email,
        "parent": checkpoint.parent.name if checkpoint.parent else None,
        "n_files": len(checkpoint.manifest),
    }
