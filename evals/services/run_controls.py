"""Runs that are paused, resumed, or end before their last case."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from evals.models import Run
from evals.services.runs import STARTERS, finish_run, send_shard
from evals.states import RUN_TRANSITIONS, RunState, ShardState
from infra import audit, clock
from infra.actors import Actor, system
from infra.errors import InvalidInput, InvalidMove
from infra.lifecycles import check_move
from infra.roles import Scope


def pause_run(*, actor: Actor, run: Run, reason: str) -> Run:
    """Begin no further call within two seconds, on every worker; calls under way are recorded."""
    actor.must("pause eval runs", *STARTERS, scope=Scope.RUN)
    _check_reason(reason, "paused")
    with transaction.atomic():
        row = _locked(run)
        _move(row, RunState.PAUSED)
        row.paused_at = clock.now()
        row.save(update_fields=["state", "paused_at"])
        audit.record(actor=actor, action="run.paused", subject=row, reason=reason)
    return row


def resume_run(*, actor: Actor, run: Run, reason: str) -> Run:
    """Go on where the run was paused; nothing that was recorded is asked again."""
    actor.must("resume eval runs", *STARTERS, scope=Scope.RUN)
    _check_reason(reason, "resumed")
    with transaction.atomic():
        row = _locked(run)
        if row.state != RunState.PAUSED.value:
            message = f"The run {run.pk} is {row.state}, not paused: there is nothing to resume."
            raise InvalidMove("not_paused", message)
        begun = row.started_at is not None
        _move(row, RunState.RUNNING if begun else RunState.QUEUED)
        row.paused_seconds += (clock.now() - row.paused_at).total_seconds()
        row.paused_at = None
        row.save(update_fields=["state", "paused_at", "paused_seconds"])
        undone = row.shards.exclude(state=ShardState.DONE.value).values_list("pk", flat=True)
        for shard_id in undone:
            send_shard(shard_id)
        audit.record(actor=actor, action="run.resumed", subject=row, reason=reason)
    # What was under way when it was paused may have been the last of it.
    if begun and not undone:
        finish_run(run_id=row.pk)
        row.refresh_from_db()
    return row


def note_early_end(*, run_id: UUID, because: str) -> None:
    """Keep why the run asks no more; the first reason stays."""
    with transaction.atomic():
        row = Run.objects.select_for_update().get(pk=run_id)
        if row.ended_because:
            return
        row.ended_because = because
        row.save(update_fields=["ended_because"])
        audit.record(actor=system("runner"), action="run.ended_early", subject=row, reason=because)


def _locked(run: Run) -> Run:
    return Run.objects.select_for_update().get(pk=run.pk)


def _move(row: Run, state: RunState) -> None:
    check_move(RUN_TRANSITIONS, RunState(row.state), state, f"The run {row.pk}")
    row.state = state.value


def _check_reason(reason: str, done: str) -> None:
    if not reason.strip():
        raise InvalidInput("reason_missing", f"Say why the run is {done}.")
