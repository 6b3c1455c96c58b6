"""What `evals` brings to a checkpoint's page."""

from __future__ import annotations

from evals.models import Metric
from evals.selectors import runs as reads
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
            "rows": _with_score(list(reads.runs(checkpoint=checkpoint.name)[:12])),
            "checkpoint": checkpoint,
            "may_start": actor.may(*STARTERS),
        },
    )
