"""Pairs reviewed by a person: approved, dropped, or edited; nothing runs without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from evals.models import Probe, ProbePair
from evals.selectors import probes as reads
from evals.services.probes import design
from evals.states import PairState
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, NotFound


def review_pairs(
    *, actor: Actor, probe: Probe, pair_ids: Sequence[UUID], approve: bool
) -> list[ProbePair]:
    """Approve or drop those pairs, all or none; a second thought replaces the first."""
    design.must_design(actor)
    person_id = actor.must_be_person("review a probe's pairs")
    if not pair_ids:
        raise InvalidInput("no_pairs", "Name the pairs to approve or to drop.")
    state = PairState.APPROVED if approve else PairState.DROPPED
    with transaction.atomic():
        row = design.draft_of(probe)
        found = list(reads.pairs_of(row).filter(pk__in=set(pair_ids)))
        if len(found) < len(set(pair_ids)):
            raise NotFound("no_such_pair", "The probe has no such pair.")
        now = clock.now()
        for pair in found:
            pair.state, pair.reviewed_by_id, pair.reviewed_at = state.value, person_id, now
        ProbePair.objects.bulk_update(found, ["state", "reviewed_by", "reviewed_at"])
        after = {"state": state.value, "pairs": [str(pair) for pair in found]}
        audit.record(actor=actor, action="probe.pairs_reviewed", subject=row, after=after)
    return found


def edit_pair(*, actor: Actor, pair: ProbePair, changed: Mapping[str, Any]) -> ProbePair:
    """Put another changed request in its place, approved by whoever edits it.

    `changed` holds some of messages, tools, request and serving; the rest stays.
    """
    design.must_design(actor)
    person_id = actor.must_be_person("review a probe's pairs")
    unknown = sorted(set(changed) - {"messages", "tools", "request", "serving"})
    if unknown or not changed:
        message = f"A pair is changed by messages, tools, request or serving; {unknown} is not."
        raise InvalidInput("pair_fields", message)
    with transaction.atomic():
        row = design.draft_of(pair.probe)
        found = reads.pair_with_id(row, pair.pk)
        kept = {**found.changed, **changed}
        design.check_changed(found.prompt, kept, row)
        found.changed, found.was_edited = kept, True
        found.state, found.reviewed_by_id = PairState.APPROVED.value, person_id
        found.reviewed_at = clock.now()
        found.save(update_fields=["changed", "was_edited", "state", "reviewed_by", "reviewed_at"])
        # Without the text: it may be a partner's, and the log is kept for good.
        audit.record(actor=actor, action="probe.pair_edited", subject=found)
    return found
