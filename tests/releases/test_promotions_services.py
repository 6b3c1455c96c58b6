from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from infra import clock, people
from infra.actors import Actor, ActorKind, system
from infra.errors import InvalidInput, InvalidMove, NotFound, NotPermitted, PromotionBlocked
from infra.models import AuditEntry
from infra.roles import Role, Scope
from releases import evidence
from releases.digests import sha256_of
from releases.models import (
    Approval,
    Checkpoint,
    DecisionRecord,
    Evaluation,
    Promotion,
    Release,
    Stage,
)
from releases.selectors.promotions import promotion_detail, reasons_of
from releases.selectors.releases import current_release
from releases.services import holds, promotions
from releases.states import Outcome, PromotionState, Vote
from tests import builders
from tests.builders import Cast
from tests.releases import story

pytestmark = pytest.mark.django_db
KEY = Actor(
    kind=ActorKind.SERVICE_KEY, id="k", name="ci", scopes=frozenset({Scope.PROMOTE, Scope.READ})
)


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def to() -> Stage:
    return story.stage(story.MANUAL)


@pytest.fixture
def candidate(cast: Cast) -> Checkpoint:
    return builders.checkpoint("chat-nano-2", checkpoint_digest=sha256_of("chat-nano-2"))


@pytest.fixture
def waiting(cast: Cast, candidate: Checkpoint, to: Stage) -> Promotion:
    """Requested by a release manager; the manual gate is answered, the vote is missing."""
    promotion = story.requested(cast.release_manager, candidate, to)
    return promotions.answer_gate(
        actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Good."
    )


def codes(refusal: pytest.ExceptionInfo[PromotionBlocked]) -> list[str]:
    return [reason.code for reason in refusal.value.reasons]


def test_a_key_may_request_but_a_reviewer_may_not(
    cast: Cast, candidate: Checkpoint, to: Stage
) -> None:
    with pytest.raises(NotPermitted):
        story.requested(cast.behaviour_reviewer, candidate, to)
    promotion = story.requested(KEY, candidate, to)
    assert (promotion.requested_by, promotion.requester_name) == (None, "ci")
    assert promotion.state == PromotionState.WAITING


def test_a_request_is_refused_with_every_reason(
    cast: Cast, candidate: Checkpoint, to: Stage
) -> None:
    story.requested(cast.engineer, candidate, to)
    holds.place_hold(actor=cast.engineer, reason="odd", stage=to)
    holds.place_hold(actor=cast.engineer, reason="odd too", checkpoint=candidate)
    to.retired_at = clock.now()
    to.save(update_fields=["retired_at"])
    with pytest.raises(PromotionBlocked) as refusal:
        story.requested(cast.engineer, candidate, to)
    assert codes(refusal) == ["stage_retired", "held", "held", "promotion_open"]


def test_another_family_and_what_is_live_already_are_refused(
    cast: Cast, candidate: Checkpoint, to: Stage, waiting: Promotion
) -> None:
    story.approved(cast.second_release_manager, waiting)
    with pytest.raises(PromotionBlocked) as refusal:
        story.requested(cast.engineer, candidate, to)
    assert codes(refusal) == ["already_live"]
    stranger = builders.checkpoint(
        "code-nano-1", family=builders.family("code"), checkpoint_digest=sha256_of("code")
    )
    with pytest.raises(PromotionBlocked) as refusal:
        story.requested(cast.engineer, stranger, to)
    assert codes(refusal) == ["wrong_family"]


def test_the_approving_vote_makes_the_release(cast: Cast, waiting: Promotion) -> None:
    done = story.approved(cast.second_release_manager, waiting)
    assert done.state == PromotionState.PROMOTED
    release = current_release(done.stage, "nano")
    assert release is not None
    assert (release.checkpoint, release.arm, release.share) == (
        done.checkpoint,
        "incumbent",
        100,
    )


def test_a_decision_is_recorded_whole(cast: Cast, waiting: Promotion) -> None:
    done = story.approved(cast.second_release_manager, waiting)
    record = DecisionRecord.objects.get(promotion=done)
    assert record.document_hash == sha256_of(record.document)
    assert record.document["gates"][0]["outcome"] == "pass"
    assert record.document["gates"][0]["evidence"]["answers"][0]["yes"] is True
    assert [a["person"] for a in record.document["approvals"]] == ["Second Release Manager"]
    entry = AuditEntry.objects.get(action="promotion.promoted")
    assert entry.after["decision_hash"] == record.document_hash
    assert entry.evidence_hash == record.document["evidence_hash"]


