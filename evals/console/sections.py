"""What `evals` brings to the pages of checkpoints and promotions."""

from __future__ import annotations

from datetime import datetime

from evals.models import Metric
from evals.selectors import runs as reads
from evals.selectors.both_measured import measured_both
from evals.services.runs import STARTERS
from infra.actors import Actor
from infra.console.sections import Section
from releases.models import Checkpoint


def _with_score(runs: list[reads.Run]) -> list[tuple[reads.Run, Metric | None]]:
    whole = {metric.run_id: metric for metric in Metric.objects.filter(run__in=runs, node="")}
    return [(run, whole.get(run.pk)) for run in runs]


def runs_of_checkpoint(*, checkpoint: Checkpoint, actor: Actor) -> Section:
    """Its runs, and the forms that start one or compare it with its parent."""
    return Section(
        title="Evals",
        template="evals/section_checkpoint.html",
        content={
            "rows": _with_score(list(reads.listed_runs(checkpoint=checkpoint.name)[:12])),
            "checkpoint": checkpoint,
            "may_start": actor.may(*STARTERS),
        },
    )


def scores_of_both(*, incoming: Checkpoint, current: Checkpoint | None, until: datetime) -> Section:
    """Both checkpoints' scores, cost and latency by suite, with their difference."""
    return Section(
        title="Scores, cost and latency",
        template="evals/section_promotion.html",
        content={
            "rows": measured_both(incoming, current, until),
            "incoming": incoming,
            "current": current,
        },
    )
