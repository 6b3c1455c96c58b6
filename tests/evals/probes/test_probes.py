"""A probe from its design to what it isolated, over a real upstream with a planted weakness."""

from __future__ import annotations

from collections import Counter

import pytest
from django.db import Error, transaction

from alpha.services import investigations
from evals.caps import Caps
from evals.models import Case, EarlyStop, Probe, ProbePair, Result, Run, Suite
from evals.runner import probe_looks
from evals.selectors import probes as reads
from evals.selectors import run_orders, runs, suites
from evals.services.probes import concluding, design, rating, review, running
from evals.services.probes.specs import HUMAN, PromptSpec
from evals.states import PairState, ProbeVerdict, ResultState, RunState
from infra import clock
from infra.errors import DomainError, InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from tests import builders
from tests.evals import builders as evals
from tests.evals.probes import story
from tests.evals.probes.story import WeakUpstream
from tests.evals.upstream import failure

pytestmark = pytest.mark.django_db


@pytest.fixture
def weak():
    with WeakUpstream() as server:
        yield server


def two(weak: WeakUpstream):
    """Two checkpoints that the upstream answers for."""
    return (
        evals.served(weak.base_url, "chat-nano-1"),
        evals.served(weak.base_url, "chat-nano-2", manifest_digest="2" * 64),
    )


def test_a_probe_isolates_the_planted_cause_on_both_checkpoints(weak: WeakUpstream) -> None:
    cast = builders.cast()
    probe = story.designed(cast.engineer, *two(weak))
    assert probe.hypotheses.count() == 5
    assert reads.design_of(probe).n_calls == 8 * 6 * 8 * 2
    story.approve_all(cast.behaviour_reviewer, probe)
    running.start_probe(actor=cast.engineer, probe=probe)
    story.execute(probe)
    assert weak.n_calls == 8 * 6 * 8 * 2
    assert concluding.conclude_due() == 1

    probe.refresh_from_db()
    assert probe.verdict == ProbeVerdict.ISOLATED.value
    assert probe.sentence.startswith("Isolated: long context. ")
    outcomes = {(r["hypothesis"], r["checkpoint"]): r["outcome"] for r in probe.result["effects"]}
    isolated = {key for key, outcome in outcomes.items() if outcome == "isolated"}
    assert isolated == {("shorter_context", "chat-nano-1"), ("shorter_context", "chat-nano-2")}
    assert len(outcomes) == 10
    found = reads.isolated_components(probe.finding_id)
    assert {one.component for one in found} == {"long context"}
    assert all(0 < one.lo < one.effect < one.hi for one in found)
    # What the finding is asked for when somebody says that its cause is known.
    assert investigations.isolated_components(probe.finding_id) == [("long context", probe.pk)]
    assert probe.result["tokens"] == weak.n_calls * 24
    # Concluded once: neither the sweep nor a person does it again.
    assert concluding.conclude_due() == 0
    with pytest.raises(InvalidMove, match="concluded"):
        concluding.conclude_probe(actor=cast.engineer, probe=probe)


def test_what_a_pair_changes_reaches_the_upstream_and_nothing_else_does(
    weak: WeakUpstream,
) -> None:
    cast = builders.cast()
    probe = story.designed(cast.engineer, two(weak)[0], n_prompts=5, repeats=1)
    story.approve_all(cast.engineer, probe)
    running.start_probe(actor=cast.engineer, probe=probe)
    story.execute(probe)
    bodies = [body for body in weak.bodies if "Question 0?" in str(body["messages"][-1])]
    assert len(bodies) == 6
    kinds = Counter(
        (
            body["messages"][0]["role"],
            len(body["messages"]),
            body["temperature"],
            "tools" in body,
            body["messages"][-1]["content"],
        )
        for body in bodies
    )
    assert kinds == Counter(
        [
            ("system", 4, 0, False, "Question 0?"),
            ("system", 2, 0, False, "Question 0?"),
            ("user", 3, 0, False, "Question 0?"),
            ("system", 4, 1, False, "Question 0?"),
            ("system", 4, 0, True, "Question 0?"),
            ("system", 4, 0, False, "Question 0?\n\nAnswer in English."),
        ]
    )
    assert {body["max_tokens"] for body in bodies} == {16}


