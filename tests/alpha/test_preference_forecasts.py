"""The win score as a forecast: votes before a promotion, and votes in its stage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from alpha.models import PreferenceSession
from alpha.preferences import votes_on
from infra import clock
from releases.models import Forecast, ForecastObservation, Promotion, Stage
from releases.services import forecasts
from releases.statistics.preferences import win_score
from tests import builders
from tests.alpha import votes
from tests.alpha.traffic import go_live
from tests.releases import story

pytestmark = pytest.mark.django_db
YS = ([1, 1, 0, 0.5, 1, 0, 1] * 9)[:60]


class World:
    """An incumbent in the stage that a candidate is promoted into."""

    def __init__(self) -> None:
        self.cast = builders.cast()
        self.stage = story.stage(story.MANUAL, name="production")
        self.old = builders.checkpoint("chat-nano-1", checkpoint_digest="a" * 64)
        self.new = builders.checkpoint("chat-nano-2", checkpoint_digest="b" * 64)
        go_live(self.old, self.stage, "incumbent", 100, clock.now() - timedelta(days=2))
        self.raters = votes.partners(6)

    def vote(self, ys: Sequence[float], prompt: str, stage: Stage | None = None) -> None:
        made = votes.votes(self.new, self.old, ys, self.raters, prompt=prompt)
        ids = [vote.session_id for vote in made]
        PreferenceSession.objects.filter(pk__in=ids).update(stage=stage)

    def promoted(self) -> Promotion:
        return story.promoted(self.cast, self.new, self.stage)


def win_rate() -> Any:
    return Forecast.objects.filter(kind="win_rate")


def test_votes_predict_the_win_score_against_the_incumbent() -> None:
    world = World()
    world.vote(YS, "early")
    world.promoted()
    row = win_rate().get()
    raters = [at % 6 for at in range(60)]
    expected = win_score(YS, raters, list(range(60)))
    assert row.predicted == pytest.approx(expected.score)
    assert 0 < expected.lo < row.predicted < expected.hi < 1, "else nothing is told apart"
    assert (row.lo, row.hi) == pytest.approx((expected.lo, expected.hi))
    assert (row.n, row.inputs) == (60, {"baseline": str(world.old.pk)})


def test_too_few_votes_predict_nothing() -> None:
    world = World()
    world.vote(YS[:20], "early")
    world.promoted()
    assert not win_rate().exists()


def test_only_votes_of_the_stage_since_then_are_its_observation() -> None:
    world = World()
    world.vote(YS, "early", world.stage)
    world.promoted()
    world.vote([0.0] * 60, "elsewhere")
    later = clock.now() + timedelta(minutes=1)
    assert forecasts.observe_due(later) == 0, "nobody voted in the stage"
    world.vote([1, 0, 0] * 20, "there", world.stage)
    later = clock.now() + timedelta(minutes=1)
    assert forecasts.observe_due(later) == 1
    seen = ForecastObservation.objects.get()
    assert (seen.observed, seen.n) == (pytest.approx(1 / 3), 60)
    assert forecasts.observe_due(later) == 0


def test_without_an_incumbent_nothing_is_compared() -> None:
    world = World()
    other = story.stage(story.MANUAL, name="elsewhere")
    world.vote(YS, "early")
    story.promoted(world.cast, world.new, other)
    assert not win_rate().exists()
    assert len(votes_on(world.new, world.old).ballots) == 60
