"""Stages with gates, and promotions on their way, for stories about releases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import OperationalError

from infra.actors import Actor
from infra.storage import store_at
from releases.digests import manifest_digest, sha256_of
from releases.evidence import AnswerEvidence
from releases.gates.contract import Evidence, Gate, Subject
from releases.manifest import entry
from releases.models import Checkpoint, Promotion, Stage
from releases.services import promotions
from releases.services.manifests import compute_manifest
from releases.states import Vote
from tests import builders
from tests.builders import Cast

QUESTION = "Does the tone fit?"
MANUAL = {"id": "manual-1", "kind": "manual", "question": QUESTION, "role": "engineer"}
SIGN_OFF = {
    "id": "sign_off-1",
    "kind": "sign_off",
    "question": QUESTION,
    "role": "behaviour-reviewer",
}
ARTIFACT = {"id": "artifact-1", "kind": "artifact"}


def policy(*gates: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """A stage's policy as `apply` keeps it; one release manager approves."""
    approvals = {"required": 1, "groups": ["release-managers"], "expires": "7d"}
    return {"name": "closed-alpha", "gates": list(gates), "approvals": approvals, **settings}


def stage(*gates: dict[str, Any], name: str = "closed-alpha", **settings: Any) -> Stage:
    found = builders.stage(name, {**policy(*gates), **settings, "name": name})
    found.policy_digest = sha256_of(found.policy)
    found.save(update_fields=["policy_digest"])
    return found


def stored_checkpoint(name: str, folder: str, **fields: Any) -> Checkpoint:
    """A checkpoint whose one file is in the object store, with a deployment that was probed."""
    uri = f"file://{folder}/{name}"
    store_at(uri).put("weights.gguf", f"weights of {name}".encode())
    manifest = compute_manifest(uri)
    assert manifest == [entry(**manifest[0])]
    made = builders.checkpoint(
        name,
        artifact_uri=uri,
        manifest=manifest,
        manifest_digest=manifest_digest(manifest),
        checkpoint_digest=sha256_of(name),
        **fields,
    )
    builders.deployment(made, fingerprint={"model": "m", "text": "a"}, probed_at=builders.NOW)
    return made


def requested(actor: Actor, checkpoint: Checkpoint, to: Stage) -> Promotion:
    return promotions.request_promotion(
        actor=actor, checkpoint=checkpoint, stage=to, reason="better at tables"
    )


def approved(actor: Actor, promotion: Promotion) -> Promotion:
    return promotions.vote(actor=actor, promotion=promotion, choice=Vote.APPROVE)


def promoted(cast: Cast, checkpoint: Checkpoint, to: Stage) -> Promotion:
    """Requested by a release manager, answered where asked, approved by another."""
    promotion = requested(cast.release_manager, checkpoint, to)
    for gate in to.policy["gates"]:
        if gate["kind"] in ("manual", "sign_off") and not gate.get("shadow"):
            actor = cast.engineer if gate["kind"] == "manual" else cast.behaviour_reviewer
            promotions.answer_gate(
                actor=actor, promotion=promotion, gate_id=gate["id"], yes=True, comment="It does."
            )
    return approved(cast.second_release_manager, promotion)


class FailsForTwo:
    """A source whose connection is gone for one checkpoint alone."""

    kinds = frozenset({"manual"})

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        if subject.checkpoint_digest == sha256_of("chat-nano-2"):
            raise OperationalError("the connection is gone")
        return AnswerEvidence().gather(gate, subject, now)
