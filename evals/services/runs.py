"""Runs: started once per key, cancelled, finished exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from celery import current_app
from django.db import IntegrityError, transaction
from django.db.models import Count

from evals.caps import Caps
from evals.graders import external
from evals.models import Metric, PaceChange, Result, Run, RunScores, RunSet, Shard, SuiteVersion
from evals.pace_changes import PaceSeen
from evals.selectors import model_endpoints, run_orders, scores
from evals.selectors.model_endpoints import ModelEndpoint
from evals.selectors.runs import caps_of
from evals.services import early_stops
from evals.services.health import measure_later
from evals.states import RUN_TRANSITIONS, RunSource, RunState, ShardState, VersionState
from infra import audit, clock
from infra.actors import Actor, system
from infra.errors import InvalidInput, InvalidMove, Reason
from infra.lifecycles import check_move
from infra.roles import Role, Scope
from releases.models import Checkpoint, Deployment
from releases.selectors.checkpoints import active_deployments, price_at

if TYPE_CHECKING:
    from evals.score_tables import ScoreTable

STARTERS = (Role.ENGINEER, Role.EVAL_OWNER, Role.RELEASE_MANAGER)
MOST_REPEATS = 100
MOST_CONCURRENCY = 1024
MOST_SEED = 2**31 - 1
MOST_RETRIES = 20
# A run smaller than this leaves the other worker process free for everything else.
ITEMS_PER_SHARD = 2_000
MOST_SHARDS = 2
RUN_SHARD = "evals.run_shard"
CAPS = tuple(field.name for field in fields(Caps))
SAME_FOR_ONE_KEY = (
    *("version_id", "checkpoint_id", "repeats", "seed"),
    *("stop_early_against_id", "stop_margin", "asks_by_cluster"),
    *CAPS,
)
# A queued shard is nudged again after this: its message may be lost.
NUDGE_LASTS = timedelta(seconds=5)


def start_run(
    *,
    actor: Actor,
    version: SuiteVersion,
    checkpoint: Checkpoint,
    repeats: int = 1,
    concurrency: int = 4,
    idempotency_key: str = "",
    seed: int = 1,
    caps: Caps | None = None,
    run_set: RunSet | None = None,
    max_retries: int | None = None,
    stop_early_against: Run | None = None,
    stop_margin: float | None = None,
    asks_by_cluster: bool = False,
) -> Run:
    """A queued run of the checkpoint on the version; the one that exists for the same key.

    With `stop_early_against` it ends once every node is settled against that completed run by
    `stop_margin`, a share of 1. Refused without an active deployment, on a draft, for a key that
    named another run, and while nothing answers for a model that a grader asks.
    """
    actor.must("start eval runs", *STARTERS, scope=Scope.RUN)
    caps = caps or Caps()
    _check_numbers(repeats, concurrency, seed, max_retries)
    _check_asked(version, checkpoint, caps)
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
        run_set=run_set,
        max_retries=max_retries,
        stop_early_against=stop_early_against,
        stop_margin=early_stops.checked_margin(version, stop_early_against, stop_margin),
        asks_by_cluster=asks_by_cluster,
        **asdict(caps),
    )
    return begin_once(actor, run)


def begin_once(actor: Actor, run: Run) -> Run:
    """The run, begun; the one that the same key began before."""
    found = _run_of_key(run.idempotency_key)
    if found is not None:
        return _same_run(found, run)
    if run.source == RunSource.CALLED.value:
        run.deployment = _deployment_of(run.checkpoint)
    try:
        _begin(actor, run)
    except IntegrityError:
        # Another start with this key came first.
        found = _run_of_key(run.idempotency_key)
        if found is None:
            raise
        return _same_run(found, run)
    return run


def _check_asked(version: SuiteVersion, checkpoint: Checkpoint, caps: Caps) -> None:
    """Refuse what could not be run, or not within its caps."""
    _check_caps(caps)
    if version.state != VersionState.PUBLISHED.value:
        message = f"{version} is a draft: publish it before running checkpoints on it."
        raise InvalidMove("version_is_draft", message)
    refuse_external(version)
    _check_prices(caps, checkpoint, model_endpoints.endpoints_of(version))


def _begin(actor: Actor, run: Run) -> None:
    with transaction.atomic():
        run.save(force_insert=True)
        make_shards(run)
        after = {"n_expected": run.n_expected, "seed": run.seed, "repeats": run.repeats}
        audit.record(actor=actor, action="run.started", subject=run, after=after)


def _check_caps(caps: Caps) -> None:
    problems = caps.problems()
    if problems:
        reasons = [Reason(code="bad_cap", sentence=sentence) for sentence in problems]
        raise InvalidInput("bad_cap", " ".join(problems), reasons)


def _check_prices(
    caps: Caps, checkpoint: Checkpoint, endpoints: Mapping[str, ModelEndpoint]
) -> None:
    """A cap on money needs the price of everything that is asked."""
    if caps.most_cost_micros is None:
        return
    if price_at(checkpoint.pk, clock.now()) is None:
        message = f"{checkpoint.name} has no price, so no cap on money can be kept: add a price."
        raise InvalidMove("no_price", message)
    unpriced = [name for name, endpoint in endpoints.items() if endpoint.prices is None]
    if unpriced:
        message = (
            f"A grader asks {', '.join(map(repr, unpriced))}, which has no price, so no cap on "
            "money can be kept: add `price` to it in SLIPWAY_JUDGE_ENDPOINTS, or a price to the "
            "checkpoint of that name."
        )
        raise InvalidMove("no_price", message)


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
        if row.state not in (RunState.QUEUED, RunState.RUNNING, RunState.PAUSED):
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
        table = scores.read_table(row)
        keep_scores(row, table)
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
            for mean in scores.table_means(table, row.version.suite.name).values()
        )
        _end(row, RunState.COMPLETED)
        measure_later()
        audit.record(actor=system("runner"), action="run.completed", subject=row)
    return True


def keep_scores(run: Run, table: ScoreTable) -> None:
    """Keep a completed run's scores as arrays, in the transaction that completes it."""
    from evals import score_tables  # NumPy: only where numbers are made

    counted = Result.objects.filter(run=run).order_by().values_list("state")
    RunScores.objects.create(
        run=run,
        packed=score_tables.pack(table),
        n_states=dict(counted.annotate(n=Count("pk"))),
    )


