"""What `evals` brings to the first page and to a checkpoint's page."""

from __future__ import annotations

from django.urls import reverse

from evals.models import Metric
from evals.selectors import runs as reads
from evals.selectors import suites
from evals.selectors.health import health_of
from evals.services.runs import STARTERS
from infra import clock
from infra.actors import Actor
from infra.console.sections import Section
from releases.models import Checkpoint
from releases.statistics.suite_status import SuiteStatus


def newest_runs(*, actor: Actor) -> Section:
    """The last runs with their score on the whole suite."""
    return Section(
        title="Newest runs",
        template="evals/section_runs.html",
        link=reverse("console-runs"),
        link_text="All runs",
        content={"rows": _with_score(list(reads.runs()[:6]))},
    )


def _with_score(runs: list[reads.Run]) -> list[tuple[reads.Run, Metric | None]]:
    whole = {metric.run_id: metric for metric in Metric.objects.filter(run__in=runs, node="")}
    return [(run, whole.get(run.pk)) for run in runs]


def suites_at_risk(*, actor: Actor) -> Section:
    """Suites that have expired or soon will."""
    today = clock.now().date()
    known = [(s, h.state, h.reason) for s, h in health_of(suites.suites(), today)]
    return Section(
        title="Suites to review",
        template="evals/section_suites.html",
        column="side",
        link=reverse("console-suites"),
        link_text="Suites",
        content={
            "rows": [row for row in known if row[1] is not SuiteStatus.FRESH],
            "n_suites": len(known),
        },
    )


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
