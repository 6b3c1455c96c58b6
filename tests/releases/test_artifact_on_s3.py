"""From registration on S3 to the gate that holds its files against the manifest."""

from __future__ import annotations

import pytest

from infra.storage import store_at
from releases.models import GateOutcome
from releases.selectors.pipelines import stage_named
from releases.services.checkpoints import Registration, register_checkpoint
from releases.services.pipelines import apply_pipelines
from releases.services.promotions import request_promotion
from releases.states import Outcome
from tests import builders
from tests.releases import documents, suites
from tests.releases.upstream import running


@pytest.fixture
def uri(bucket: str) -> str:
    """The address of a checkpoint's files on S3."""
    address = f"s3://{bucket}/chat/nano-1"
    for name, content in documents.FILES.items():
        store_at(address).put(name, content)
    return address


@pytest.fixture
def cast(db: None) -> builders.Cast:
    found = builders.cast()
    suites.published()
    files = {"chat.yaml": documents.PIPELINE}
    apply_pipelines(actor=found.release_manager, files=files)
    return found


def registered(cast: builders.Cast, uri: str) -> Registration:
    with running() as upstream:
        place = {"base_url": upstream.base_url, "upstream_model": upstream.models[0]}
        document = documents.checkpoint(uri, deployments=[place])
        return register_checkpoint(actor=cast.engineer, document=document)


def artifact_gate(cast: builders.Cast, done: Registration) -> GateOutcome:
    """What the gate says of the checkpoint on its way into `internal`."""
    request_promotion(
        actor=cast.engineer,
        checkpoint=done.checkpoint,
        stage=stage_named("chat/internal"),
        reason="The first of its line.",
    )
    return GateOutcome.objects.filter(kind="artifact").order_by("-evaluation__number")[0]


def test_untouched_files_pass_the_gate(cast: builders.Cast, uri: str) -> None:
    outcome = artifact_gate(cast, registered(cast, uri))
    assert outcome.outcome == Outcome.PASS
    assert "2 files (702 bytes) match the manifest" in outcome.sentence


def test_one_tampered_byte_fails_the_gate_with_the_files_name(
    cast: builders.Cast, uri: str
) -> None:
    done = registered(cast, uri)
    tampered = bytearray(documents.FILES["weights.gguf"])
    tampered[350] ^= 1
    store_at(uri).put("weights.gguf", bytes(tampered))
    outcome = artifact_gate(cast, done)
    assert outcome.outcome == Outcome.FAIL
    assert "weights.gguf" in outcome.sentence
    assert "vocab.json" not in outcome.sentence