def test_the_requester_may_not_vote(cast: Cast, waiting: Promotion) -> None:
    for choice in Vote:
        with pytest.raises(NotPermitted) as refusal:
            promotions.vote(
                actor=cast.release_manager, promotion=waiting, choice=choice, comment="x"
            )
        assert [r.code for r in refusal.value.reasons] == ["own_request"]
    assert not Approval.objects.exists()


def test_the_owner_may_not_vote_even_as_superuser(cast: Cast, to: Stage) -> None:
    login = builders.login("boss", Role.RELEASE_MANAGER)
    login.is_superuser = True
    login.save()
    own = builders.checkpoint("own", owner=login.person, checkpoint_digest=sha256_of("own"))
    promotion = story.requested(cast.engineer, own, to)
    with pytest.raises(NotPermitted) as refusal:
        story.approved(people.actor_of_login(login), promotion)
    assert [r.code for r in refusal.value.reasons] == ["own_checkpoint"]


def test_a_superuser_without_the_group_may_not_vote(cast: Cast, waiting: Promotion) -> None:
    login = builders.login("root")
    login.is_superuser = True
    login.save()
    with pytest.raises(NotPermitted) as refusal:
        story.approved(people.actor_of_login(login), waiting)
    assert [r.code for r in refusal.value.reasons] == ["not_permitted"]


def test_a_key_and_slipway_itself_never_vote(waiting: Promotion) -> None:
    for actor in (KEY, system("scheduler")):
        with pytest.raises(NotPermitted, match="Only a person"):
            story.approved(actor, waiting)


def test_two_logins_of_one_person_are_one_vote(
    cast: Cast, candidate: Checkpoint, to: Stage
) -> None:
    to.policy["approvals"]["required"] = 2
    to.save(update_fields=["policy"])
    promotion = story.requested(cast.engineer, candidate, to)
    story.approved(cast.release_manager, promotion)
    person = builders.login("release_manager").person
    second = builders.login("release_manager_at_home", Role.RELEASE_MANAGER)
    second.person = person
    second.save()
    with pytest.raises(InvalidMove) as refusal:
        story.approved(people.actor_of_login(second), promotion)
    assert refusal.value.code == "voted_already"


def test_no_approval_before_the_machine_gates_have_cleared(
    cast: Cast, candidate: Checkpoint
) -> None:
    to = story.stage(story.ARTIFACT, {"id": "soak-1", "kind": "soak", "stage": "closed-alpha"})
    promotion = story.requested(cast.release_manager, candidate, to)
    assert promotion.state == PromotionState.EVALUATING
    with pytest.raises(PromotionBlocked) as refusal:
        story.approved(cast.second_release_manager, promotion)
    assert [reason.gate_id for reason in refusal.value.reasons] == ["artifact-1", "soak-1"]
    assert not Approval.objects.exists()


def test_a_rejection_ends_the_request_with_its_reason(cast: Cast, waiting: Promotion) -> None:
    with pytest.raises(InvalidInput):
        promotions.vote(
            actor=cast.second_release_manager, promotion=waiting, choice=Vote.REJECT, comment=" "
        )
    done = promotions.vote(
        actor=cast.second_release_manager,
        promotion=waiting,
        choice=Vote.REJECT,
        comment="Too terse.",
    )
    assert done.state == PromotionState.REJECTED
    assert "Too terse." in done.decision_reason
    assert DecisionRecord.objects.get(promotion=done).document["state"] == "rejected"
    with pytest.raises(InvalidMove):
        story.approved(cast.second_release_manager, done)


def test_an_approval_goes_void_when_an_answer_changes(
    cast: Cast, candidate: Checkpoint, to: Stage
) -> None:
    promotion = story.requested(cast.engineer, candidate, to)
    early = story.approved(cast.release_manager, promotion)
    assert early.state == PromotionState.WAITING
    promotions.answer_gate(
        actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Fine."
    )
    approval = Approval.objects.get()
    assert approval.voided_at is not None
    assert "manual-1: inconclusive -> pass" in approval.void_reason
    assert story.approved(cast.release_manager, promotion).state == PromotionState.PROMOTED


