"""What `evals` does in the background."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from evals.runner import early_stops, judging, leases, leftovers, probe_looks, shards
from evals.services import frontier, health, live_replays, run_sets, uploads
from evals.services.probes import concluding


@shared_task(name="evals.run_shard")
def run_shard(shard_id: str) -> None:
    """Call, grade and store one shard of a run."""
    shards.run_shard(UUID(shard_id))


@shared_task(name="evals.measure")
def measure() -> None:
    """Measure suites, and read frontiers, that know of less than there is."""
    health.measure_due()
    frontier.read_due()


@shared_task(name="evals.grade_live")
def grade_live() -> None:
    """Grade what stages replied, for forecasts that wait for it."""
    live_replays.grade_live_due()


@shared_task(name="evals.sweep")
def sweep() -> None:
    """Find what a lost message or a killed worker left behind."""
    leases.sweep()
    leftovers.clear()


@shared_task(name="evals.drop_uploads")
def drop_uploads() -> None:
    """Drop files that nobody said were to be imported."""
    uploads.drop_old()


@shared_task(name="evals.look_at_early_stops")
def look_at_early_stops() -> None:
    """Stop the runs of which every component is settled."""
    early_stops.look_at_all()
    probe_looks.look_at_probes()


@shared_task(name="evals.conclude_probes")
def conclude_probes() -> None:
    """Put answers before raters, and conclude the probes that are ripe."""
    concluding.conclude_due()


@shared_task(name="evals.report_run_sets")
def report_run_sets() -> None:
    """Report on every set of runs that is over."""
    run_sets.report_due()


@shared_task(name="evals.calibrate_judge")
def calibrate_judge(version_id: str, asked_by: str) -> None:
    """Ask a judge about what people labelled, and measure how far it agrees."""
    judging.calibrate_for(UUID(version_id), asked_by)
