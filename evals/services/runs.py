"""Runs: started once per key, cancelled, finished exactly once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from celery import current_app
from django.db import IntegrityError, transaction

from evals import ordering
from evals.models import Metric, Result, Run, Shard, SuiteVersion
from evals.selectors import scores
from evals.states import RUN_TRANSITIONS, RunState, ShardState, VersionState
from infra import audit, clock
from infra.actors import Actor, system
from infra.errors import InvalidInput, InvalidMove
from infra.lifecycles import check_move
from infra.roles import Role, Scope
from releases.models import Checkpoint, Deployment
from releases.selectors.checkpoints import active_deployments

STARTERS = (Role.ENGINEER, Role.EVAL_OWNER, Role.RELEASE_MANAGER)
MOST_REPEATS = 100
MOST_CONCURRENCY = 1024
MOST_SEED = 2**31 - 1
# A run smaller than this leaves the other worker process free for everything else.
ITEMS_PER_SHARD = 2_000
MOST_SHARDS = 2
RUN_SHARD = "evals.run_shard"
# A queued shard is nudged again after this: its message may be lost.
NUDGE_LASTS = timedelta(seconds=10)


def start_run(
    *,
    actor: Actor,
    version: SuiteVersion,
    checkpoint: Checkpoint,
    repeats: int = 1,
    concurrency: int = 4,
    idempotency_key: str = "",
    seed: int = 1,
) -> Run:
    """A queued run of the checkpoint on the version; the one that exists for the same key.

    Refused without an active deployment, on a draft, and for a key that named another run.
    """
    actor.must("start eval runs", *STARTERS, scope=Scope.RUN)
    _check_numbers(repeats, concurrency, seed)
    if version.state != VersionState.PUBLISHED.value:
        message = f"{version} is a draft: publish it before running checkpoints on it."
        raise InvalidMove("version_is_draft", message)
    run = Run(
        version=version,
        checkpoint=checkpoint,
        repeats=repeats,
        concurrency=concurrency,
        seed=seed,
        idempotency_key=idempotency_key,
        n_expected=version.n_cases * repeats,
        started_by=actor.name,
        created_at=clock.now(),
    )
    found = _run_of_key(idempotency_key)
    if found is not None:
        return _same_run(found, run)
    run.deployment = _deployment_of(checkpoint)
    try:
        _begin(actor, run)
    except IntegrityError:
        # Another start with this key came first.
        found = _run_of_key(idempotency_key)
        if found is None:
            raise
        return _same_run(found, run)
    return run


def _begin(actor: Actor, run: Run) -> None:
    with transaction.atomic():
        run.save(force_insert=True)
        _make_shards(run)
        after = {"n_expected": run.n_expected, "seed": run.seed, "repeats": run.repeats}
        audit.record(actor=actor, action="run.started", subject=run, after=after)


def cancel_run(*, actor: Actor, run: Run, reason: str) -> Run:
    """End the run; what was recorded stays, and no metric is made of it."""
    actor.must("cancel eval runs", *STARTERS, scope=Scope.RUN)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why the run is cancelled.")
    with transaction.atomic():
        row = Run.objects.select_for_update().get(pk=run.pk)
        _end(row, RunState.CANCELLED)
        audit.record(actor=actor, action="run.cancelled", subject=row, reason=reason)
    return row


def fail_run(*, run_id: UUID, problem: str) -> None:
    """End a run that cannot go on, with the reason; nothing happens when it is over."""
    with transaction.atomic():
        row = Run.objects.select_for_update().get(pk=run_id)
        if row.state not in (RunState.QUEUED, RunState.RUNNING):
            return
        row.problem = problem
        _end(row, RunState.FAILED)
        audit.record(actor=system("runner"), action="run.failed", subject=row, reason=problem)


def finish_run(*, run_id: UUID) -> bool:
    """Metrics and `completed` in one transaction, once; False while items are missing."""
    with transaction.atomic():
        row = Run.objects.select_for_update().get(pk=run_id)
        if row.state != RunState.RUNNING.value:
            return False
        if row.shards.exclude(state=ShardState.DONE.value).exists():
            return False
        if Result.objects.filter(run=row).count() != row.n_expected:
            return False
        Metric.objects.bulk_create(
            Metric(
                run=row,
                node=mean.node,
                n_cases=mean.n,
                n_clusters=mean.n_clusters,
                n_missing=mean.n_missing,
                mean=mean.mean,
                lo=mean.lo,
                hi=mean.hi,
            )
            for mean in scores.node_means(row).values()
        )
        _end(row, RunState.COMPLETED)
        audit.record(actor=system("runner"), action="run.completed", subject=row)
    return True


def send_shard(shard_id: UUID) -> None:
    """Nudge a worker after commit; a lost message is found by the sweep."""
    transaction.on_commit(
        lambda: current_app.send_task(RUN_SHARD, args=[str(shard_id)]), robust=True
    )


def _end(run: Run, state: RunState) -> None:
    check_move(RUN_TRANSITIONS, RunState(run.state), state, f"The run {run.pk}")
    run.state = state.value
    run.finished_at = clock.now()
    run.save(update_fields=["state", "finished_at", "problem"])


def _check_numbers(repeats: int, concurrency: int, seed: int) -> None:
    for name, value, least, most in (
        ("repeats", repeats, 1, MOST_REPEATS),
        ("concurrency", concurrency, 1, MOST_CONCURRENCY),
        ("seed", seed, 0, MOST_SEED),
    ):
        if not least <= value <= most:
            message = f"{name} is {value}: choose {least} to {most:,}."
            raise InvalidInput(f"bad_{name}", message)


def _deployment_of(checkpoint: Checkpoint) -> Deployment:
    found = active_deployments(checkpoint.pk).order_by("-weight", "created_at").first()
    if found is None:
        message = f"{checkpoint.name} has no active deployment, so nothing answers for it: add one."
        raise InvalidMove("no_active_deployment", message)
    return found


def _make_shards(run: Run) -> None:
    n_shards = min(-(-run.n_expected // ITEMS_PER_SHARD), MOST_SHARDS, run.concurrency)
    for index, part in enumerate(ordering.slices(run.n_expected, n_shards)):
        shard = Shard.objects.create(
            run=run,
            index=index,
            first=part.first,
            last=part.last,
            lease_until=run.created_at + NUDGE_LASTS,
        )
        send_shard(shard.pk)


def _run_of_key(idempotency_key: str) -> Run | None:
    if not idempotency_key:
        return None
    return Run.objects.filter(idempotency_key=idempotency_key).first()


def _same_run(found: Run, wanted: Run) -> Run:
    for field in ("version_id", "checkpoint_id", "repeats", "seed"):
        if getattr(found, field) != getattr(wanted, field):
            message = (
                f"The key {found.idempotency_key!r} started run {found.pk} ({found}), which "
                f"differs in {field.removesuffix('_id')}: use another key."
            )
            raise InvalidMove("key_reused", message)
    return found