def test_a_vote_on_evidence_that_was_not_seen_is_refused(cast: Cast, waiting: Promotion) -> None:
    with pytest.raises(InvalidMove, match="changed since you looked"):
        promotions.vote(
            actor=cast.second_release_manager,
            promotion=waiting,
            choice=Vote.APPROVE,
            evidence_hash="0" * 64,
        )


def test_a_no_blocks_until_the_same_question_is_answered_again(
    cast: Cast, candidate: Checkpoint
) -> None:
    to = story.stage(story.SIGN_OFF)
    promotion = story.requested(cast.release_manager, candidate, to)
    answer = {"actor": cast.behaviour_reviewer, "promotion": promotion, "gate_id": "sign_off-1"}
    promotions.answer_gate(**answer, yes=False, comment="It feels off.")
    assert reasons_of(promotion)[0].outcome is Outcome.FAIL
    blocked = story.approved(cast.second_release_manager, promotion)
    assert blocked.state == PromotionState.WAITING
    with clock.moved_by(timedelta(minutes=1)):
        promotions.answer_gate(**answer, yes=True, comment="Fixed.")
    assert reasons_of(promotion)[0].outcome is Outcome.PASS


def test_only_the_named_role_signs_off(cast: Cast, candidate: Checkpoint) -> None:
    promotion = story.requested(cast.engineer, candidate, story.stage(story.SIGN_OFF))
    answer = {"promotion": promotion, "gate_id": "sign_off-1", "yes": True, "comment": "ok"}
    for actor in (cast.release_manager, KEY):
        with pytest.raises(NotPermitted):
            promotions.answer_gate(actor=actor, **answer)
    with pytest.raises(InvalidInput):
        promotions.answer_gate(actor=cast.behaviour_reviewer, **{**answer, "comment": " "})
    with pytest.raises(NotFound):
        promotions.answer_gate(actor=cast.behaviour_reviewer, **{**answer, "gate_id": "nope"})


def test_a_lost_right_stops_counting_before_execution(
    cast: Cast, candidate: Checkpoint, to: Stage
) -> None:
    to.policy["approvals"]["required"] = 2
    to.save(update_fields=["policy"])
    promotion = story.requested(cast.engineer, candidate, to)
    promotions.answer_gate(
        actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Good."
    )
    story.approved(cast.release_manager, promotion)
    builders.login("release_manager").groups.clear()
    after = story.approved(cast.second_release_manager, promotion)
    assert after.state == PromotionState.WAITING
    assert not Release.objects.exists()


def test_a_hold_keeps_an_approved_promotion_waiting(cast: Cast, waiting: Promotion) -> None:
    hold = holds.place_hold(actor=cast.engineer, reason="odd", checkpoint=waiting.checkpoint)
    held = story.approved(cast.second_release_manager, waiting)
    assert held.state == PromotionState.WAITING
    assert [r.code for r in reasons_of(held) if not r.admits] == ["held"]
    holds.lift_hold(actor=cast.engineer, hold=hold, reason="it was a fluke")
    promotions.advance_promotions()
    held.refresh_from_db()
    assert held.state == PromotionState.PROMOTED


def test_time_runs_out_and_is_never_approval(waiting: Promotion) -> None:
    with clock.moved_by(timedelta(days=8)):
        promotions.advance_promotions()
    waiting.refresh_from_db()
    assert waiting.state == PromotionState.EXPIRED
    assert not Release.objects.exists()


def test_nothing_is_written_when_nothing_changed(waiting: Promotion) -> None:
    before = (Evaluation.objects.count(), AuditEntry.objects.count())
    promotions.advance_promotions()
    assert (Evaluation.objects.count(), AuditEntry.objects.count()) == before


def test_a_stage_without_gates_admits_by_a_waiver_alone(cast: Cast, candidate: Checkpoint) -> None:
    promotion = story.requested(cast.engineer, candidate, story.stage())
    assert [(r.code, r.outcome) for r in reasons_of(promotion)][0] == ("ungated", Outcome.ERROR)
    with pytest.raises(PromotionBlocked):
        story.approved(cast.release_manager, promotion)
    waiver = promotions.waive_gate(
        actor=cast.release_manager,
        promotion=promotion,
        gate_id="ungated",
        reason="A rehearsal of the very first stage.",
    )
    with pytest.raises(NotPermitted, match="second person"):
        promotions.confirm_waiver(actor=cast.release_manager, waiver=waiver)
    promotions.confirm_waiver(actor=cast.second_release_manager, waiver=waiver)
    assert reasons_of(promotion)[0].outcome is Outcome.WAIVED
    assert story.approved(cast.release_manager, promotion).state == PromotionState.PROMOTED


