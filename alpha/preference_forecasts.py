"""What blind votes before a promotion predict of those in its stage, and what they then say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from alpha.preferences import Votes, votes_on
from releases.models import Checkpoint, Forecast, Promotion, Release
from releases.selectors.releases import current_release
from releases.services.forecast_sources import Predicted, Seen
from releases.states import ForecastKind


class PreferenceForecasts:
    """The win score against the incumbent that a promotion meets in its stage."""

    kinds = frozenset({ForecastKind.WIN_RATE})

    def predict(self, promotion: Promotion, now: datetime) -> Sequence[Predicted]:
        """From every vote on the two so far; nothing below 30 votes of five raters."""
        beside = current_release(promotion.stage, promotion.checkpoint.size)
        if beside is None or beside.checkpoint_id == promotion.checkpoint_id:
            return ()
        found = _score(votes_on(promotion.checkpoint, beside.checkpoint, now))
        if found is None:
            return ()
        score, lo, hi, n = found
        name = beside.checkpoint.name
        return [
            Predicted(
                kind=ForecastKind.WIN_RATE,
                predicted=score,
                lo=lo,
                hi=hi,
                n=n,
                basis=f"win score of {n:,} blind votes against {name}",
                inputs={"baseline": str(beside.checkpoint_id)},
            )
        ]

    def observe(
        self, forecasts: Iterable[Forecast], release: Release, now: datetime
    ) -> Mapping[Any, Seen]:
        """From the votes given in the release's own stage since it began."""
        found = {}
        for row in forecasts:
            baseline = Checkpoint.objects.get(pk=row.inputs["baseline"])
            votes = votes_on(
                release.checkpoint,
                baseline,
                now,
                since=release.started_at,
                stage_id=release.stage_id,
            )
            score = _score(votes)
            if score is not None and votes.until is not None:
                value, lo, hi, n = score
                basis = f"win score of {n:,} blind votes in the stage against {baseline.name}"
                found[row.pk] = Seen(
                    observed=value,
                    lo=lo,
                    hi=hi,
                    n=n,
                    since=release.started_at,
                    until=votes.until,
                    basis=basis,
                )
        return found


def _score(votes: Votes) -> tuple[float, float, float, int] | None:
    """Score, its ends within 0..1, and the votes; None where they are too few."""
    from alpha.preference_results import results_of  # SciPy: only where numbers are made
    from releases.statistics.preferences import MIN_RATERS, MIN_VOTES

    if not votes.ballots:
        return None
    found = results_of(votes.ballots)
    score = found.score
    is_enough = found.n_votes >= MIN_VOTES and found.n_raters >= MIN_RATERS
    if not is_enough or score.lo is None or score.hi is None:
        return None
    lo, hi = max(0.0, score.lo), min(1.0, score.hi)
    return score.estimate, min(lo, score.estimate), max(hi, score.estimate), found.n_votes
