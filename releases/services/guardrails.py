"""Guardrails: live traffic of every candidate, judged every few seconds, and stopped on harm.

Nothing here asks a hold, a freeze or the line: it is a way back. Evidence is gathered outside any
transaction; what it says is kept, and acted on, in one, so that harm fires exactly once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from infra import audit, clock
from infra.actors import Actor, system
from infra.errors import DomainError
from releases.digests import plain_json
from releases.evidence import gather_all
from releases.gates.contract import Evidence, Gate, Subject
from releases.gates.guarding import Watched, watch
from releases.models import Guardrail, Ramp, Release
from releases.services.arms import Arms, halt_arm, lock_stage, locked_arms, place_system_hold
from releases.services.beats import alone
from releases.services.releases import roll_back_candidate
from releases.services.rollouts import stop_ramp
from releases.states import Arm, RampState, ReleaseState, Watch

_LOCK = 0x511B0A75
_WATCHED_RAMPS = (RampState.RAMPING.value, RampState.HELD_BACK.value)
ROLL_BACK = "rollback"
# The journals' shippers bring the last requests' events within this.
SHIPPED_AFTER = timedelta(seconds=30)
log = logging.getLogger(__name__)


def watch_guardrails(now: datetime | None = None) -> int:
    """Look at every guardrail of every candidate; how many fired. Nothing while another one runs.

    Harm halts the candidate, or rolls it back, and holds its checkpoint. A look that can't be used
    stops forward steps, never serving.
    """
    moment = now or clock.now()
    with alone(_LOCK) as is_alone:
        return sum(_look(release, moment) for release in watched()) if is_alone else 0


def watched() -> QuerySet[Release]:
    """Candidates that serve and have guardrails."""
    return (
        Release.objects.filter(
            arm=Arm.CANDIDATE.value,
            state=ReleaseState.LIVE.value,
            ramp__state__in=_WATCHED_RAMPS,
            guardrails__isnull=False,
        )
        .distinct()
        .select_related("checkpoint__family", "stage", "promotion")
        .prefetch_related("guardrails")
        .order_by("pk")
    )


def _look(release: Release, now: datetime) -> int:
    actor = system("guardrails")
    try:
        seen = _seen(release, now)
        with transaction.atomic():
            return _keep(actor, release, seen, now)
    except (DomainError, DatabaseError, ObjectDoesNotExist):
        # One that can't be watched must not leave the others unwatched; its ramp waits meanwhile.
        log.warning("guardrails of %s could not be looked at", release.pk, exc_info=True)
        return 0


def _seen(release: Release, now: datetime) -> dict[str, tuple[Watched, Evidence]]:
    """One look at each guardrail, by its id."""
    rows = list(release.guardrails.all())
    gates = [_as_gate(row, release) for row in rows]
    facts = gather_all(gates, _subject(release), now, fresh=False)
    return {
        row.guardrail_id: (watch(row.kind, row.options, fact.evidence, now), fact.evidence)
        for row, fact in zip(rows, facts, strict=True)
    }


def _as_gate(row: Guardrail, release: Release) -> Gate:
    """What sources of evidence are asked: the numbers of the stage that the candidate is in."""
    options = {**row.options, "stage": release.stage.name}
    return Gate(id=row.guardrail_id, kind=row.kind, options=options)


def _subject(release: Release) -> Subject:
    checkpoint, stage = release.checkpoint, release.stage
    return Subject(
        promotion_id=str(release.promotion_id) if release.promotion_id else None,
        checkpoint_id=str(checkpoint.pk),
        checkpoint_digest=checkpoint.checkpoint_digest,
        family=checkpoint.family.name,
        size=checkpoint.size,
        stage_id=str(stage.pk),
        stage=stage.name,
        pipeline_id=str(stage.pipeline_id),
    )


def _keep(
    actor: Actor, release: Release, seen: Mapping[str, tuple[Watched, Evidence]], now: datetime
) -> int:
    """Write what was seen on the locked rows; the number of guardrails that fired by it."""
    lock_stage(release.stage_id)
    arms = locked_arms(release.stage_id, release.size)
    candidate = arms.candidate
    if candidate is None or candidate.pk != release.pk or candidate.state != ReleaseState.LIVE:
        return 0
    rows = candidate.guardrails.order_by("pk").select_for_update(of=("self",), no_key=True)
    fired = [row for row in rows if row.watch != Watch.HARM and _write(row, seen, now)]
    if fired:
        _act(actor, arms, candidate, fired, now)
    return len(fired)


def _write(row: Guardrail, seen: Mapping[str, tuple[Watched, Evidence]], now: datetime) -> bool:
    """Keep the newest look; whether it found harm."""
    found = seen.get(row.guardrail_id)
    if found is None:
        return False
    look, evidence = found
    seen_until = _counted_until(row)
    row.watch, row.sentence = look.watch.value, look.sentence
    row.observed = plain_json(evidence.observed)
    row.n_looks, row.looked_at = row.n_looks + 1, now
    is_worse = look.watch is Watch.HARM or looks_worse(look.observed, look.required)
    row.worse_since = (row.worse_since or seen_until) if is_worse else None
    row.fired_at = now if look.watch is Watch.HARM else None
    row.save()
    return look.watch is Watch.HARM


def _counted_until(row: Guardrail) -> datetime:
    """Up to when the look before had counted: what is worse now began after that."""
    until = (row.observed or {}).get("until") if row.looked_at else None
    return datetime.fromisoformat(until) if until else row.release.started_at


def looks_worse(observed: Mapping[str, Any], required: Mapping[str, Any]) -> bool:
    """Whether the plain numbers lie beyond the limit, whatever their uncertainty."""
    limit = required.get("ratio_at_most")
    x0, n0, x1, n1 = (observed.get(key) for key in ("x0", "n0", "x1", "n1"))
    if limit is not None and x1 is not None and n0 and n1:
        return bool(x1 / n1 > limit * x0 / n0)
    if observed.get("n") and "x" in observed:
        return bool(observed["x"] / observed["n"] > required["at_most"])
    if "mean" in observed:
        return bool(observed["mean"] > required["at_most_micros"])
    # A ratio of costs comes without the plain numbers: worse once its interval says so.
    return limit is not None and isinstance(observed.get("lo"), float) and observed["lo"] > 1


def _act(
    actor: Actor, arms: Arms, candidate: Release, fired: Sequence[Guardrail], now: datetime
) -> None:
    why = " ".join(f"{row.guardrail_id}: {row.sentence}" for row in fired)
    for row in fired:
        audit.record(
            actor=actor,
            action="guardrail.fired",
            subject=row,
            reason=row.sentence,
            after={
                "release": str(candidate.pk),
                "checkpoint": candidate.checkpoint.name,
                "stage": str(candidate.stage),
                "action": row.action,
                "worse_since": row.worse_since,
                "n_looks": row.n_looks,
                "observed": row.observed,
            },
        )
    has_incumbent = arms.incumbent is not None and arms.incumbent.state == ReleaseState.LIVE
    if has_incumbent and any(row.action == ROLL_BACK for row in fired):
        roll_back_candidate(actor, arms, now, why)
        return
    # Without a live incumbent there is nothing to roll back to: it stops, and a person decides.
    halt_arm(actor, candidate, now, why)
    stop_ramp(actor, candidate, now, why)
    place_system_hold(actor, candidate, f"Halted in {candidate.stage}: {why}", now)


def something_moves() -> bool:
    """Whether any candidate is on a ramp, or an exposure is still to be counted; one query."""
    active = Ramp.objects.filter(state__in=_WATCHED_RAMPS).order_by().values("pk")
    return active.union(uncounted().order_by().values("pk")).exists()


def uncounted() -> QuerySet[Guardrail]:
    """Guardrails that fired and don't say yet how many requests met the harm."""
    rows = Guardrail.objects.filter(fired_at__isnull=False, n_exposed__isnull=True)
    return rows.order_by("pk") if settings.EXPOSURE_COUNTER else rows.none()


def count_exposed(now: datetime | None = None) -> int:
    """Count what a candidate served between the last batch that was fine and its stop."""
    moment = now or clock.now()
    rows = list(uncounted().filter(fired_at__lte=moment - SHIPPED_AFTER))
    counter = import_string(settings.EXPOSURE_COUNTER) if rows else None
    for row in rows:
        n_exposed = counter(row.release_id, row.worse_since, row.fired_at)
        with transaction.atomic():
            open_row = uncounted().filter(pk=row.pk)
            if open_row.update(n_exposed=n_exposed):
                after = {"n_exposed": n_exposed, "worse_since": row.worse_since}
                audit.record(
                    actor=system("guardrails"),
                    action="guardrail.exposure_counted",
                    subject=row,
                    after=after,
                )
    return len(rows)
