"""Suites × checkpoints started together, and their one report once the last run is over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from evals.models import Run, RunSet, RunSetReport, SuiteVersion
from evals.selectors import run_set_reports, runs
from evals.services import runs as run_services
from evals.services.comparisons import DEFAULT_MARGIN, compare
from infra import audit, clock, webhooks
from infra.actors import Actor, system
from infra.errors import DomainError, InvalidInput, InvalidMove, Reason
from infra.roles import Scope
from releases.models import Checkpoint

MOST_RUNS = 200


def start_run_set(
    *,
    actor: Actor,
    name: str,
    versions: Sequence[SuiteVersion],
    checkpoints: Sequence[Checkpoint],
    baseline: Checkpoint | None = None,
    margin: float = DEFAULT_MARGIN,
    idempotency_key: str = "",
    **options: Any,
) -> RunSet:
    """A run of every checkpoint on every version, all or none; the set that the key made before.

    The baseline is run too where it has no completed run. `options` are those of `start_run`, the
    caps being those of each run.
    """
    actor.must("start eval runs", *run_services.STARTERS, scope=Scope.RUN)
    _check(name, versions, checkpoints, margin)
    found = _set_of_key(idempotency_key, name)
    if found is not None:
        return found
    made = RunSet(
        name=name,
        baseline=baseline,
        margin=margin,
        idempotency_key=idempotency_key,
        started_by=actor.name,
        created_at=clock.now(),
    )
    try:
        with transaction.atomic():
            made.save(force_insert=True)
            _start_all(actor, made, versions, checkpoints, options)
            after = {"n_runs": made.runs.count(), "baseline": baseline and baseline.name}
            audit.record(actor=actor, action="run_set.started", subject=made, after=after)
    except IntegrityError:
        # Another start with this key came first.
        found = _set_of_key(idempotency_key, name)
        if found is None:
            raise
        return found
    return made


def _start_all(
    actor: Actor,
    made: RunSet,
    versions: Sequence[SuiteVersion],
    checkpoints: Sequence[Checkpoint],
    options: dict[str, Any],
) -> None:
    reasons = []
    for version in versions:
        wanted = list(checkpoints)
        if made.baseline and made.baseline not in wanted and not _has_run(version, made.baseline):
            wanted.append(made.baseline)
        for checkpoint in wanted:
            try:
                run_services.start_run(
                    actor=actor, version=version, checkpoint=checkpoint, run_set=made, **options
                )
            except DomainError as refusal:
                reasons.append(Reason(code=refusal.code, sentence=refusal.message))
    if reasons:
        message = f"{len(reasons)} runs of the set can't start, so none was started."
        raise InvalidMove("set_not_started", message, reasons)


def _has_run(version: SuiteVersion, checkpoint: Checkpoint) -> bool:
    return runs.newest_completed(version, checkpoint.pk) is not None


def report_due() -> int:
    """Report on every set whose runs are over, once each; the number reported. Safe to repeat."""
    n_made = 0
    for set_id in run_set_reports.sets_to_report():
        n_made += report_on(set_id)
    return n_made


def report_on(set_id: UUID) -> bool:
    """Make and keep the report; False when it exists or a run is not over."""
    made = RunSet.objects.get(pk=set_id)
    members = list(run_set_reports.members(made))
    if any(run.state not in runs.OVER for run in members):
        return False
    compared = [_compared(made, run) for run in members]
    content = run_set_reports.content_of(made, [entry for entry in compared if entry])
    with transaction.atomic():
        locked = RunSet.objects.select_for_update().get(pk=set_id)
        if RunSetReport.objects.filter(run_set=locked).exists():
            return False
        RunSetReport.objects.create(run_set=locked, content=content, made_at=clock.now())
        webhooks.tell(event="run_set.reported", subject=locked, data=content)
        after = {"next_step": content["next_step"], "counts": content["counts"]}
        audit.record(actor=system("runner"), action="run_set.reported", subject=locked, after=after)
    return True


def _compared(made: RunSet, run: Run) -> run_set_reports.Compared | None:
    """The run against the set's baseline, else against its checkpoint's parent."""
    baseline = made.baseline or run.checkpoint.parent
    if baseline == run.checkpoint:
        return None
    if run.state != "completed":
        return run_set_reports.Compared(run=run, problem=_why_not(run))
    theirs = _held_against(run, baseline)
    if theirs is None:
        lacks = (
            f"{baseline.name} has no completed run on {run.version}"
            if baseline
            else ("no baseline was named and the checkpoint has no parent")
        )
        return run_set_reports.Compared(run=run, problem=f"Nothing to compare with: {lacks}.")
    try:
        found = compare(candidate_run=run, baseline_run=theirs, margin=made.margin)
    except DomainError as refusal:
        return run_set_reports.Compared(run=run, problem=refusal.message)
    return run_set_reports.Compared(run=run, baseline=theirs, comparison=found)


def _held_against(run: Run, baseline: Checkpoint | None) -> Run | None:
    """The baseline's run: the one that the run stopped by where it is the baseline's."""
    if baseline is None:
        return None
    own = run.stop_early_against
    if own is not None and own.checkpoint_id == baseline.pk:
        return own
    return runs.newest_completed(run.version, baseline.pk)


def _why_not(run: Run) -> str:
    return f"The run is {run.state}" + (f": {run.problem}" if run.problem else ".")


def _check(
    name: str,
    versions: Sequence[SuiteVersion],
    checkpoints: Sequence[Checkpoint],
    margin: float,
) -> None:
    if not name:
        raise InvalidInput("name_missing", "Name the set: sets of one name are a line of nights.")
    for what, given in (("suite", versions), ("checkpoint", checkpoints)):
        if not given:
            raise InvalidInput(f"no_{what}", f"Name at least one {what}.")
        if len({row.pk for row in given}) != len(given):
            raise InvalidInput("named_twice", f"A {what} is named twice: name each once.")
    n_runs = len(versions) * len(checkpoints)
    if n_runs > MOST_RUNS:
        raise InvalidInput("too_many_runs", f"{n_runs} runs are too many: {MOST_RUNS} at most.")
    if not (math.isfinite(margin) and 0 <= margin <= 1):
        raise InvalidInput("bad_margin", f"margin is {margin}: write a share of 1, such as 0.05.")


def _set_of_key(idempotency_key: str, name: str) -> RunSet | None:
    if not idempotency_key:
        return None
    found = RunSet.objects.filter(idempotency_key=idempotency_key).first()
    if found is not None and found.name != name:
        message = f"The key {idempotency_key!r} started the set {found}: use another key."
        raise InvalidMove("key_reused", message)
    return found