def test_nothing_runs_before_a_person_reviewed_every_pair(weak: WeakUpstream) -> None:
    cast = builders.cast()
    probe = story.designed(cast.engineer, two(weak)[0])
    with pytest.raises(InvalidMove) as refused:
        running.start_probe(actor=cast.engineer, probe=probe)
    assert [reason.code for reason in refused.value.reasons] == ["pairs_unreviewed"] * 5
    ids = list(reads.pairs_of(probe).values_list("pk", flat=True))
    review.review_pairs(actor=cast.engineer, probe=probe, pair_ids=ids, approve=False)
    with pytest.raises(InvalidMove) as refused:
        running.start_probe(actor=cast.engineer, probe=probe)
    assert [reason.code for reason in refused.value.reasons] == ["no_pairs"]
    few = ids[:4]
    review.review_pairs(actor=cast.engineer, probe=probe, pair_ids=few, approve=True)
    with pytest.raises(InvalidMove) as refused:
        running.start_probe(actor=cast.engineer, probe=probe)
    assert [reason.code for reason in refused.value.reasons] == ["too_few_prompts"]
    assert not Suite.objects.filter(is_internal=True).exists()
    assert weak.n_calls == 0


def test_an_edited_pair_is_what_runs_and_an_equal_one_is_refused(weak: WeakUpstream) -> None:
    cast = builders.cast()
    probe = story.designed(cast.engineer, two(weak)[0], n_prompts=5, repeats=1)
    story.approve_all(cast.engineer, probe)
    pair = reads.pairs_of(probe)[0]
    with pytest.raises(InvalidInput, match="equals the original"):
        review.edit_pair(actor=cast.engineer, pair=pair, changed=pair.prompt.asked)
    with pytest.raises(InvalidInput, match="model"):
        review.edit_pair(actor=cast.engineer, pair=pair, changed={"model": "gpt"})
    words = [{"role": "user", "content": "In my own words."}]
    review.edit_pair(actor=cast.engineer, pair=pair, changed={"messages": words})
    running.start_probe(actor=cast.engineer, probe=probe)
    story.execute(probe)
    assert [b for b in weak.bodies if b["messages"][-1]["content"] == "In my own words."]
    pair.refresh_from_db()
    assert pair.was_edited and pair.state == PairState.APPROVED.value


def test_a_probe_that_began_keeps_its_design(weak: WeakUpstream) -> None:
    cast = builders.cast()
    probe = story.designed(cast.engineer, two(weak)[0], n_prompts=5, repeats=1)
    story.approve_all(cast.engineer, probe)
    running.start_probe(actor=cast.engineer, probe=probe)
    pair = reads.pairs_of(probe)[0]
    for refused in (
        lambda: review.review_pairs(
            actor=cast.engineer, probe=probe, pair_ids=[pair.pk], approve=False
        ),
        lambda: running.start_probe(actor=cast.engineer, probe=probe),
        lambda: concluding.conclude_probe(actor=cast.engineer, probe=probe),
    ):
        with pytest.raises(InvalidMove):
            refused()
    with pytest.raises(Error, match="never changes"), transaction.atomic():
        ProbePair.objects.filter(pk=pair.pk).update(state=PairState.DROPPED.value)
    with pytest.raises(Error), transaction.atomic():
        Probe.objects.filter(pk=probe.pk).update(state="draft")


def test_no_list_shows_the_suite_of_a_probe(weak: WeakUpstream) -> None:
    cast = builders.cast()
    probe = story.designed(cast.engineer, two(weak)[0], n_prompts=5, repeats=1)
    story.approve_all(cast.engineer, probe)
    running.start_probe(actor=cast.engineer, probe=probe)
    assert list(suites.suites()) == []
    assert [suite.pk for suite in suites.suites(probes=True)] == [probe_suite(probe)]
    run = probe.probe_runs.get().run
    assert list(runs.listed_runs()) == [] and list(runs.listed_runs(probes=True)) == [run]
    assert list(runs.listed_runs(suite=run.version.suite.name)) == [run]
    clusters = Case.objects.values_list("cluster", flat=True)
    assert Counter(clusters) == Counter({f"p{n:04d}": 6 for n in range(1, 6)})


@pytest.mark.long
def probe_suite(probe: Probe) -> object:
    """The id of the suite that its start made."""
    probe.refresh_from_db()
    return probe.version.suite_id


