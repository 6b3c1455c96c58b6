"""What people decided on the same evidence is not asked of them again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from infra import clock
from infra.errors import PromotionBlocked
from infra.models import AuditEntry, User
from infra.roles import Role
from releases.gates.contract import Evidence, Gate, Subject
from releases.models import Answer, Checkpoint, Promotion, Stage
from releases.selectors.promotions import decision_of, promotion_with_id
from releases.services import promotions
from releases.states import Outcome, PromotionState, Vote
from tests import builders
from tests.builders import Cast
from tests.releases import story

pytestmark = pytest.mark.django_db
FRESH = {"id": "fresh", "kind": "eval_fresh", "suite": "sql"}


class Suite:
    """A source whose input has the digest that the test says."""

    kinds = frozenset({"eval_fresh"})
    digest = "1" * 64

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        return Evidence(missing="no run yet", inputs={"suite:sql": Suite.digest})


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def suite(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Suite]]:
    sources = [path for path in settings.EVIDENCE_SOURCES if path.startswith("releases.")]
    settings.EVIDENCE_SOURCES = [*sources, "tests.releases.test_decided_services.Suite"]
    monkeypatch.setattr(Suite, "digest", "1" * 64)
    yield Suite


def answer(cast: Cast, promotion: Promotion, yes: bool) -> None:
    promotions.answer_gate(
        actor=cast.behaviour_reviewer,
        promotion=promotion,
        gate_id="sign_off-1",
        yes=yes,
        comment="It flatters.",
    )


def again(cast: Cast, made: Checkpoint, to: Stage, before: Promotion) -> Promotion:
    promotions.withdraw_promotion(actor=cast.engineer, promotion=before, reason="one more look")
    return story.requested(cast.engineer, made, to)


def outcome(promotion: Promotion) -> Outcome:
    gates = decision_of(promotion_with_id(promotion.pk)).gates
    return next(gate.outcome for gate in gates if gate.gate_id == "sign_off-1")


@pytest.mark.parametrize(("yes", "said"), [(True, Outcome.PASS), (False, Outcome.FAIL)])
def test_an_answer_counts_for_a_later_promotion_on_the_same_evidence(
    cast: Cast, suite: type[Suite], yes: bool, said: Outcome
) -> None:
    to, made = story.stage(FRESH, story.SIGN_OFF), builders.checkpoint("chat-nano-2")
    first = story.requested(cast.engineer, made, to)
    answer(cast, first, yes)
    second = again(cast, made, to, first)
    assert outcome(second) is said
    told = AuditEntry.objects.get(action="promotion.answer_carried")
    assert told.after["promotion"] == str(first.pk)
    assert Answer.objects.filter(promotion=second).count() == 1


def test_an_answer_is_asked_for_again_on_other_evidence(cast: Cast, suite: type[Suite]) -> None:
    to, made = story.stage(FRESH, story.SIGN_OFF), builders.checkpoint("chat-nano-2")
    first = story.requested(cast.engineer, made, to)
    answer(cast, first, True)
    suite.digest = "2" * 64
    assert outcome(again(cast, made, to, first)) is Outcome.INCONCLUSIVE


def test_an_answer_is_asked_for_again_once_the_question_changed(
    cast: Cast, suite: type[Suite]
) -> None:
    to, made = story.stage(FRESH, story.SIGN_OFF), builders.checkpoint("chat-nano-2")
    first = story.requested(cast.engineer, made, to)
    answer(cast, first, True)
    to.policy = story.policy(FRESH, {**story.SIGN_OFF, "question": "Is it kind?"})
    to.save(update_fields=["policy"])
    assert outcome(again(cast, made, to, first)) is Outcome.INCONCLUSIVE


def test_the_answer_of_somebody_who_may_no_longer_give_it_is_asked_for_again(
    cast: Cast, suite: type[Suite]
) -> None:
    to, made = story.stage(FRESH, story.SIGN_OFF), builders.checkpoint("chat-nano-2")
    first = story.requested(cast.engineer, made, to)
    answer(cast, first, True)
    reviewer = User.objects.get(person_id=cast.behaviour_reviewer.person_id)
    reviewer.groups.remove(reviewer.groups.get(name=Role.BEHAVIOUR_REVIEWER.value))
    assert outcome(again(cast, made, to, first)) is Outcome.INCONCLUSIVE


def rejected(cast: Cast, made: Checkpoint, to: Stage) -> Promotion:
    asked = story.requested(cast.engineer, made, to)
    return promotions.vote(
        actor=cast.release_manager,
        promotion=asked,
        choice=Vote.REJECT,
        comment="worse at joins",
    )


def test_what_people_rejected_is_refused_while_the_evidence_is_the_same(
    cast: Cast, suite: type[Suite]
) -> None:
    to, made = story.stage(FRESH, story.SIGN_OFF), builders.checkpoint("chat-nano-2")
    with clock.frozen_at(builders.NOW):
        rejected(cast, made, to)
    with clock.frozen_at(builders.NOW + timedelta(days=90)):
        with pytest.raises(PromotionBlocked) as refusal:
            story.requested(cast.second_release_manager, made, to)
        (reason,) = refusal.value.reasons
        assert reason.code == "decided_already"
        assert reason.sentence == (
            "Decided already on this evidence by Release Manager on 2026-03-02: "
            "“worse at joins”; bring new evidence."
        )
        suite.digest = "2" * 64
        asked = story.requested(cast.engineer, made, to)
    assert asked.state in (PromotionState.EVALUATING, PromotionState.WAITING)


def test_live_numbers_of_another_day_are_new_evidence(cast: Cast, suite: type[Suite]) -> None:
    soak = {"id": "soak-1", "kind": "soak", "all": [{"stage": "internal", "soak": "90d"}]}
    story.stage(name="internal")
    to, made = story.stage(soak, FRESH, story.SIGN_OFF), builders.checkpoint("chat-nano-2")
    with clock.frozen_at(builders.NOW):
        rejected(cast, made, to)
    with clock.frozen_at(builders.NOW + timedelta(hours=23)):
        with pytest.raises(PromotionBlocked) as refusal:
            story.requested(cast.engineer, made, to)
        assert refusal.value.reasons[0].clears_at == "2026-03-03T09:00:00+00:00"
    with clock.frozen_at(builders.NOW + timedelta(hours=24)):
        story.requested(cast.engineer, made, to)
