"""Reads over runs: which there are, how far they are, and what came out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from evals.caps import Caps, Spent
from evals.models import EarlyStop, PaceChange, Result, Run, SuiteVersion
from evals.states import RunSource, RunState
from infra.errors import NotFound
from releases.models import Checkpoint

# A re-grade of what another tool called is imported evidence as well.
_IMPORTED = Q(source=RunSource.IMPORTED.value) | Q(
    regraded_from__isnull=False, regraded_from__source=RunSource.IMPORTED.value
)
OVER = frozenset({RunState.COMPLETED, RunState.CANCELLED, RunState.FAILED})
# A stated mean agrees when it differs by less: tools print six digits and more.
STATED_AGREES = 1e-6


def runs(suite: str = "", checkpoint: str = "", state: str = "") -> QuerySet[Run]:
    """Newest first, of that suite, checkpoint and state when given."""
    found = Run.objects.select_related(
        "version__suite",
        "checkpoint",
        "deployment",
        "regraded_from__version__suite",
        "stop_early_against__checkpoint",
        "early_stop",
    )
    if suite:
        found = found.filter(version__suite__name=suite)
    if checkpoint:
        found = found.filter(checkpoint__name=checkpoint)
    return found.filter(state=state) if state else found


def listed_runs(
    suite: str = "", checkpoint: str = "", state: str = "", *, probes: bool = False
) -> QuerySet[Run]:
    """As runs, for lists: those of probes alone where asked for, and else none of them.

    Whoever names a suite gets its runs, whichever it is.
    """
    found = runs(suite, checkpoint, state)
    return found if suite else found.filter(version__suite__is_internal=probes)


def run_with_id(run_id: UUID) -> Run:
    """That run with its suite and checkpoint; NotFound."""
    run = runs().filter(pk=run_id).first()
    if run is None:
        raise NotFound("no_such_run", f"There is no eval run {run_id}.")
    return run


def newest_completed(
    version: SuiteVersion,
    checkpoint_id: UUID,
    *,
    imported: bool = True,
    against: Run | None = None,
) -> Run | None:
    """The checkpoint's newest completed run on the version that is evidence; None without one.

    See `completed`.
    """
    found = completed(imported=imported, against=against)
    return found.filter(version=version, checkpoint_id=checkpoint_id).first()


def completed(*, imported: bool = True, against: Run | None = None) -> QuerySet[Run]:
    """Completed runs that are evidence, newest first: those that asked every case.

    Partial runs, which a cap ended, are none; a run that stopped early is evidence of the very
    comparison that it stopped by, the one with `against`. `imported` False leaves out what another
    tool called and scored.
    """
    counts = Q(ended_because="")
    if against is not None:
        counts |= Q(early_stop__isnull=False, stop_early_against=against)
    found = runs(state=RunState.COMPLETED.value).filter(counts)
    return found if imported else found.exclude(_IMPORTED)


def newest_partial(version: SuiteVersion, checkpoint_id: UUID) -> Run | None:
    """The checkpoint's newest completed run on the version that ended before its last case."""
    found = runs(state=RunState.COMPLETED.value).exclude(ended_because="")
    return found.filter(version=version, checkpoint_id=checkpoint_id).first()


def early_stop_of(run: Run) -> EarlyStop | None:
    """What decided that the run skips its rest; None for a run that was asked to its end."""
    return getattr(run, "early_stop", None) if run.ended_because else None


def undecided() -> list[UUID]:
    """Runs under way that may stop early and have not been told to."""
    found = Run.objects.filter(
        state=RunState.RUNNING.value, stop_early_against__isnull=False, early_stop__isnull=True
    )
    return list(found.order_by("created_at").values_list("pk", flat=True))


def is_imported(run: Run) -> bool:
    """Whether another tool called the checkpoint: the run was imported, or re-grades one such."""
    root = run.regraded_from or run
    return root.source == RunSource.IMPORTED.value


def completed_run(version: SuiteVersion, checkpoint: Checkpoint, against: Run | None = None) -> Run:
    """As newest_completed, for a person's look: a partial run where there is no whole one.

    What a partial run skipped is missing to its comparison. NotFound with the command that would
    make a run.
    """
    run = newest_completed(version, checkpoint.pk, against=against)
    run = run or newest_partial(version, checkpoint.pk)
    if run is None:
        message = (
            f"{checkpoint.name} has no completed run on {version}: start one with "
            f"`manage.py run start {version} {checkpoint.name}`."
        )
        raise NotFound("no_completed_run", message)
    return run


