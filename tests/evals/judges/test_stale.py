"""A judge's version and its calibration are inputs: another one makes outcomes stale at once."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from evals.services import judges as services
from evals.services import labels
from evals.services.suites import import_suite
from infra.models import AuditEntry
from releases.models import Promotion
from releases.selectors.promotions import decision_of, promotion_with_id
from releases.states import Outcome
from tests import builders as shared
from tests.evals.judges import world
from tests.releases import story

pytestmark = pytest.mark.django_db
N_CASES = 80
FLOOR = {"id": "kind", "kind": "eval_floor", "suite": "kind", "node": "tone", "at_least": 0.3}


@pytest.fixture
def waiting(settings: Any, own_object_store: Path) -> tuple[shared.Cast, Promotion]:
    """A promotion that passed a gate on a judge, approved once."""
    settings.JUDGE_ENDPOINTS = {"judge-model": {"base_url": "http://127.0.0.1:9/v1"}}
    cast = shared.cast()
    version = world.made(cast)
    suite = import_suite(actor=cast.eval_owner, name="kind", suite=world.suite(N_CASES)).version
    checkpoint = story.stored_checkpoint("chat-nano-1", str(own_object_store))
    dice = random.Random(3)
    run = world.judged_run(suite, checkpoint, [float(dice.random() < 0.7) for _ in range(N_CASES)])
    labels.draw_items(actor=cast.eval_owner, judge=version.judge, run=run, n_cases=60)
    scores = {run.pk: list(run.results.order_by("case__position").values_list("score", flat=True))}
    world.label_all(cast, version.judge, world.truth_of([run], scores, 0.05))
    world.calibrated(cast.eval_owner, version)
    approvals = {"required": 2, "groups": ["release-managers"], "expires": "7d"}
    stage = story.stage(story.ARTIFACT, FLOOR, name="alpha", approvals=approvals)
    promotion = story.requested(cast.engineer, checkpoint, stage)
    return cast, story.approved(cast.second_release_manager, promotion)


def outcome(promotion: Promotion) -> Outcome:
    found = decision_of(promotion_with_id(promotion.pk)).gates
    return next(gate.outcome for gate in found if gate.gate_id == "kind")


def stands(promotion: Promotion) -> bool:
    return bool(promotion.approvals.filter(voided_at__isnull=True).exists())


def test_a_new_version_makes_dependents_stale_and_voids_approvals(
    waiting: tuple[shared.Cast, Promotion],
) -> None:
    cast, promotion = waiting
    assert (outcome(promotion), stands(promotion)) == (Outcome.PASS, True)
    spec = world.spec(parameters={"temperature": 0})
    beforehand = services.stale_by_version(spec)
    made = services.make_version(actor=cast.eval_owner, spec=spec)
    assert [found.sentence for found in made.stale] == [found.sentence for found in beforehand]
    assert [found.gates for found in made.stale] == [("kind",)]
    assert (outcome(promotion), stands(promotion)) == (Outcome.STALE, False)
    entry = AuditEntry.objects.get(action="judge.version_made", object_name="tone@2")
    assert entry.after["made_stale"] == [found.sentence for found in made.stale]


def test_the_same_version_again_changes_nothing(waiting: tuple[shared.Cast, Promotion]) -> None:
    cast, promotion = waiting
    again = services.make_version(actor=cast.eval_owner, spec=world.spec())
    assert (again.is_new, str(again.version), again.stale) == (False, "tone@1", ())
    assert (outcome(promotion), stands(promotion)) == (Outcome.PASS, True)


def test_a_new_calibration_makes_dependents_stale(waiting: tuple[shared.Cast, Promotion]) -> None:
    cast, promotion = waiting
    item = labels.item_with_id(
        services.reads.judge_named("tone"), services.reads.judge_named("tone").items.first().pk
    )
    labels.give_label(actor=cast.release_manager, item=item, choice="bad")
    assert outcome(promotion) is Outcome.PASS
    world.calibrated(cast.eval_owner, services.reads.version_named("tone@1"))
    assert outcome(promotion) is Outcome.STALE


def test_other_terms_make_dependents_stale(waiting: tuple[shared.Cast, Promotion]) -> None:
    cast, promotion = waiting
    services.change_terms(
        actor=cast.eval_owner, judge=services.reads.judge_named("tone"), floor=0.5, min_labels=50,
        n_raters=2, reason="Safety asks for more.",
    )  # fmt: skip
    assert outcome(promotion) is Outcome.STALE
