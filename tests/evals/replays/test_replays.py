"""Real conversations asked again: who is drawn, what is asked, what is kept, what is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from alpha.services.opened_transcripts import kept_calls
from evals.models import Case, ReplaySet, Result
from evals.selectors import replays as reads
from evals.services import comparisons, judges, labels, regrades, replays
from evals.states import RunState
from infra.errors import DomainError, InvalidInput, InvalidMove, NotFound, NotPermitted
from releases.statistics.failure_rates import failure_rate
from tests.evals import builders as evals
from tests.evals.replays.world import (
    CANARY,
    PARTNERS,
    World,
    catalogue,
    drop_key,
    mode,
    user,
    withdraw,
)
from tests.evals.upstream import Reply, Upstream, completion

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(upstream: Upstream) -> World:
    return World(upstream.base_url)


def test_one_conversation_a_unit_and_the_newest_of_it(world: World) -> None:
    world.said("acme", [user("first")], name="u")
    newest = world.said("acme", [user("first"), user("second")], name="u")
    other = world.said("acme", [user("other")], name="v")
    found = {
        call.request_id for call in kept_calls(world.stage.pk, world.since, world.sampling().until)
    }
    assert found == {newest, other}


def test_only_those_who_consent_are_drawn(world: World) -> None:
    world.talk(1)
    world.said("acme", [user("not kept")], kept=False)
    world.consent(world.callers["bolt"], given=False)
    withdraw(world.callers["coil"])
    drop_key(world.callers["dune"])
    made = world.drawn().replay_set
    partners = {case.metadata["partner"] for case in made.version.cases.all()}
    assert partners == {str(world.callers[name].partner.pk) for name in ("acme", "echo")}
    assert (made.n_eligible, made.n_partners) == (2, 2)


def test_nobody_to_draw_is_refused(world: World) -> None:
    with pytest.raises(InvalidMove, match="no conversation in that window"):
        world.drawn()
    assert not ReplaySet.objects.exists()


def test_a_draw_is_its_seed_and_its_cap(world: World) -> None:
    world.talk(6)
    wanted = world.sampling(n=10, seed=3, partner_cap=2)
    first = world.drawn(sampling=wanted)
    again = world.drawn(sampling=wanted)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.replay_set.pk == again.replay_set.pk
    counts: dict[str, int] = {}
    for case in first.replay_set.version.cases.all():
        counts[case.metadata["partner"]] = counts.get(case.metadata["partner"], 0) + 1
    assert sorted(counts.values()) == [2] * 5
    other = world.drawn(sampling=world.sampling(n=10, seed=4, partner_cap=2))
    ids = [
        set(s.replay_set.version.cases.values_list("case_id", flat=True)) for s in (first, other)
    ]
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"n": 0}, "bad_n"), ({"n": 10, "partner_cap": 11}, "bad_partner_cap")],
)
def test_numbers_that_make_no_sample(world: World, fields: dict[str, Any], code: str) -> None:
    world.talk(1)
    with pytest.raises(InvalidInput) as refused:
        world.drawn(sampling=world.sampling(**fields))
    assert refused.value.code == code


def test_who_may_draw(world: World) -> None:
    world.talk(1)
    for actor in (world.cast.engineer, world.cast.auditor, world.cast.partner_manager):
        with pytest.raises(NotPermitted):
            replays.draw_set(
                actor=actor, name="real", stage=world.stage, sampling=world.sampling(),
                catalogue=catalogue(),
            )  # fmt: skip


def test_the_last_reply_is_asked_again_after_the_whole_prefix(
    world: World, upstream: Upstream
) -> None:
    history = [user("hello"), {"role": "assistant", "content": "hi"}, user("loop please")]
    world.said("acme", history, temperature=0.25, stream=True, user="their-user")
    run = world.replayed(world.drawn(), world.new)
    assert run.state == RunState.COMPLETED
    [body] = upstream.bodies
    assert body["messages"][1:] == history, "after the checkpoint's own text"
    assert body["temperature"] == 0.25
    assert {"user", "stream", "slipway_replay"} & set(body) == set()
    rates = {rate.mode: rate for rate in reads.mode_rates(run)}
    assert rates["loops"].predicted_rate == 1.0 and rates["swears"].predicted_rate == 0.0


def test_rates_are_clustered_by_partner_from_five_partners_on(world: World) -> None:
    world.talk(4)
    world.talk(2, "loop {}")
    run = world.replayed(world.drawn(), world.new)
    [loops, swears] = reads.mode_rates(run)
    assert (loops.n, loops.n_clusters, loops.method) == (30, 5, "korn_graubard")
    assert loops.predicted_rate == pytest.approx(1 / 3)
    clusters = [name for name in PARTNERS for _ in range(6)]
    same = failure_rate([1.0, 1.0, 0.0, 0.0, 0.0, 0.0] * 5, clusters)
    assert (loops.lo, loops.hi) == pytest.approx((same.lo, same.hi))
    assert swears.told.endswith("30 conversations; blind below 1 in 10")


def test_nothing_a_partner_said_or_was_told_is_in_the_database(
    world: World, own_object_store: Path, upstream: Upstream
) -> None:
    upstream.rules.append(lambda text, n: completion(f"you said {text} in a loop"))
    world.said("acme", [user(f"{CANARY} and more")])
    run = world.replayed(world.drawn(), world.new)
    result = Result.objects.get(run=run)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            quoted = connection.ops.quote_name(table)
            cursor.execute(
                f"SELECT count(*) FROM {quoted} t WHERE t::text LIKE %s", [f"%{CANARY}%"]
            )
            assert cursor.fetchone() == (0,), table
    assert CANARY.encode() not in bytes(result.output)
    for path in own_object_store.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path
    said = replays.read_reply(actor=world.cast.behaviour_reviewer, result=result)
    assert said["text"] == f"you said {CANARY} and more in a loop"
    assert said["asked"] == [user(f"{CANARY} and more")]
    assert "matches" in said["explanations"]["loops"]


def test_a_partners_reply_opens_for_its_readers_and_dies_with_the_key(world: World) -> None:
    world.said("acme", [user("secret")])
    run = world.replayed(world.drawn(), world.new)
    result = Result.objects.select_related("case").get(run=run)
    with pytest.raises(NotPermitted):
        replays.read_reply(actor=world.cast.auditor, result=result)
    drop_key(world.callers["acme"])
    with pytest.raises(NotFound):
        replays.read_reply(actor=world.cast.eval_owner, result=result)
    assert [rate.n for rate in reads.mode_rates(run)] == [1, 1], "the numbers stay"


def test_text_erased_before_it_is_asked_is_gone_and_not_a_failure(world: World) -> None:
    world.talk(2)
    made = world.drawn()
    drop_key(world.callers["acme"])
    run = world.replayed(made, world.new)
    assert run.state == RunState.COMPLETED
    assert reads.outcomes_of(run) == {
        "graded": 8, "diverged": 0, "gone": 2, "errored": 0, "skipped": 0
    }  # fmt: skip
    assert {rate.n_missing for rate in reads.mode_rates(run)} == {2}


TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def called(arguments: str, name: str = "look", call_id: str = "c9") -> Reply:
    function = {"name": name, "arguments": arguments}
    calls = [{"id": call_id, "type": "function", "function": function}]
    return completion(None, "tool_calls", tool_calls=calls)


def agent(world: World, result: str = "12 degrees") -> None:
    function = {"name": "look", "arguments": '{"city": "Oslo", "days": 2}'}
    asked = {"id": "c1", "type": "function", "function": function}
    messages = [
        user("weather?"),
        {"role": "assistant", "content": None, "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": "c1", "content": result},
    ]
    world.said("acme", messages, tools=[TOOL])


def test_a_tool_answers_from_the_record_when_it_is_asked_the_same(
    world: World, upstream: Upstream
) -> None:
    agent(world)
    upstream.rules.append(
        lambda text, n: called('{ "days": 2, "city": "Oslo" }') if text == "weather?" else None
    )
    run = world.replayed(world.drawn(), world.new)
    first, second = upstream.bodies
    assert first["messages"][-1] == user("weather?"), "cut before the first call"
    assert second["messages"][-1] == {
        "role": "tool", "tool_call_id": "c9", "content": "12 degrees"
    }  # fmt: skip
    result = Result.objects.get(run=run)
    said = replays.read_reply(actor=world.cast.eval_owner, result=result)
    assert said["text"] == "12 degrees"
    assert (result.n_calls, result.tokens_in, result.tokens_out) == (2, 40, 8)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("look", '{"city": "Rome", "days": 2}'), ("look", '{"city": "Oslo", "days": true}'),
     ("book", '{"city": "Oslo", "days": 2}'), ("look", "not json")],
    ids=["other_value", "other_type", "other_tool", "no_json"],
)  # fmt: skip
def test_a_call_that_the_record_does_not_hold_diverges(
    world: World, upstream: Upstream, name: str, arguments: str
) -> None:
    agent(world)
    upstream.rules.append(lambda text, n: called(arguments, name))
    run = world.replayed(world.drawn(), world.new)
    assert run.state == RunState.COMPLETED
    assert reads.outcomes_of(run)["diverged"] == 1
    result = Result.objects.get(run=run)
    assert (result.state, result.error_code, result.score) == ("errored", "diverged", None)
    assert "Oslo" not in result.error_message and "Rome" not in result.error_message
    assert [rate.n for rate in reads.mode_rates(run)] == [0, 0]


def test_an_agent_that_never_stops_calling_diverges(world: World, upstream: Upstream) -> None:
    agent(world)
    upstream.rules.append(lambda text, n: called('{"city": "Oslo", "days": 2}'))
    run = world.replayed(world.drawn(), world.new)
    assert reads.outcomes_of(run)["diverged"] == 1
    assert upstream.n_calls == 16


def test_the_difference_to_the_incumbent_is_on_the_same_prefixes(
    world: World, upstream: Upstream
) -> None:
    world.talk(6)
    made = world.drawn()
    old = world.replayed(made, world.old)
    upstream.rules.append(lambda text, n: completion(f"{text} loop") if "-1" in text else None)
    new = world.replayed(made, world.new)
    found = comparisons.compare(candidate_run=new, baseline_run=old)
    [loops, swears] = reads.mode_deltas(new, found)
    assert loops.delta == pytest.approx(1 / 6) and swears.delta == 0
    assert loops.lo <= loops.delta <= loops.hi
    assert reads.incumbent_run(new, world.old.pk) == old


def test_a_replay_is_started_once_and_capped(world: World) -> None:
    world.talk(4)
    made = world.drawn()
    first, again = (
        replays.start_replay(
            actor=world.cast.engineer, replay_set=made.replay_set, checkpoint=world.new,
            idempotency_key="night",
        )
        for _ in range(2)
    )  # fmt: skip
    assert first.pk == again.pk
    from evals.caps import Caps

    capped = world.replayed(made, world.new, caps=Caps(most_tokens=100), concurrency=1)
    assert capped.ended_because and reads.outcomes_of(capped)["skipped"] > 0
    assert reads.newest_replay(world.new.pk) is None, "a part of a replay is no evidence"


def test_a_killed_replay_goes_on_where_it_was(world: World, upstream: Upstream) -> None:
    from evals.runner import leases

    world.talk(2)
    run = evals.start(world.drawn().replay_set.version, world.new)
    shard = run.shards.get()
    assert leases.claim(shard.pk) is not None, "and its holder dies"
    type(shard).objects.filter(pk=shard.pk).update(lease_until=world.since)
    leases.sweep()
    evals.execute(run)
    assert run.state == RunState.COMPLETED and upstream.n_calls == 10


def test_sealed_replies_are_neither_graded_again_nor_labelled(world: World) -> None:
    world.talk(1)
    run = world.replayed(world.drawn(), world.new)
    with pytest.raises(InvalidMove, match="replays conversations"):
        regrades.regrade_run(actor=world.cast.engineer, run=run, reason="again")
    judge = judges.make_version(
        actor=world.cast.eval_owner,
        spec=judges.JudgeSpec(
            name="tone", question="Kind?", choices={"good": 1.0, "bad": 0.0}, model="m",
            prompt=[{"role": "user", "content": "Kind? {{sample.output_text}}"}],
            owner="eval_owner@example.org",
        ),
    ).version.judge  # fmt: skip
    with pytest.raises(InvalidMove, match="replays conversations"):
        labels.draw_items(actor=world.cast.eval_owner, judge=judge, run=run, n_cases=1)


def test_recorded_replies_are_graded_without_a_call(world: World, upstream: Upstream) -> None:
    for number in range(4):
        for name in PARTNERS:
            world.said(name, [user("x")], "a loop" if number == 0 else "fine")
    made = world.drawn("live", checkpoint=world.old)
    run = evals.execute(
        replays.grade_recorded(
            actor=world.cast.engineer, replay_set=made.replay_set, checkpoint=world.old
        )
    )
    assert (run.state, upstream.n_calls) == (RunState.COMPLETED, 0)
    [loops, _] = reads.mode_rates(run)
    assert (loops.predicted_rate, loops.n) == (0.25, 20)
    assert reads.newest_replay(world.old.pk) is None, "nothing was asked again"
    with pytest.raises(InvalidMove, match="not drawn from the calls of chat-nano-2"):
        replays.grade_recorded(
            actor=world.cast.engineer, replay_set=made.replay_set, checkpoint=world.new
        )


LINES = [
    '{"id": "a", "messages": [{"role": "user", "content": "loop 1"}]}',
    '{"id": "b", "messages": [{"role": "user", "content": "two"}, '
    '{"role": "assistant", "content": "2"}]}',
    "",
]


def test_a_public_set_is_imported_and_asked_again(world: World, upstream: Upstream) -> None:
    made = replays.import_set(
        actor=world.cast.eval_owner, name="public", lines=LINES, catalogue=catalogue()
    )
    run = world.replayed(made, world.new)
    assert [body["messages"][-1]["content"] for body in upstream.bodies] in (
        ["loop 1", "two"], ["two", "loop 1"]
    )  # fmt: skip
    assert reads.mode_rates(run)[0].predicted_rate == 0.5
    [result] = reads.failing(run, "loops")
    said = replays.read_reply(actor=world.cast.auditor, result=result)
    assert (said["asked"], said["text"]) == ([user("loop 1")], "loop 1")
    with pytest.raises(NotFound):
        reads.failing(run, "snores")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: "),
        ("[]", "line 1: messages"),
        ('{"messages": []}', "line 1: messages"),
        ('{"messages": [{"role": "system", "content": "x"}]}', "line 1: messages"),
        ('{"messages": "hi"}', "line 1: messages"),
        ('{"id": 3, "messages": [{"role": "user", "content": "x"}]}', "line 1: id"),
    ],
    ids=["torn", "list", "empty", "no_question", "text", "number_as_id"],
)
def test_bad_lines_are_named(world: World, line: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        replays.import_set(
            actor=world.cast.eval_owner, name="public", lines=[line], catalogue=catalogue(),
            file="set.jsonl",
        )  # fmt: skip
    assert refused.value.message.startswith(f"set.jsonl {said}")
    assert not Case.objects.filter(version__suite__name="public").exists()


def test_a_suites_name_is_not_taken(world: World) -> None:
    evals.published(3)
    with pytest.raises(InvalidMove, match="is a suite of cases"):
        replays.import_set(
            actor=world.cast.eval_owner, name="echo", lines=LINES, catalogue=catalogue()
        )


GOOD = mode("loops", "x")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "catalogue: write `modes:`"),
        ({"modes": []}, "catalogue: write `modes:`"),
        ({"modes": [GOOD, GOOD]}, "'loops' is there twice"),
        ({"modes": [{**GOOD, "mode": "Lo.ops"}]}, "modes[0]: 'Lo.ops' is no name"),
        ({"modes": [{**GOOD, "severity": "bad"}]}, "none of minor, major, critical"),
        ({"modes": [{**GOOD, "extra": 1}]}, "exactly the keys"),
        ({"modes": [{**GOOD, "sentence": " "}]}, "`sentence` says what goes wrong"),
        ({"modes": [{**GOOD, "grader": {"type": "nothing"}}]}, "grader.type: unknown grader"),
        ({"modes": [{**GOOD, "grader": {"type": "sql"}}]}, "grader"),
        ({"modes": [{**GOOD, "grader": {**GOOD["grader"], "components": ["y"]}}]}, "own component"),
    ],
    ids=list("abcdefghij"),
)
def test_bad_catalogues_are_named(document: Any, said: str) -> None:
    from evals.catalogues import catalogue_of

    with pytest.raises(DomainError) as refused:
        catalogue_of(document)
    assert said in refused.value.message