def test_a_waiver_ends(cast: Cast, candidate: Checkpoint, to: Stage) -> None:
    promotion = story.requested(cast.engineer, candidate, to)
    waiver = promotions.waive_gate(
        actor=cast.release_manager,
        promotion=promotion,
        gate_id="manual-1",
        reason="The engineer is away this week.",
        lasts=timedelta(days=1),
    )
    promotions.confirm_waiver(actor=cast.second_release_manager, waiver=waiver)
    assert reasons_of(promotion)[0].outcome is Outcome.WAIVED
    with clock.moved_by(timedelta(days=2)):
        promotions.advance_promotions()
        assert reasons_of(promotion)[0].outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("gate_id", "reason", "error"),
    [
        ("artifact-1", "It is only a test machine, really.", InvalidInput),
        ("manual-1", "Too short.", InvalidInput),
        ("nope", "A reason that is long enough to count.", NotFound),
    ],
)
def test_what_can_not_be_waived(
    cast: Cast, candidate: Checkpoint, gate_id: str, reason: str, error: type[Exception]
) -> None:
    promotion = story.requested(cast.engineer, candidate, story.stage(story.ARTIFACT, story.MANUAL))
    with pytest.raises(error):
        promotions.waive_gate(
            actor=cast.release_manager, promotion=promotion, gate_id=gate_id, reason=reason
        )


def test_a_changed_policy_is_taken_over_and_leaves_unchanged_gates_alone(
    cast: Cast, waiting: Promotion
) -> None:
    waiting.stage.policy["approvals"]["required"] = 2
    waiting.stage.policy_digest = sha256_of(waiting.stage.policy)
    waiting.stage.save(update_fields=["policy", "policy_digest"])
    (touched,) = promotions.policy_changed(actor=cast.release_manager, stages=[waiting.stage])
    assert (touched.promotion, touched.gates) == (waiting, ())
    assert reasons_of(touched.promotion)[0].outcome is Outcome.PASS
    promotions.advance_promotions()
    waiting.refresh_from_db()
    assert waiting.policy["approvals"]["required"] == 2
    assert reasons_of(waiting)[0].outcome is Outcome.PASS


def test_a_changed_input_makes_its_outcome_stale_at_once(
    cast: Cast, own_object_store: object
) -> None:
    made = story.stored_checkpoint("chat-nano-3", str(own_object_store))
    to = story.stage(story.ARTIFACT, story.MANUAL)
    promotion = story.requested(cast.release_manager, made, to)
    approved = story.approved(cast.second_release_manager, promotion)
    name = f"manifest:{made.artifact_uri}"
    same = promotions.inputs_changed(
        actor=cast.engineer, digests={name: made.manifest_digest}, reason="nothing changed"
    )
    assert same == []
    touched = promotions.inputs_changed(
        actor=cast.engineer, digests={name: "0" * 64}, reason="the files were replaced"
    )
    assert [(stale.promotion, stale.gates) for stale in touched] == [(approved, ("artifact-1",))]
    assert touched[0].approvals == ("Second Release Manager",)
    outcomes = {reason.gate_id: reason.outcome for reason in reasons_of(touched[0].promotion)}
    assert outcomes["artifact-1"] is Outcome.STALE
    assert outcomes["manual-1"] is Outcome.INCONCLUSIVE
    assert Approval.objects.get().voided_at is not None


def test_one_changed_byte_fails_the_artifact_gate_by_name(
    cast: Cast, own_object_store: object
) -> None:
    made = story.stored_checkpoint("chat-nano-3", str(own_object_store))
    promotion = story.requested(cast.release_manager, made, story.stage(story.ARTIFACT))
    assert promotion.state == PromotionState.WAITING
    (own_object_store / "chat-nano-3" / "weights.gguf").write_bytes(b"weights of chat-nano-X")
    with pytest.raises(PromotionBlocked) as refusal:
        story.approved(cast.second_release_manager, promotion)
    assert "weights.gguf" in refusal.value.reasons[0].sentence
    assert refusal.value.reasons[0].outcome == "fail"
    assert not Release.objects.exists()


