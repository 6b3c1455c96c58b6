"""Makes outcomes stale when what they rest on changes, in the transaction of that change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import transaction

from infra import audit, clock
from infra.actors import Actor
from releases.gates.contract import Evidence
from releases.models import Promotion, Stage
from releases.selectors.facts import newest_evaluations
from releases.selectors.nearness import POLICY_TAKEN
from releases.selectors.promotions import OPEN, promotions
from releases.selectors.staleness import NewPolicy, Stale, changed_inputs, changed_policies
from releases.services.promotions.evaluate import record


def inputs_changed(*, actor: Actor, digests: Mapping[str, str], reason: str) -> list[Stale]:
    """Outcomes that rest on another digest of these inputs go stale; which, by promotion.

    `digests`: name of each input, as in `Evidence.inputs`, and what it is now. Call it inside the
    transaction of the change and before auditing the change: it locks promotions first.
    """
    with transaction.atomic():
        found = changed_inputs(_locked_rows(), digests, reason, clock.now())
        for stale in found:
            _record(actor, stale, reason)
        return found


def policy_changed(*, actor: Actor, stages: Iterable[Stage]) -> list[Stale]:
    """Open promotions into these stages take the new policy; what that does, by promotion.

    Outcomes of gates whose own definition changed go stale, and approvals are void: they were given
    on another policy. Call it inside the transaction of `apply`, before auditing it.
    """
    policies = {
        stage.pk: NewPolicy(policy=stage.policy, digest=stage.policy_digest) for stage in stages
    }
    with transaction.atomic():
        found = changed_policies(_locked_rows(stage__in=policies), policies, clock.now())
        for stale in found:
            stale.promotion.save(update_fields=["policy", "policy_digest"])
            _tell_policy(actor, stale)
            _record(actor, stale, "the stage's policy changed")
        return found


def _tell_policy(actor: Actor, stale: Stale) -> None:
    """Whoever applied it has edited what is judged here, so their vote does not count."""
    audit.record(
        actor=actor,
        action=POLICY_TAKEN,
        subject=stale.promotion,
        reason=stale.sentence,
        after={"policy_digest": stale.promotion.policy_digest},
    )


def _locked_rows(**of: object) -> list[Promotion]:
    """Open promotions, locked in one order."""
    rows = promotions().filter(state__in=OPEN, **of).order_by("pk")
    return list(rows.select_for_update(of=("self",), no_key=True))


def _record(actor: Actor, stale: Stale, why: str) -> None:
    """Outcomes as they are now, with the evidence that they were judged on."""
    if stale.decision is None:
        return
    newest = newest_evaluations([stale.promotion.pk])[stale.promotion.pk]
    evidence = {
        outcome.gate_id: Evidence(observed=outcome.evidence, url=outcome.evidence_url)
        for outcome in newest.outcomes.all()
    }
    record(actor, stale.promotion, stale.decision, evidence, "promotion.stale", clock.now(), why)