def record_pace(changes: Sequence[PaceSeen]) -> None:
    """Keep what workers found out about an endpoint's limit."""
    PaceChange.objects.bulk_create(PaceChange(**asdict(change)) for change in changes)


def send_shard(shard_id: UUID) -> None:
    """Nudge a worker after commit; a lost message is found by the sweep."""
    transaction.on_commit(
        lambda: current_app.send_task(RUN_SHARD, args=[str(shard_id)]), robust=True
    )


def _end(run: Run, state: RunState) -> None:
    check_move(RUN_TRANSITIONS, RunState(run.state), state, f"The run {run.pk}")
    run.state = state.value
    run.finished_at = clock.now()
    if run.paused_at is not None:
        run.paused_seconds += (run.finished_at - run.paused_at).total_seconds()
        run.paused_at = None
    run.save(update_fields=["state", "finished_at", "problem", "paused_at", "paused_seconds"])


def refuse_external(version: SuiteVersion) -> None:
    """Scores that only another tool gives can't be had by calling: not a run of errors alone."""
    for spec in version.graders:
        if spec["type"] == external.KIND:
            raise InvalidMove("graded_elsewhere", f"{version}: its {external.told(spec)}.")


def _check_numbers(
    repeats: int, concurrency: int, seed: int, max_retries: int | None = None
) -> None:
    for name, value, least, most in (
        ("repeats", repeats, 1, MOST_REPEATS),
        ("concurrency", concurrency, 1, MOST_CONCURRENCY),
        ("seed", seed, 0, MOST_SEED),
        ("max_retries", max_retries or 0, 0, MOST_RETRIES),
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


def make_shards(run: Run) -> None:
    """The run's parts, each nudged after commit."""
    n_shards = min(-(-run.n_expected // ITEMS_PER_SHARD), MOST_SHARDS, run.concurrency)
    if caps_of(run).is_spending:
        # Only one process can say that the money is spent before the next call begins.
        n_shards = 1
    for index, part in enumerate(run_orders.slices_of(run, n_shards)):
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
    for field in SAME_FOR_ONE_KEY:
        if getattr(found, field) != getattr(wanted, field):
            message = (
                f"The key {found.idempotency_key!r} started run {found.pk} ({found}), which "
                f"differs in {field.removesuffix('_id')}: use another key."
            )
            raise InvalidMove("key_reused", message)
    return found