def test_without_a_weakness_nothing_is_isolated_and_the_sentence_says_what_was_seen(
    weak: WeakUpstream,
) -> None:
    cast = builders.cast()
    weak.rate = lambda body: 0.0
    probe = story.designed(cast.engineer, two(weak)[0], n_prompts=10, repeats=2)
    story.approve_all(cast.engineer, probe)
    running.start_probe(actor=cast.engineer, probe=probe)
    story.execute(probe)
    concluding.conclude_due()
    probe.refresh_from_db()
    assert probe.verdict == ProbeVerdict.NOTHING_ISOLATED.value
    assert "would have been found with 80% chance" in probe.sentence
    assert "not reproduced, a rate above" in probe.sentence
    assert reads.isolated_components(probe.finding_id) == []
    assert reads.what_was_tried(probe.finding_id) == [probe.sentence]


def test_a_cap_that_ends_a_run_leaves_the_probe_inconclusive(weak: WeakUpstream) -> None:
    cast = builders.cast()
    caps = Caps(most_tokens=24 * 60)
    probe = story.designed(cast.engineer, two(weak)[0], n_prompts=8, repeats=2, caps=caps)
    story.approve_all(cast.engineer, probe)
    running.start_probe(actor=cast.engineer, probe=probe)
    story.execute(probe)
    concluding.conclude_due()
    probe.refresh_from_db()
    assert probe.verdict == ProbeVerdict.INCONCLUSIVE.value
    assert "cap of 1,440 tokens" in probe.sentence


def test_lost_answers_are_missing_and_never_failures(weak: WeakUpstream) -> None:
    cast = builders.cast()
    weak.rules.append(lambda text, n: failure(400) if text.startswith("Question 0") else None)
    probe = story.designed(cast.engineer, two(weak)[0], n_prompts=8, repeats=2)
    story.approve_all(cast.engineer, probe)
    running.start_probe(actor=cast.engineer, probe=probe)
    story.execute(probe)
    concluding.conclude_due()
    probe.refresh_from_db()
    row = next(r for r in probe.result["effects"] if r["hypothesis"] == "shorter_context")
    assert row["n_missing"] == 4
    assert row["outcome"] == "insufficient"
    assert probe.verdict == ProbeVerdict.INCONCLUSIVE.value


