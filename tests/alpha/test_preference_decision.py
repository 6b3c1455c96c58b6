"""A decision that rests on blind votes: taken away, judged again, its number made again."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from releases.replay.__main__ import main as replay
from releases.states import PromotionState
from tests import builders
from tests.alpha import votes
from tests.releases import story

pytestmark = pytest.mark.django_db
TASTE = {"id": "taste", "kind": "preference", "baseline": {"checkpoint": "old"}, "prove": "better"}


def test_a_promotion_by_blind_votes_is_made_again_offline(tmp_path: Path) -> None:
    cast = builders.cast()
    old, new = builders.checkpoint("old"), builders.checkpoint("new")
    votes.votes(new, old, [1.0, 1.0, 0.5, 1.0, 0.0, 1.0, 1.0, 1.0] * 6, votes.raters(7))
    done = story.promoted(cast, new, story.stage(TASTE))
    assert done.state == PromotionState.PROMOTED
    path = tmp_path / "decision.json"
    call_command(
        "decision", "export", str(done.pk), "--cases", "--out", str(path), stdout=io.StringIO()
    )
    votes.votes(new, old, [0.0] * 5, votes.raters(5), prompt="later")
    out = io.StringIO()
    assert replay([str(path), "--deep"], io.StringIO(), out, io.StringIO()) == 0, out.getvalue()
    assert "computed       taste" in out.getvalue()
    text = path.read_text()
    assert "rater0@example.org" not in text and "Rater 0" not in text
    assert json.loads(text)


def test_too_few_votes_admit_nobody() -> None:
    cast = builders.cast()
    old, new = builders.checkpoint("old"), builders.checkpoint("new")
    votes.votes(new, old, [1.0] * 12, votes.raters(4))
    waiting = story.requested(cast.release_manager, new, story.stage(TASTE))
    assert waiting.state != PromotionState.PROMOTED
    found = waiting.evaluations.latest("evaluated_at").outcomes.get(gate_id="taste")
    assert "too few to judge" in found.sentence
