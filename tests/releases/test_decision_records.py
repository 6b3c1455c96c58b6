"""Whatever the services recorded is judged again to the same outcomes, sentences and hash."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra import clock
from infra.actors import system
from releases.models import Checkpoint, DecisionRecord, Promotion, Stage
from releases.replay.judge import replay
from releases.selectors.decisions import exported
from releases.services import holds, promotions
from releases.states import PromotionState, Vote
from tests import builders
from tests.builders import NOW, Cast
from tests.releases import rollout, story

pytestmark = pytest.mark.django_db
SOAK = {"id": "soak-1", "kind": "soak", "stage": "internal", "soak": "24h"}
WHY = "Answers leak the system prompt to everybody."


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def at(hours: float) -> Any:
    return clock.frozen_at(NOW + timedelta(hours=hours))


def replayed() -> list[dict[str, Any]]:
    """Every record, after a replay that found no difference."""
    documents = []
    for record in DecisionRecord.objects.order_by("decided_at"):
        document = json.loads(json.dumps(exported(record)))
        found = replay(document)
        assert found.differences == (), [d.sentence for d in found.differences]
        assert found.document_hash == record.document_hash
        documents.append(document)
    return documents


def stages() -> Stage:
    story.stage(story.MANUAL, name="internal")
    return story.stage(SOAK, story.MANUAL)


def answered(cast: Cast, promotion: Promotion) -> Promotion:
    return promotions.answer_gate(
        actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Good."
    )


def test_a_waived_promotion_replays(cast: Cast) -> None:
    to = stages()
    with at(0):
        asked = answered(cast, story.requested(cast.engineer, rollout.named("two"), to))
        waiver = promotions.waive_gate(
            actor=cast.release_manager, promotion=asked, gate_id="soak-1", reason=WHY
        )
        promotions.confirm_waiver(actor=cast.second_release_manager, waiver=waiver)
        done = story.approved(cast.second_release_manager, asked)
    assert done.state == PromotionState.PROMOTED
    (document,) = replayed()
    assert [row["counted"] for row in document["waivers"]] == [True]
    assert document["gates"][0]["outcome"] == "waived"


def test_a_hotfix_replays(cast: Cast) -> None:
    to = stages()
    asked = promotions.request_promotion(
        actor=cast.release_manager,
        checkpoint=rollout.named("two"),
        stage=to,
        reason=WHY,
        hotfix=True,
    )
    answered(cast, asked)
    assert story.approved(cast.second_release_manager, asked).state == PromotionState.PROMOTED
    (document,) = replayed()
    assert (document["hotfix"], document["gates"][0]["code"]) == (WHY, "hotfix")


def test_a_set_replays_and_each_names_the_others(cast: Cast) -> None:
    to = story.stage(story.MANUAL)
    sizes = [
        builders.checkpoint(f"c-{size}", size=size, checkpoint_digest=size * 8)
        for size in ("mini", "nano")
    ]
    asked = promotions.request_set(
        actor=cast.release_manager, checkpoints=sizes, stage=to, reason="both sizes"
    )
    for member in asked:
        answered(cast, member)
    story.approved(cast.second_release_manager, asked[0])
    others = [[row["checkpoint"] for row in document["set"]] for document in replayed()]
    assert sorted(others) == [["c-mini"], ["c-nano"]]


def test_what_blocked_a_rejected_one_replays(cast: Cast) -> None:
    to = stages()
    with at(0):
        rollout.begun(cast, Stage.objects.get(name="internal"), "two")
    with at(5):
        asked = story.requested(cast.release_manager, Checkpoint.objects.get(), to)
        holds.place_hold(actor=cast.release_manager, checkpoint=asked.checkpoint, reason="3 odd")
        promotions.vote(
            actor=cast.second_release_manager,
            promotion=asked,
            choice=Vote.REJECT,
            comment="Not with 3 of 40 odd.",
        )
    documents = replayed()
    assert [document["state"] for document in documents] == ["promoted", "rejected"]
    assert [row["block"] for row in documents[1]["blocks"]] == ["holds"]


def test_an_expired_one_replays_as_of_the_look_that_expired_it(cast: Cast) -> None:
    to = stages()
    with at(0):
        asked = story.requested(cast.release_manager, rollout.named("two"), to)
    with at(24 * 8):
        promotions.evaluate_promotion(actor=system("scheduler"), promotion=asked)
    (document,) = replayed()
    assert (document["state"], document["verdict"]["state"]) == ("expired", "expired")


def test_a_stale_one_replays_though_time_went_on(cast: Cast, tmp_path: Path) -> None:
    """The soak was running when it was judged, and would be over when the files changed."""
    story.stage(story.MANUAL, name="internal")
    to = story.stage(SOAK, story.ARTIFACT)
    made = story.stored_checkpoint("two", str(tmp_path))
    with at(0):
        story.promoted(cast, made, Stage.objects.get(name="internal"))
    with at(1):
        asked = story.requested(cast.release_manager, made, to)
    with at(30):
        name = f"manifest:{made.artifact_uri}"
        promotions.inputs_changed(
            actor=cast.engineer, digests={name: "0" * 64}, reason="2 files were replaced"
        )
        promotions.vote(
            actor=cast.second_release_manager,
            promotion=asked,
            choice=Vote.REJECT,
            comment="The files changed.",
        )
    document = replayed()[-1]
    outcomes = {row["id"]: row["outcome"] for row in document["gates"]}
    assert outcomes == {"soak-1": "inconclusive", "artifact-1": "stale"}
    assert document["gates"][0]["judged_at"] < document["evaluated_at"]


def test_a_broken_source_replays_as_the_error_that_it_was(cast: Cast, settings: Any) -> None:
    settings.EVIDENCE_SOURCES = []
    to = story.stage(story.MANUAL)
    asked = story.requested(cast.release_manager, rollout.named("two"), to)
    promotions.vote(
        actor=cast.second_release_manager, promotion=asked, choice=Vote.REJECT, comment="No."
    )
    (document,) = replayed()
    assert document["gates"][0]["problem"].startswith("no source of evidence knows")
    assert (document["gates"][0]["evidence"], document["gates"][0]["outcome"]) == (None, "error")
