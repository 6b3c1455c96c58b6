"""Blind side by side in the house: asked, voted on once, revealed by a person with the right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection

from alpha import preferences as reads
from alpha.models import PreferenceSession, PreferenceText, PreferenceVote
from alpha.preference_results import results_of
from alpha.services import preferences
from alpha.services.preference_answers import text_of
from alpha.states import Choice
from infra import clock
from infra.actors import Actor, ActorKind
from infra.errors import DomainError, InvalidInput, InvalidMove, NotFound, NotPermitted
from infra.errors import UpstreamError as Failed
from infra.models import AuditEntry
from infra.roles import Scope
from releases.models import Checkpoint
from tests import builders
from tests.alpha import votes
from tests.alpha.gateway.upstream import Behaviour, Upstream
from tests.builders import Cast

pytestmark = pytest.mark.django_db
PROMPT = "PLANTED-PROMPT: who are you?"


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Upstream]]:
    found = [Upstream(), Upstream()]
    for server in found:
        server.start()
    yield found
    for server in found:
        server.stop()


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def pair(cast: Cast, servers: list[Upstream]) -> tuple[Checkpoint, Checkpoint]:
    """Two checkpoints that answer, of an owner who is none of the raters."""
    owner, made = builders.login("owner").person, []
    for at, server in enumerate(servers):
        server.behaviour = Behaviour(words=[f"I am chat-nano-{at}", " and say ", "abc"[at] * 3])
        server.seen.clear()
        serving = {"system_prompt": f"You are number {at}."}
        checkpoint = builders.checkpoint(f"chat-nano-{at}", owner=owner, serving=serving)
        builders.deployment(checkpoint, server.url, upstream_model=f"model-number-{at}")
        made.append(checkpoint)
    return made[0], made[1]


def asked(actor: Actor, pair: tuple[Checkpoint, Checkpoint], **fields: object) -> PreferenceSession:
    return preferences.ask(actor=actor, one=pair[0], other=pair[1], prompt=PROMPT, **fields)


def test_two_checkpoints_answer_as_they_are_served_and_names_are_masked(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint], servers: list[Upstream]
) -> None:
    session = asked(cast.behaviour_reviewer, pair)
    text = text_of(session)
    assert text["messages"] == [{"role": "user", "content": PROMPT}]
    said = {pair[at].pk: f"I am [name masked] and say {'abc'[at] * 3}" for at in (0, 1)}
    assert text["a"]["content"] == said[session.checkpoint_a_id]
    assert text["b"]["content"] == said[session.checkpoint_b_id]
    for at, server in enumerate(servers):
        assert server.seen[0]["model"] == f"model-number-{at}"
        assert server.seen[0]["messages"][0]["content"] == f"You are number {at}."


def test_the_order_is_drawn_anew_each_time(cast: Cast, pair: tuple[Checkpoint, Checkpoint]) -> None:
    first = [asked(cast.behaviour_reviewer, pair).checkpoint_a_id for _ in range(20)]
    # Twenty times the same place: two chances in a million.
    assert set(first) == {pair[0].pk, pair[1].pk}


def test_a_vote_is_kept_once_and_its_text_is_dropped(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    reviewer = cast.behaviour_reviewer
    session = asked(reviewer, pair)
    for _ in range(2):
        preferences.vote(actor=reviewer, session=session, choice=Choice.A, comment="Kinder.")
    assert (PreferenceVote.objects.get().choice, PreferenceText.objects.count()) == ("a", 0)
    with pytest.raises(InvalidMove, match="a vote is final"):
        preferences.vote(actor=reviewer, session=session, choice=Choice.B)


def test_text_is_kept_past_the_vote_only_where_that_was_asked_for(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    session = asked(cast.behaviour_reviewer, pair, keeps_text=True)
    preferences.vote(actor=cast.behaviour_reviewer, session=session, choice=Choice.TIE)
    assert text_of(session)["messages"][0]["content"] == PROMPT
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM preference_text t")
        assert "PLANTED" not in str(cursor.fetchall())
    PreferenceText.objects.update(sealed=b"\x01" + b"0" * 40)
    with pytest.raises(DomainError, match="was changed"):
        text_of(session)


def test_who_may_ask_vote_and_reveal(cast: Cast, pair: tuple[Checkpoint, Checkpoint]) -> None:
    key = Actor(kind=ActorKind.SERVICE_KEY, name="ci", scopes=frozenset(Scope))
    for actor in (cast.auditor, cast.partner_manager, key):
        with pytest.raises(NotPermitted):
            asked(actor, pair)
    session = asked(cast.behaviour_reviewer, pair)
    with pytest.raises(NotFound):
        preferences.vote(actor=cast.eval_owner, session=session, choice=Choice.A)
    for actor in (cast.behaviour_reviewer, cast.engineer, key):
        with pytest.raises(NotPermitted):
            preferences.reveal(actor=actor, session=session, reason="curious")
    with pytest.raises(InvalidInput, match="Say why"):
        preferences.reveal(actor=cast.release_manager, session=session, reason=" ")
    own = builders.checkpoint("of-mine", owner=builders.login("behaviour_reviewer").person)
    with pytest.raises(NotPermitted, match="You own of-mine"):
        asked(cast.behaviour_reviewer, (own, pair[0]))
    with pytest.raises(InvalidInput, match="the same"):
        asked(cast.behaviour_reviewer, (pair[0], pair[0]))


def test_a_reveal_is_audited_and_ends_the_voting(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    session = asked(cast.behaviour_reviewer, pair)
    preferences.reveal(actor=cast.release_manager, session=session, reason="The round is over.")
    entry = AuditEntry.objects.get(action="preference.revealed")
    assert entry.after == {"a": session.checkpoint_a.name, "b": session.checkpoint_b.name}
    assert (entry.actor_name, entry.reason) == (cast.release_manager.name, "The round is over.")
    with pytest.raises(InvalidMove, match="revealed"):
        preferences.vote(actor=cast.behaviour_reviewer, session=session, choice=Choice.A)
    assert not PreferenceVote.objects.exists()


def test_the_log_tells_no_order_before_the_reveal(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    for _ in range(6):
        session = asked(cast.behaviour_reviewer, pair)
        preferences.vote(actor=cast.behaviour_reviewer, session=session, choice=Choice.B)
    entries = AuditEntry.objects.filter(action__startswith="preference.")
    names = sorted(checkpoint.name for checkpoint in pair)
    assert {str(e.after) for e in entries} == {str({"checkpoints": names}), "None"}


def test_a_pair_is_revealed_whole_and_its_numbers_shown_to_its_raters(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    reviewer = cast.behaviour_reviewer
    for _ in range(3):
        preferences.vote(actor=reviewer, session=asked(reviewer, pair), choice=Choice.A)
    with pytest.raises(NotPermitted, match="comparing these two blind"):
        preferences.must_see_results(reviewer, *pair)
    preferences.must_see_results(cast.release_manager, *pair)
    given = {"one": pair[1], "other": pair[0], "reason": "The round is over."}
    assert preferences.reveal_pair(actor=cast.eval_owner, **given) == 3
    assert preferences.reveal_pair(actor=cast.eval_owner, **given) == 0
    preferences.must_see_results(reviewer, *pair)
    assert results_of(reads.votes_on(*pair).ballots).n_votes == 1, (
        "one rater, one prompt: the first vote counts"
    )


def test_a_side_that_fails_voids_the_session_and_is_not_named(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint], servers: list[Upstream]
) -> None:
    servers[1].behaviour = Behaviour(status=400, raw='{"error": {"message": "PLANTED-WORDS"}}')
    with pytest.raises(Failed) as failed:
        asked(cast.behaviour_reviewer, pair)
    assert PreferenceSession.objects.get().state == "void"
    told = str(failed.value)
    assert not [word for word in ("PLANTED", "chat-nano", servers[1].url) if word in told]


@pytest.mark.parametrize(
    ("prompt", "words"), [("", "Write what"), ("x\0", "text of at most"), ("x" * 50_001, "at most")]
)
def test_a_prompt_that_is_none_is_refused(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint], prompt: str, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        preferences.ask(actor=cast.engineer, one=pair[0], other=pair[1], prompt=prompt)
    assert not PreferenceSession.objects.exists()


def test_what_nobody_votes_on_ends_with_its_text(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    waiting = asked(cast.behaviour_reviewer, pair)
    (rater,) = votes.raters(1)
    killed = votes.session(rater, *pair, state="asked", answered_at=None)
    assert preferences.void_abandoned() == 0
    with clock.moved_by(timedelta(hours=1)):
        assert preferences.void_abandoned() == 1
    killed.refresh_from_db()
    assert killed.state == "void" and text_of(waiting)
    with clock.moved_by(timedelta(days=8)):
        assert [preferences.void_abandoned() for _ in range(2)] == [1, 0]
    assert text_of(waiting) is None
    with pytest.raises(InvalidMove, match="void"):
        preferences.vote(actor=cast.behaviour_reviewer, session=waiting, choice=Choice.A)