def test_people_judge_blind_and_their_word_decides(weak: WeakUpstream) -> None:
    cast = builders.cast()
    probe = story.designed(
        cast.engineer,
        two(weak)[0],
        n_prompts=6,
        repeats=2,
        templates=["shorter_context"],
        graders=[HUMAN],
    )
    story.approve_all(cast.engineer, probe)
    running.start_probe(actor=cast.engineer, probe=probe)
    story.execute(probe)
    assert concluding.conclude_due() == 0
    assert concluding.conclude_due() == 0
    assert reads.rating_progress(probe, None).n_answers == 24
    with pytest.raises(NotPermitted):
        rating.next_answer(actor=cast.partner_manager, probe=probe)
    places = []
    while answer := rating.next_answer(actor=cast.behaviour_reviewer, probe=probe):
        if reads.rating_progress(probe, None).n_rated == 24:
            break
        places.append(answer.place)
        is_wrong = answer.result.case.case_id.endswith("original")
        rating.rate_answer(
            actor=cast.behaviour_reviewer, probe=probe, answer_id=answer.pk, failed=is_wrong
        )
    assert places == list(range(1, 25))
    arms = [a.result.case.case_id.endswith("original") for a in probe.answers.order_by("place")]
    assert arms != sorted(arms) and arms != sorted(arms, reverse=True)
    with pytest.raises(InvalidMove, match="have rated"):
        rating.rate_answer(
            actor=cast.behaviour_reviewer,
            probe=probe,
            answer_id=probe.answers.first().pk,
            failed=True,
        )
    told = AuditEntry.objects.filter(action="probe.answer_rated")
    assert told.count() == 24
    assert not any("failed" in str(entry.after) for entry in told)
    assert concluding.conclude_due() == 1
    probe.refresh_from_db()
    (row,) = probe.result["effects"]
    assert (row["original_rate"], row["changed_rate"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"title": " "}, "probe_title"),
        ({"prompts": []}, "bad_prompts"),
        ({"repeats": 0}, "bad_repeats"),
        ({"templates": ["nonsense"]}, "no_such_template"),
        ({"templates": ["tools_off"]}, "template_changes_nothing"),
        ({"graders": []}, "graders_missing"),
        ({"graders": [{"type": "nonsense"}]}, "grader_spec"),
        ({"graders": [HUMAN, {"type": "string_check"}]}, "grader_spec"),
        ({"graders": [HUMAN], "may_stop_early": True}, "rated_later"),
        ({"prompts": [PromptSpec(messages=[])]}, "case_input"),
        ({"prompts": [PromptSpec(messages=["hello"])]}, "case_input"),
        ({"caps": Caps(most_tokens=0)}, "bad_cap"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_design_is_refused_with_its_reason(fields: dict, code: str) -> None:
    cast = builders.cast()
    checkpoint = builders.checkpoint()
    with pytest.raises(DomainError) as refused:
        story.designed(cast.engineer, checkpoint, **fields)
    assert refused.value.code == code
    assert not Probe.objects.exists()


def test_who_may_design_and_who_may_not() -> None:
    cast = builders.cast()
    checkpoint = builders.checkpoint()
    probe = story.designed(cast.behaviour_reviewer, checkpoint)
    for outsider in (cast.auditor, cast.partner_manager):
        with pytest.raises(NotPermitted):
            review.review_pairs(actor=outsider, probe=probe, pair_ids=[], approve=True)
        with pytest.raises(NotPermitted):
            design.abandon_probe(actor=outsider, probe=probe, reason="Why not?")
    design.abandon_probe(actor=cast.engineer, probe=probe, reason="Another one is better.")
    with pytest.raises(InvalidMove):
        design.abandon_probe(actor=cast.engineer, probe=probe, reason="Twice.")


def test_a_second_worker_asks_nothing_again(weak: WeakUpstream) -> None:
    cast = builders.cast()
    probe = story.designed(cast.engineer, two(weak)[0], n_prompts=5, repeats=2)
    story.approve_all(cast.engineer, probe)
    running.start_probe(actor=cast.engineer, probe=probe)
    story.execute(probe)
    n_calls = weak.n_calls
    story.execute(probe)
    assert weak.n_calls == n_calls == Result.objects.count()
    run = probe.probe_runs.get().run
    assert run.state == RunState.COMPLETED.value


@pytest.mark.long
def test_a_run_stops_once_a_hypothesis_is_isolated(weak: WeakUpstream) -> None:
    """The look that stops it, after a part of the prompts, is the one that is reported."""
    cast = builders.cast()
    weak.rate = lambda body: float(story.long_context(body) > 0.5)
    probe = story.designed(
        cast.engineer,
        two(weak)[0],
        n_prompts=40,
        repeats=1,
        templates=["shorter_context", "answer_in_english"],
        may_stop_early=True,
    )
    story.approve_all(cast.engineer, probe)
    running.start_probe(actor=cast.engineer, probe=probe)
    run = probe.probe_runs.get().run
    assert probe_looks.look_at_probes() == 0
    # What a worker had stored when the look came: the first prompts of the run's order.
    order = [name for unit in run_orders.units_of(run) for name in unit]
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING.value, started_at=clock.now())
    cases = {case.case_id: case for case in run.version.cases.all()}
    for name in order[: 3 * 30]:
        state = ResultState.PASSED if "shorter" in name else ResultState.FAILED
        Result.objects.create(
            run=run, case=cases[name], repeat=0, state=state.value, output=b"",
            score=float(state is ResultState.PASSED), recorded_at=clock.now(),
        )  # fmt: skip
    assert probe_looks.look_at_probes() == 1
    assert probe_looks.look_at_probes() == 0
    stop = EarlyStop.objects.get(run=run)
    assert 5 <= stop.n_units < 30
    assert "of 40 prompts: long context" in stop.sentence
    story.execute(probe)
    assert weak.n_calls == 0
    assert concluding.conclude_due() == 1
    probe.refresh_from_db()
    rows = {row["hypothesis"]: row for row in probe.result["effects"]}
    assert rows["shorter_context"]["outcome"] == "isolated"
    assert rows["shorter_context"]["n_prompts"] == stop.n_units
    assert rows["shorter_context"]["is_running"]
    assert rows["answer_in_english"]["outcome"] == "not_shown"
    assert probe.verdict == ProbeVerdict.ISOLATED.value


def test_looks_are_taken_only_where_they_could_stop_anything(weak: WeakUpstream) -> None:
    cast = builders.cast()
    one = ["shorter_context"]
    few = story.designed(cast.engineer, two(weak)[0], n_prompts=16, templates=one)
    checkpoint = few.probe_runs.get().checkpoint
    many = story.designed(cast.engineer, checkpoint, n_prompts=60, templates=one)
    assert (few.may_stop_early, many.may_stop_early) == (False, True)
