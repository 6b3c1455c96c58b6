"""Two hands at once, on real connections."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connections

from infra.actors import system
from infra.errors import DomainError
from infra.models import AuditEntry
from releases.digests import sha256_of
from releases.models import Approval, DecisionRecord, Promotion, Release
from releases.selectors.promotions import promotion_with_id
from releases.services import promotions
from releases.states import PromotionState
from tests import builders
from tests.releases import story


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Every result, or the refusal, of calls that start together on connections of their own."""
    together = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        together.wait(timeout=30)
        try:
            return call()
        except DomainError as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def ready() -> Promotion:
    """A promotion that everything admits, not yet executed."""
    cast = builders.cast()
    to = story.stage(story.MANUAL)
    made = builders.checkpoint("chat-nano-2", checkpoint_digest=sha256_of("two"))
    promotion = story.requested(cast.release_manager, made, to)
    promotions.answer_gate(
        actor=cast.engineer, promotion=promotion, gate_id="manual-1", yes=True, comment="Good."
    )
    hashed = promotion.evaluations.first().evidence_hash
    Approval.objects.create(
        promotion=promotion,
        person_id=cast.second_release_manager.person_id,
        vote="approve",
        groups=["release-managers"],
        evidence_hash=hashed,
        voted_at=builders.NOW,
    )
    return promotions.evaluate_promotion(actor=system("test"), promotion=promotion)


def test_two_executions_at_once_make_one_release(committed_db: str) -> None:
    promotion = ready()
    assert promotion.state == PromotionState.APPROVED

    def execute() -> Any:
        return promotions.execute_promotion(actor=system("test"), promotion=promotion)

    found = at_once(execute, execute, promotions.advance_promotions, promotions.advance_promotions)
    assert [result for result in found if isinstance(result, DomainError)] == []
    assert found[0] == found[1] == Release.objects.get()
    assert DecisionRecord.objects.count() == 1
    assert AuditEntry.objects.filter(action="promotion.promoted").count() == 1
    assert promotion_with_id(promotion.pk).state == PromotionState.PROMOTED


def test_two_approved_checkpoints_for_one_place_leave_one_live(committed_db: str) -> None:
    first = ready()
    cast = builders.cast()
    other = builders.checkpoint("chat-nano-3", checkpoint_digest=sha256_of("three"))
    second = story.requested(cast.engineer, other, first.stage)
    promotions.answer_gate(
        actor=cast.engineer, promotion=second, gate_id="manual-1", yes=True, comment="Good."
    )

    def execute() -> Any:
        return promotions.execute_promotion(actor=system("test"), promotion=first)

    def approve() -> Any:
        return story.approved(cast.release_manager, second)

    found = at_once(execute, approve)
    assert [str(result) for result in found if isinstance(result, DomainError)] in (
        [],
        [str(found[0])],
    )
    assert Release.objects.filter(ended_at__isnull=True).count() == 1
