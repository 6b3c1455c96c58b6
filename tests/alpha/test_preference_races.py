"""A vote and a reveal at the same moment, on real connections."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from alpha.models import PreferenceSession, PreferenceVote
from alpha.services import preferences
from alpha.states import Choice
from infra.errors import InvalidMove
from tests import builders
from tests.alpha import votes
from tests.builders import Cast


@pytest.fixture
def committed_pair(committed_db: str) -> tuple[Cast, PreferenceSession]:
    cast, owner = builders.cast(), builders.login("owner").person
    one, other = (builders.checkpoint(f"race-{at}", owner=owner) for at in (0, 1))
    reviewer = builders.login("behaviour_reviewer").person
    return cast, votes.session(reviewer, one, other)


def test_of_a_vote_and_a_reveal_at_once_one_comes_first(
    committed_pair: tuple[Cast, PreferenceSession],
) -> None:
    cast, session = committed_pair
    start = threading.Barrier(9)

    def act(at: int) -> str:
        start.wait()
        try:
            if at == 0:
                preferences.reveal(actor=cast.release_manager, session=session, reason="Over.")
            else:
                choice = list(Choice)[at % 4]
                preferences.vote(actor=cast.behaviour_reviewer, session=session, choice=choice)
            return "done"
        except InvalidMove:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(9) as pool:
        told = list(pool.map(act, range(9)))
    assert told[0] == "done"
    assert PreferenceVote.objects.count() == bool("done" in told[1:])
    assert told[1:].count("done") in (0, 2), "the same vote twice is one vote"
    assert PreferenceSession.objects.get().state == "revealed"
