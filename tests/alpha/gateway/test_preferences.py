"""`/v1/preferences`: two answers at once, one vote, and no word of which was which."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError

from alpha.gateway.config import GatewayConfig
from alpha.gateway.errors import Refusal
from alpha.gateway.preferences import question_of, vote_of
from alpha.models import LandedCall, PreferenceSession, PreferenceVote, Transcript, UsageEvent
from alpha.services import grants, keys, partners
from alpha.transcripts import read_transcript
from infra import clock
from infra.storage import object_store
from releases.models import Release
from tests.alpha.builders import ACTOR
from tests.alpha.gateway.server import Running, running, usage_of, wait_for
from tests.alpha.gateway.two_arms import PROMPT, TwoArms, question, session_of, two_arms
from tests.alpha.gateway.upstream import Behaviour, Upstream
from tests.builders import login

Ask = Callable[..., httpx.Response]


@pytest.fixture
def other_upstream() -> Iterator[Upstream]:
    server = Upstream()
    server.start()
    server.behaviour.words = ["The", " tuned", " answer"]
    yield server
    server.stop()


@pytest.fixture
def arms(config: GatewayConfig, upstream: Upstream, other_upstream: Upstream) -> TwoArms:
    return two_arms(upstream, other_upstream)


@pytest.fixture
def gateway(config: GatewayConfig, arms: TwoArms) -> Iterator[Running]:
    with running(config) as server:
        yield server


@pytest.fixture
def http(gateway: Running, arms: TwoArms) -> Iterator[httpx.Client]:
    with client_of(gateway, arms.granted.key_text) as client:
        yield client


def client_of(gateway: Running, key_text: str) -> httpx.Client:
    headers = {"authorization": f"Bearer {key_text}"}
    return httpx.Client(base_url=gateway.url, headers=headers, timeout=20)


@pytest.fixture
def ask(http: httpx.Client) -> Ask:
    def asked(**fields: Any) -> httpx.Response:
        return http.post("/preferences", json=question(**fields))

    return asked


def voted(http: httpx.Client, identifier: str, choice: str, **fields: Any) -> httpx.Response:
    return http.post(f"/preferences/{identifier}/vote", json={"choice": choice, **fields})


def reveal(session: PreferenceSession) -> None:
    """As the service does it."""
    person = login("release_manager").person
    fields = {"state": "revealed", "revealed_at": clock.now(), "revealed_by": person}
    PreferenceSession.objects.filter(pk=session.pk).update(**fields)


def test_both_versions_answer_and_the_vote_names_a_place(
    http: httpx.Client, ask: Ask, arms: TwoArms
) -> None:
    reply = ask().json()
    session = session_of(reply)
    said = {arms.granted.checkpoint.pk: "Hello there!", arms.candidate.pk: "The tuned answer"}
    assert reply["answers"]["a"] == {"content": said[session.checkpoint_a_id], "tool_calls": []}
    assert reply["answers"]["b"] == {"content": said[session.checkpoint_b_id], "tool_calls": []}
    assert {session.arm_a, session.arm_b} == {"incumbent", "candidate"}
    assert (session.style_a[0], session.style_b[0]) == tuple(
        len(reply["answers"][place]["content"]) for place in "ab"
    )
    told = voted(http, reply["id"], "b", comment="Shorter.").json()
    assert (told["state"], told["choice"], told["revealed"]) == ("voted", "b", None)
    assert PreferenceVote.objects.get().comment == "Shorter."
    assert http.get(f"/preferences/{reply['id']}").json() == told
    assert http.get("/preferences").json()["data"] == [told]


def test_what_is_judged_is_what_is_served_metered_and_no_live_traffic(
    ask: Ask, arms: TwoArms
) -> None:
    session = session_of(ask(temperature=0.5).json())
    (old,), (new,) = (server.seen for server in arms.upstreams)
    assert old["messages"][0] == {"role": "system", "content": "You are brief."}
    assert new["messages"][0] == {"role": "system", "content": "You are the tuned one."}
    assert old["temperature"] == new["temperature"] == 0.5
    assert old["messages"][1] == new["messages"][1] == {"role": "user", "content": PROMPT}
    events = [usage_of(str(request)) for request in (session.request_a, session.request_b)]
    assert [e.checkpoint_id for e in events] == [session.checkpoint_a_id, session.checkpoint_b_id]
    assert {(e.endpoint, e.state) for e in events} == {("preferences", "succeeded")}
    assert all(e.tokens_out == 3 and e.partner == arms.granted.partner for e in events)
    assert not LandedCall.objects.exists()


def test_the_same_vote_again_is_one_vote_and_another_or_garbage_is_refused(
    http: httpx.Client, ask: Ask
) -> None:
    assert ask(stream=True).status_code == 400
    assert not PreferenceSession.objects.exists()
    identifier = ask().json()["id"]
    assert voted(http, identifier, "left").status_code == 400
    assert voted(http, "garbage", "a").status_code == 404
    assert not PreferenceVote.objects.exists()
    first, again = (voted(http, identifier, "tie") for _ in range(2))
    assert first.status_code == 200 and first.json() == again.json()
    other = voted(http, identifier, "a")
    assert other.status_code == 409 and other.json()["error"]["code"] == "voted_already"
    assert PreferenceVote.objects.get().choice == "tie"


def test_of_many_votes_at_once_one_stands(http: httpx.Client, ask: Ask, gateway: Running) -> None:
    identifier = ask().json()["id"]
    start = threading.Barrier(8)

    def cast(at: int) -> int:
        start.wait()
        return voted(http, identifier, ["a", "b", "tie", "both_bad"][at % 4]).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(cast, range(8)))
    assert sorted(statuses) == [200, 200] + [409] * 6
    assert PreferenceVote.objects.count() == 1


def test_a_vote_after_the_reveal_is_refused(http: httpx.Client, ask: Ask) -> None:
    reply = ask().json()
    session = session_of(reply)
    reveal(session)
    refused = voted(http, reply["id"], "a")
    assert refused.status_code == 409 and refused.json()["error"]["code"] == "is_revealed"
    assert not PreferenceVote.objects.exists()
    shown = http.get(f"/preferences/{reply['id']}").json()
    assert shown["revealed"] == {"a": session.arm_a, "b": session.arm_b}


def test_the_database_takes_no_vote_after_the_reveal_and_moves_no_order(ask: Ask) -> None:
    session = session_of(ask().json())
    swapped = {"arm_a": session.arm_b, "arm_b": session.arm_a}
    with pytest.raises(DatabaseError), transaction.atomic():
        PreferenceSession.objects.filter(pk=session.pk).update(**swapped)
    reveal(session)
    with pytest.raises(DatabaseError), transaction.atomic():
        PreferenceSession.objects.filter(pk=session.pk).update(state="voted")
    vote = PreferenceVote.objects.create(session=session, choice="a", voted_at=clock.now())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE preference_vote SET choice = 'b' WHERE id = %s", [vote.pk])


def test_another_partners_session_is_like_none(gateway: Running, ask: Ask, arms: TwoArms) -> None:
    identifier = ask().json()["id"]
    other = partners.make_partner(actor=ACTOR, name="other", contact_email="dev@other.example")
    consent = grants.Consent(terms_version="1", accepted_by="Ada")
    grants.make_grant(actor=ACTOR, stage=arms.granted.stage, partner=other, consent=consent)
    _, text = keys.issue_key(actor=ACTOR, partner=other)
    missing = "01890000-0000-7000-8000-000000000000"
    with client_of(gateway, text) as stranger:
        wait_for(lambda: stranger.get("/models").status_code == 200, "the key is known")
        for method, rest in (("GET", ""), ("POST", "/vote")):
            told = [
                stranger.request(method, f"/preferences/{which}{rest}", json={"choice": "a"})
                for which in (identifier, missing)
            ]
            assert [reply.status_code for reply in told] == [404, 404]
            bodies = [
                reply.text.replace(which, "ID")
                for reply, which in zip(told, (identifier, missing), strict=True)
            ]
            assert bodies[0] == bodies[1]
        assert stranger.get("/preferences").json()["data"] == []
    assert not PreferenceVote.objects.exists()


def test_a_failing_side_voids_both_and_charges_neither(ask: Ask, arms: TwoArms) -> None:
    for failing in (0, 1):
        arms.upstreams[failing].behaviour = Behaviour(status=500, raw="PLANTED-WORDS")
        arms.upstreams[1 - failing].behaviour = Behaviour(delay_s=5)
        refused = ask()
        assert refused.status_code == 502 and "PLANTED" not in refused.text
        session = PreferenceSession.objects.latest("asked_at")
        assert session.state == "void"
        events = [usage_of(str(request)) for request in (session.request_a, session.request_b)]
        assert {e.state for e in events} == {"failed", "stopped"}
        assert {(e.tokens_out, e.cost_micros) for e in events} == {(0, 0)}


def test_a_release_halted_in_the_middle_is_told_clearly(ask: Ask, arms: TwoArms) -> None:
    for server in arms.upstreams:
        server.behaviour.delay_s = 20
    halted = {"state": "halted", "halted_at": clock.now()}

    def halt() -> None:
        wait_for(lambda: all(server.seen for server in arms.upstreams), "both are asked")
        Release.objects.filter(pk=arms.candidate_release.pk).update(**halted)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        halting = pool.submit(halt)
        refused = ask()
        halting.result()
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "release_halted"
    wait_for(lambda: PreferenceSession.objects.get().state == "void", "it is void")
    again = ask()
    assert again.status_code == 503 and "One of the two versions is halted" in again.text


def test_one_version_is_nothing_to_compare(ask: Ask, arms: TwoArms) -> None:
    ended = {"state": "ended", "ended_at": clock.now()}
    with transaction.atomic():
        Release.objects.filter(pk=arms.candidate_release.pk).update(**ended)
        Release.objects.filter(pk=arms.granted.release.pk).update(share=100)
    refused = wait_for(lambda: (r := ask()).status_code == 409 and r, "one version is left")
    assert refused.json()["error"]["code"] == "nothing_to_compare"
    assert not PreferenceSession.objects.filter(state="asked").exists()


def test_a_repeated_key_asks_once_and_a_failed_one_may_be_repeated(ask: Ask, arms: TwoArms) -> None:
    arms.candidate_upstream.behaviour.status, words = 500, arms.candidate_upstream.behaviour.words
    arms.candidate_upstream.behaviour.raw = "{}"
    assert ask(idempotency_key="one").status_code == 502
    arms.candidate_upstream.behaviour = Behaviour(words=words)
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: ask(idempotency_key="one"), range(6)))
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 5
    assert {r.json()["error"]["code"] for r in replies if r.status_code == 409} == {"asked_already"}
    assert PreferenceSession.objects.exclude(state="void").count() == 1
    assert UsageEvent.objects.filter(state="succeeded").count() == 2 or wait_for(
        lambda: UsageEvent.objects.filter(state="succeeded").count() == 2, "two usage events"
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stream": True}, "stream"),
        ({"logprobs": True}, "logprobs"),
        ({"n": 2}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"arm": "candidate"}, "arm"),
        ({"idempotency_key": 7}, "idempotency_key"),
        ({"idempotency_key": "x" * 201}, "idempotency_key"),
        ({"model": None}, "model"),
    ],
)
def test_a_question_that_is_none_names_its_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as refused:
        question_of(question(**fields), "")
    assert (refused.value.status, refused.value.param) == (400, param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "choice"),
        ({"choice": "left"}, "choice"),
        ({"choice": ["a"]}, "choice"),
        ({"choice": "a", "comment": "x" * 20_001}, "comment"),
        ({"choice": "a", "comment": "\0"}, "comment"),
        ({"choice": "a", "arm": "incumbent"}, "arm"),
    ],
)
def test_a_vote_that_is_none_names_its_field(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as refused:
        vote_of(body)
    assert (refused.value.status, refused.value.param) == (400, param)


def test_a_spent_budget_admits_neither_answer(
    config: GatewayConfig, upstream: Upstream, other_upstream: Upstream
) -> None:
    quotas = grants.Quotas(requests_per_minute=3)
    arms = two_arms(upstream, other_upstream, quotas=quotas)
    with running(config) as server, client_of(server, arms.granted.key_text) as client:
        statuses = [client.post("/preferences", json=question()).status_code for _ in range(2)]
    assert statuses == [200, 429]
    assert [len(server.seen) for server in arms.upstreams] == [1, 1]


def test_a_client_that_leaves_leaves_nothing_open(
    gateway: Running, arms: TwoArms, http: httpx.Client
) -> None:
    for server in arms.upstreams:
        server.behaviour.delay_s = 20
    with client_of(gateway, arms.granted.key_text) as client, pytest.raises(httpx.TimeoutException):
        client.post("/preferences", json=question(), timeout=0.5)
    wait_for(
        lambda: PreferenceSession.objects.filter(state="void").count() == 1, "the session is void"
    )
    session = PreferenceSession.objects.get()
    events = [usage_of(str(request)) for request in (session.request_a, session.request_b)]
    assert {e.state for e in events} == {"client_gone"}
    assert len(gateway.parts.under_way) == 0


def everywhere() -> str:
    """Every text in the database, and every object's bytes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables, texts = [row[0] for row in cursor.fetchall()], []
        for table in tables:
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            texts += [row[0] for row in cursor.fetchall()]
    store = object_store()
    return "\n".join(texts) + "".join(repr(store.get(key)) for key in store.keys())


def test_without_consent_no_text_is_kept_and_the_vote_is(
    http: httpx.Client, ask: Ask, gateway: Running
) -> None:
    reply = ask().json()
    assert voted(http, reply["id"], "a").status_code == 200
    session = session_of(reply)
    usage_of(str(session.request_b))
    found = everywhere()
    assert str(session.pk) in found and session.prompt_digest in found
    assert PROMPT not in found and "tuned answer" not in found and "Hello there" not in found
    assert not Transcript.objects.exists()


def test_with_consent_the_text_is_sealed_under_each_answers_call(
    config: GatewayConfig, upstream: Upstream, other_upstream: Upstream
) -> None:
    consent = grants.Consent(terms_version="1", accepted_by="Ada", transcripts=True)
    arms = two_arms(upstream, other_upstream, consent=consent)
    with running(config) as server, client_of(server, arms.granted.key_text) as client:
        session = session_of(client.post("/preferences", json=question()).json())
        wait_for(lambda: Transcript.objects.count() == 2, "both texts are kept")
    assert PROMPT not in everywhere()
    kept = read_transcript(session.request_a)
    assert kept["request"]["messages"][0]["content"] == PROMPT
    assert kept["reply"][0]["content"]