def completed_pair(
    version: SuiteVersion, candidate: Checkpoint, baseline: Checkpoint
) -> tuple[Run, Run]:
    """Both checkpoints' runs to look at side by side: see `completed_run`."""
    # Who lacks a run is told of the candidate first.
    completed_run(version, candidate)
    theirs = completed_run(version, baseline)
    return completed_run(version, candidate, against=theirs), theirs


def newest_open(version: SuiteVersion, checkpoint_id: UUID) -> Run | None:
    """The checkpoint's newest run on the version that is not over; None without one."""
    found = runs().filter(version=version, checkpoint_id=checkpoint_id)
    return found.exclude(state__in=[state.value for state in OVER]).first()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedBeside:
    """A number that an imported run's tool reported, beside what was computed here."""

    name: str
    stated: float | None
    node: str | None
    """The component whose mean it is; None: nothing that is computed here."""
    ours: float | None
    agrees: bool | None
    """None when there is nothing to hold it against."""


def stated_beside(run: Run) -> list[StatedBeside]:
    """The stated numbers of an imported run; none of a run that was called here."""
    means = dict(run.metrics.values_list("node", "mean"))
    return [_beside(metric, means) for metric in run.origin.get("stated", ())]


def _beside(metric: Mapping[str, Any], means: Mapping[str, float | None]) -> StatedBeside:
    node, stated = metric["node"], metric["value"]
    ours = means.get(node) if node is not None else None
    comparable = node in means
    near = None not in (stated, ours) and math.isclose(stated, ours, abs_tol=STATED_AGREES)
    return StatedBeside(
        name=metric["name"],
        stated=stated,
        node=node,
        ours=ours,
        agrees=(near or stated == ours) if comparable else None,
    )


def caps_of(run: Run) -> Caps:
    """What the run may spend at most."""
    return Caps(
        most_cost_micros=run.most_cost_micros,
        most_tokens=run.most_tokens,
        most_seconds=run.most_seconds,
    )


def spent(run: Run) -> Spent:
    """What the run's recorded results have cost."""
    cost = ("cost_micros", "grader_cost_micros")
    tokens = ("tokens_in", "tokens_out", "grader_tokens_in", "grader_tokens_out")
    sums = Result.objects.filter(run=run).aggregate(
        **{field: Sum(field, default=0) for field in (*cost, *tokens)}
    )
    return Spent(
        cost_micros=sum(sums[field] for field in cost), tokens=sum(sums[field] for field in tokens)
    )


def seconds_run(run: Run, now: datetime) -> float:
    """Since the run began, without its pauses."""
    if run.started_at is None:
        return 0.0
    until = run.finished_at or run.paused_at or now
    return max(0.0, (until - run.started_at).total_seconds() - run.paused_seconds)


def pace_changes(run: Run) -> QuerySet[PaceChange]:
    """How the limit of the run's endpoint moved while the run went on, newest first."""
    if run.deployment is None or run.started_at is None:
        return PaceChange.objects.none()
    found = PaceChange.objects.filter(
        endpoint=run.deployment.base_url.rstrip("/"), changed_at__gte=run.started_at
    )
    return found.filter(changed_at__lte=run.finished_at) if run.finished_at else found


def results(run: Run) -> QuerySet[Result]:
    """The run's results in the suite's order, repeats together."""
    found = Result.objects.filter(run=run).select_related("case")
    return found.order_by("case__position", "repeat")


def result_rows(run: Run) -> Iterator[tuple[str, int, str, str, float | None]]:
    """(case_id, repeat, component, state, score) of every result; component "" is the whole."""
    rows = Result.objects.filter(run=run).order_by("case__position", "repeat")
    fields = ("case__case_id", "repeat", "state", "score", "components")
    for case_id, repeat, state, score, shares in rows.values_list(*fields).iterator():
        yield case_id, repeat, "", state, score
        for label in sorted(shares):
            yield case_id, repeat, label, state, shares[label]["score"]
