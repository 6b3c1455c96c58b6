"""What replays predict of a stage's conversations, and what its own replies then show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from evals.models import ReplaySet, Run
from evals.selectors import replays
from evals.states import RunState
from releases.models import Forecast, Promotion, Release
from releases.services.forecast_sources import Predicted, Seen
from releases.states import ForecastKind

ENOUGH = 100
"""Graded conversations of the stage's own traffic."""


class ReplayForecasts:
    """Rates of failure modes: asked again before the exposure, graded as replied after it."""

    kinds = frozenset({ForecastKind.FAILURE_MODE})

    def predict(self, promotion: Promotion, now: datetime) -> Sequence[Predicted]:
        """Each mode of the checkpoint's newest whole replay."""
        run = replays.newest_replay(promotion.checkpoint_id)
        if run is None:
            return ()
        found = run.version.replay_set
        inputs = {"run": str(run.pk), "set": str(run.version), "catalogue": found.catalogue_digest}
        return [
            Predicted(
                kind=ForecastKind.FAILURE_MODE,
                name=rate.mode,
                predicted=rate.predicted_rate,
                lo=rate.lo,
                hi=rate.hi,
                n=rate.n,
                basis=f"{rate.n:,} conversations of {run.version} asked again",
                inputs=inputs,
            )
            for rate in replays.mode_rates(run)
            if rate.predicted_rate is not None and rate.lo is not None and rate.hi is not None
        ]

    def observe(
        self, forecasts: Iterable[Forecast], release: Release, now: datetime
    ) -> Mapping[Any, Seen]:
        """The same modes in the replies that the release gave, once enough were graded."""
        rows = list(forecasts)
        found: dict[Any, Seen] = {}
        for digest in {row.inputs["catalogue"] for row in rows}:
            run = _graded(release, digest)
            if run is not None:
                seen = _seen(run)
                mine = [row for row in rows if row.inputs["catalogue"] == digest]
                found |= {row.pk: seen[row.name] for row in mine if row.name in seen}
        return found


def _graded(release: Release, catalogue_digest: str) -> Run | None:
    """The newest grading of what the release replied in its stage, by the same catalogue."""
    sets = ReplaySet.objects.filter(
        stage=release.stage_id,
        catalogue_digest=catalogue_digest,
        since__gte=release.started_at,
        sample__checkpoint=release.checkpoint.name,
    )
    runs = replays.replays(recorded=True).filter(
        version__replay_set__in=sets,
        checkpoint=release.checkpoint_id,
        state=RunState.COMPLETED.value,
        ended_because="",
    )
    return runs.order_by("-created_at").first()


def _seen(run: Run) -> dict[str, Seen]:
    made = run.version.replay_set
    return {
        rate.mode: Seen(
            observed=rate.predicted_rate,
            lo=rate.lo,
            hi=rate.hi,
            n=rate.n,
            since=made.since,
            until=made.until,
            basis=f"{rate.n:,} replies of the stage itself, graded as they were given",
        )
        for rate in replays.mode_rates(run)
        if rate.n >= ENOUGH and rate.predicted_rate is not None
    }