def test_a_store_that_does_not_answer_is_an_error_and_never_a_pass(
    cast: Cast, candidate: Checkpoint
) -> None:
    broken = builders.checkpoint(
        "odd", artifact_uri="gopher://nowhere", checkpoint_digest=sha256_of("odd")
    )
    promotion = story.requested(cast.engineer, broken, story.stage(story.ARTIFACT))
    assert reasons_of(promotion)[0].outcome is Outcome.ERROR


def test_a_shadow_gate_is_shown_and_changes_nothing(cast: Cast, candidate: Checkpoint) -> None:
    to = story.stage({**story.ARTIFACT, "shadow": True}, story.MANUAL)
    done = story.promoted(cast, candidate, to)
    assert done.state == PromotionState.PROMOTED
    shadow = reasons_of(done)[0]
    assert (shadow.gate_id, shadow.shadow, shadow.outcome) == (
        "artifact-1",
        True,
        Outcome.FAIL,
    )


def test_the_newer_approved_request_supersedes_the_older(
    cast: Cast, candidate: Checkpoint, to: Stage
) -> None:
    other = builders.checkpoint("chat-nano-9", checkpoint_digest=sha256_of("chat-nano-9"))
    older = story.requested(cast.engineer, other, to)
    with clock.moved_by(timedelta(minutes=1)):
        story.promoted(cast, candidate, to)
    older.refresh_from_db()
    assert older.state == PromotionState.SUPERSEDED
    assert older.superseded_by is not None


def test_only_the_requester_or_a_release_manager_withdraws(
    cast: Cast, candidate: Checkpoint, to: Stage
) -> None:
    promotion = story.requested(cast.engineer, candidate, to)
    with pytest.raises(NotPermitted):
        promotions.withdraw_promotion(actor=KEY, promotion=promotion, reason="no")
    done = promotions.withdraw_promotion(
        actor=cast.engineer, promotion=promotion, reason="a better one comes"
    )
    assert done.state == PromotionState.WITHDRAWN


def test_the_detail_tells_the_whole_story(cast: Cast, waiting: Promotion) -> None:
    done = story.approved(cast.second_release_manager, waiting)
    detail = promotion_detail(done)
    assert [entry.action for entry in detail.timeline][:2] == [
        "promotion.promoted",
        "promotion.moved",
    ]
    assert detail.decision.admits
    assert [answer.yes for answer in detail.answers] == [True]
    assert len(detail.approvals) == len(detail.records) == 1


def test_a_promotion_that_can_not_be_judged_keeps_no_other_waiting(
    cast: Cast, candidate: Checkpoint, to: Stage, settings: Any
) -> None:
    broken = story.requested(cast.engineer, candidate, to)
    other = builders.checkpoint("chat-nano-9", checkpoint_digest=sha256_of("chat-nano-9"))
    with clock.moved_by(timedelta(minutes=1)):
        fine = story.requested(cast.engineer, other, to)
    settings.EVIDENCE_SOURCES = ["tests.releases.story.FailsForTwo"]
    evidence._standing_sources.cache_clear()
    try:
        with clock.moved_by(timedelta(days=8)):
            assert promotions.advance_promotions() == 1
    finally:
        evidence._standing_sources.cache_clear()
    broken.refresh_from_db()
    fine.refresh_from_db()
    assert (broken.state, fine.state) == (PromotionState.WAITING, PromotionState.EXPIRED)


def test_a_source_that_can_not_be_loaded_is_an_error_that_says_so(
    cast: Cast, candidate: Checkpoint, to: Stage, settings: Any
) -> None:
    settings.EVIDENCE_SOURCES = ["releases.nowhere.Source"]
    reason = reasons_of(story.requested(cast.engineer, candidate, to))[0]
    assert (reason.outcome, "releases.nowhere.Source" in reason.sentence) == (Outcome.ERROR, True)


def test_a_replay_that_nobody_made_can_not_tell_and_never_admits(cast: Cast) -> None:
    gate = {"id": "rerun", "kind": "replay", "at_most": 0.01}
    promotion = story.requested(cast.engineer, builders.checkpoint(), story.stage(gate))
    found = reasons_of(promotion)[0]
    assert (found.outcome, found.code) == (Outcome.INCONCLUSIVE, "no_evidence")
    assert "no completed replay" in found.sentence
