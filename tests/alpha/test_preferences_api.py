"""The same side by side by API, command and page: one service, the same refusals."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from alpha.models import PreferenceSession, PreferenceVote
from infra.roles import Scope
from infra.service_keys import make_service_key
from releases.models import Checkpoint
from tests import builders
from tests.alpha import votes
from tests.alpha.gateway.upstream import Upstream
from tests.builders import Cast
from tests.console.visits import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    found = Upstream()
    found.start()
    yield found
    found.stop()


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def pair(cast: Cast, server: Upstream) -> tuple[Checkpoint, Checkpoint]:
    owner, made = builders.login("owner").person, []
    for at in (0, 1):
        checkpoint = builders.checkpoint(f"chat-nano-{at}", owner=owner)
        builders.deployment(checkpoint, server.url, upstream_model=f"model-number-{at}")
        made.append(checkpoint)
    return made[0], made[1]


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"/api/preferences/{path}", json.dumps(body), "application/json")


def command(*words: str) -> Any:
    out = io.StringIO()
    call_command("preference", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_over_the_api_it_is_asked_voted_on_and_revealed(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    reviewer, manager = signed_in("behaviour_reviewer"), signed_in("release_manager")
    asked = post(reviewer, "", checkpoints=["chat-nano-1", "chat-nano-0"], prompt="Which tables?")
    assert asked.status_code == 201, asked.content
    told = asked.json()
    assert told["answers"] == {
        place: {"content": "Hello there!", "tool_calls": []} for place in "ab"
    }
    assert (told["revealed"], told["checkpoints"]) == (None, ["chat-nano-0", "chat-nano-1"])
    one = f"{told['id']}/"
    assert manager.get(f"/api/preferences/{one}").json()["answers"] is None
    assert post(manager, f"{one}vote/", choice="a").status_code == 404
    assert post(reviewer, f"{one}reveal/", reason="curious").status_code == 403
    assert post(reviewer, f"{one}vote/", choice="left").status_code == 400
    voted = post(reviewer, f"{one}vote/", choice="both_bad", comment="Neither.")
    assert (voted.json()["state"], voted.json()["choice"]) == ("voted", "both_bad")
    again = post(reviewer, f"{one}vote/", choice="a")
    assert (again.status_code, again.json()["code"]) == (409, "voted_already")
    revealed = post(manager, f"{one}reveal/", reason="Over.").json()
    session = PreferenceSession.objects.get()
    assert revealed["revealed"] == {"a": session.checkpoint_a.name, "b": session.checkpoint_b.name}
    listed = manager.get("/api/preferences/?state=revealed").json()["results"]
    assert [row["id"] for row in listed] == [told["id"]]


def test_a_service_key_reads_and_never_votes(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    _, text = make_service_key(actor=cast.release_manager, name="ci", scopes=list(Scope))
    client = Client(headers={"authorization": f"Bearer {text}"})
    asked = post(client, "", checkpoints=["chat-nano-0", "chat-nano-1"], prompt="Hi")
    assert (asked.status_code, asked.json()["code"]) == (403, "person_required")
    assert client.get("/api/preferences/").status_code == 200
    assert Client().get("/api/preferences/").status_code == 401


def test_results_by_api_and_command_are_the_same_numbers(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    votes.votes(*pair, [1.0, 0.5, 1.0, 0.0, 1.0] * 8, [*votes.raters(4), *votes.partners(3)])
    asked = {"candidate": pair[0].name, "baseline": pair[1].name}
    client = signed_in("release_manager")
    told = client.get("/api/preferences/results/", asked).json()
    assert told == command("results", pair[0].name, pair[1].name, "--by", "release_manager")
    assert (told["n_votes"], told["n_raters"], told["n_ties"]) == (40, 7, 8)
    assert "preferred in 70% of 40 blind votes" in told["sentence"]
    assert [group["name"] for group in told["groups"]] == ["partners", "reviewers"]
    assert told["difference"]["lo"] < told["difference"]["estimate"] < told["difference"]["hi"]
    other = client.get("/api/preferences/results/", {**asked, "baseline": pair[0].name})
    assert (other.status_code, other.json()["code"]) == (404, "no_votes")
    missing = client.get("/api/preferences/results/", {"candidate": pair[0].name})
    assert missing.status_code == 400


def test_who_is_still_blind_sees_no_numbers_by_any_way(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    reviewer = builders.login("behaviour_reviewer").person
    votes.vote(votes.session(reviewer, *pair), "a")
    client = signed_in("behaviour_reviewer")
    asked = {"candidate": pair[0].name, "baseline": pair[1].name}
    assert client.get("/api/preferences/results/", asked).json()["code"] == "still_blind"
    with pytest.raises(SystemExit):
        command("results", pair[0].name, pair[1].name, "--by", "behaviour_reviewer")
    ids = {"candidate": pair[0].pk, "baseline": pair[1].pk}
    page = client.get(reverse("console-preference-results"), ids).content.decode()
    assert "You are still blind" in page and "win score" not in page
    manager = signed_in("release_manager")
    revealed = post(manager, "reveal-pair/", checkpoints=[p.name for p in pair], reason="Over.")
    assert revealed.json() == {"n_revealed": 1}
    assert client.get("/api/preferences/results/", asked).json()["n_votes"] == 1


def test_by_command_it_is_asked_voted_on_and_revealed(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    who = ("--by", "behaviour_reviewer")
    told = command("ask", "chat-nano-0", "chat-nano-1", "--prompt", "Which?", *who)
    assert told["answers"]["a"]["content"] == "Hello there!" and told["revealed"] is None
    assert command("vote", told["id"], "tie", *who)["choice"] == "tie"
    with pytest.raises(SystemExit):
        command("reveal", told["id"], "--reason", "curious", *who)
    manager = ("--by", "release_manager")
    assert command("reveal", told["id"], "--reason", "Over.", *manager)["revealed"]
    assert [row["state"] for row in command("list")] == ["revealed"]


def test_on_the_console_a_reviewer_asks_and_votes(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint]
) -> None:
    client, place = signed_in("behaviour_reviewer"), reverse("console-preferences")
    body = {"do": "ask", "one": pair[0].pk, "other": pair[1].pk, "prompt": "Which tables?"}
    same = client.post(place, {**body, "other": pair[0].pk})
    assert same.status_code == 400 and "these are the same" in same.content.decode()
    answer = client.post(place, body)
    session = PreferenceSession.objects.get()
    assert answer["Location"] == reverse("console-preference", args=[session.pk])
    page = client.get(answer["Location"]).content.decode()
    assert "Which tables?" in page and page.count("Hello there!") == 2
    assert client.post(answer["Location"], {"do": "vote", "choice": "b"}).status_code == 302
    assert PreferenceVote.objects.get().choice == "b"
    stranger = signed_in("eval_owner").get(answer["Location"]).content.decode()
    assert "Which tables?" not in stranger and "Hello there!" not in stranger


@pytest.mark.long
def test_a_hundred_pages_tell_their_reviewer_nothing(
    cast: Cast, pair: tuple[Checkpoint, Checkpoint], server: Upstream
) -> None:
    client, person = signed_in("behaviour_reviewer"), builders.login("behaviour_reviewer").person
    told = [*(p.name for p in pair), *(str(p.pk) for p in pair), "model-number", server.url]
    told += [p.checkpoint_digest for p in pair]
    forms = {True: set(), False: set()}
    for at in range(100):
        a, b = pair if at % 2 else pair[::-1]
        session = votes.session(person, a, b, prompt=str(at))
        places = [reverse("console-preference", args=[session.pk])]
        for path in places:
            answer = client.get(path)
            page = answer.content.decode()
            assert not [mark for mark in told if mark in page]
            headers = {k: v for k, v in answer.items() if k != "Content-Security-Policy"}
            forms[bool(at % 2)].add((len(page), tuple(sorted(headers))))
    assert forms[True] == forms[False]
