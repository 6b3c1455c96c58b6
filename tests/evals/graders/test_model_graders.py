"""`score_model` and `label_model` against a model over HTTP: strict, counted, never a zero."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from evals import graders
from evals.graders.contract import (
    Grade,
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Sample,
)
from evals.runner.grader_services import GraderServices, Used
from evals.selectors.model_endpoints import ModelEndpoint, Prices
from evals.states import ResultState
from tests.evals import builders
from tests.evals.upstream import Reply, Upstream, completion, failure

CASE = GradedCase(case_id="one", target="Paris", components=("tone",), metadata={"topic": "travel"})
SAMPLE = Sample(output_text="It is Paris.")
ASK = [
    {"role": "developer", "content": "Grade the answer."},
    {"role": "user", "content": "{{item.target}} | {{sample.output_text}}", "type": "message"},
]
SCORE: dict[str, Any] = {"type": "score_model", "name": "s", "model": "judge", "input": ASK}
LABEL: dict[str, Any] = {
    "type": "label_model",
    "name": "l",
    "model": "judge",
    "input": ASK,
    "labels": ["good", "fair", "bad"],
    "passing_labels": ["good", "fair"],
}
TWO = [{"role": "user", "content": "A: {{pair.first}} B: {{ pair.second }}"}]
TEXTS = {"candidate": "{{sample.output_text}}", "other": "{{item.target}}"}
SCORE_PAIR = {**SCORE, "input": TWO, "pair": TEXTS, "range": [-1, 1], "position_swap": True}
LABEL_PAIR: dict[str, Any] = {
    "type": "label_model",
    "model": "judge",
    "input": TWO,
    "labels": ["A", "B", "same"],
    "pair": {**TEXTS, "first": "A", "second": "B"},
    "position_swap": True,
}
A_FIRST, B_FIRST = "A: It is Paris. B: Paris", "A: Paris B: It is Paris."


def reply(result: Any, *conclusions: str) -> str:
    """The reply that is asked for."""
    steps = [{"description": "look", "conclusion": said} for said in conclusions]
    return json.dumps({"steps": steps, "result": result})


async def ask(
    spec: Mapping[str, Any],
    upstream: Upstream,
    sample: Sample = SAMPLE,
    case: GradedCase = CASE,
    **endpoint: Any,
) -> tuple[Grade | GraderError, Used]:
    """What the grader says, and what it used."""
    graders.check_spec(spec)
    graders.check_case(spec, case)
    place = ModelEndpoint(
        name="judge",
        base_url=upstream.base_url,
        upstream_model="judge-1",
        prices=Prices(input=1_000_000, cached_input=0, output=2_000_000),
        **endpoint,
    )
    shared = GraderServices({"judge": place})
    services = shared.for_sample()
    try:
        return await graders.grade_one_async(spec, case, sample, services), services.used
    except GraderError as error:
        return error, services.used
    finally:
        await shared.close()


def said(upstream: Upstream, text: str) -> None:
    """The model answers everything with this text."""
    upstream.rules.append(lambda _, n: completion(text))


NUMBERS: list[tuple[str, Mapping[str, Any], str, float, ResultState]] = [
    ("as asked", SCORE, reply(0.25, "short", "clear"), 0.25, ResultState.FAILED),
    ("the top", SCORE, reply(1), 1.0, ResultState.PASSED),
    ("a bare number", SCORE, " 0.5 ", 0.5, ResultState.FAILED),
    ("above the range", SCORE, reply(7), 1.0, ResultState.PASSED),
    ("below the range", SCORE, reply(-7), 0.0, ResultState.FAILED),
    ("mapped", {**SCORE, "range": [1, 5]}, reply(4), 0.75, ResultState.FAILED),
    ("threshold", {**SCORE, "range": [1, 5], "pass_threshold": 4}, reply(4), 0.75, ResultState.PASSED),  # noqa: E501
    ("just below it", {**SCORE, "range": [1, 5], "pass_threshold": 4}, reply(3.9), 0.725, ResultState.FAILED),  # noqa: E501
    ("negative range", {**SCORE, "range": [-1, 1]}, reply(0), 0.5, ResultState.FAILED),
    ("more than asked", SCORE, '{"result": 1, "steps": [], "mood": "good"}', 1.0, ResultState.PASSED),  # noqa: E501
    ("without steps", SCORE, '{"result": 0.5}', 0.5, ResultState.FAILED),
    ("odd steps", SCORE, '{"result": 0.5, "steps": [1, {"conclusion": 2}]}', 0.5, ResultState.FAILED),  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize(("name", "spec", "text", "score", "state"), NUMBERS)
def test_a_number_is_clipped_and_mapped(
    name: str, spec: Mapping[str, Any], text: str, score: float, state: ResultState,
    upstream: Upstream,
) -> None:  # fmt: skip
    said(upstream, text)
    grade, _ = asyncio.run(ask(spec, upstream))
    assert isinstance(grade, Grade), name
    assert (grade.state, grade.score) == (state, pytest.approx(score))
    assert grade.components["tone"].score == grade.score


LABELS: list[tuple[str, str, float]] = [
    ("passing", reply("good"), 1.0),
    ("passing too", reply("fair", "so-so"), 1.0),
    ("failing", reply("bad"), 0.0),
    ("bare", "good", 1.0),
    ("bare in quotes", '"bad"', 0.0),
    ("bare with a line", "\n fair\n", 1.0),
]


@pytest.mark.parametrize(("name", "text", "score"), LABELS)
def test_a_label_passes_or_fails(name: str, text: str, score: float, upstream: Upstream) -> None:
    said(upstream, text)
    grade, _ = asyncio.run(ask(LABEL, upstream))
    assert isinstance(grade, Grade), name
    assert grade.score == score
    assert grade.state is (ResultState.PASSED if score else ResultState.FAILED)


PARSE, REFUSAL, SERVER = (
    GraderErrorKind.MODEL_PARSE,
    GraderErrorKind.MODEL_REFUSAL,
    GraderErrorKind.MODEL_SERVER,
)
BROKEN: list[tuple[str, Mapping[str, Any], Reply, GraderErrorKind, str]] = [
    ("no number", SCORE, completion("I'd say 7 of 10"), PARSE, "I'd say 7"),
    ("number in a text", SCORE, completion(reply("0.7")), PARSE, "is not a number"),
    ("a truth value", SCORE, completion(reply(True)), PARSE, "true"),
    ("null", SCORE, completion(reply(None)), PARSE, "null"),
    ("NaN", SCORE, completion('{"result": NaN}'), PARSE, "NaN"),
    ("a list", SCORE, completion("[1]"), PARSE, "is not a number"),
    ("empty", SCORE, completion(""), PARSE, "is not a number"),
    ("no result", SCORE, completion('{"score": 1}'), PARSE, "has no `result`"),
    ("cut off", SCORE, completion('{"steps": [', finish_reason="length"), PARSE, "max_completions_tokens"),  # noqa: E501
    ("deep", SCORE, completion("[" * 100_000), PARSE, "is not a number"),
    ("unknown label", LABEL, completion(reply("great")), PARSE, "one of good, fair, bad"),
    ("label in a sentence", LABEL, completion("It is good."), PARSE, "It is good."),
    ("other case", LABEL, completion(reply("Good")), PARSE, "one of good"),
    ("a number for a label", LABEL, completion(reply(1)), PARSE, "one of good"),
    ("refusal", SCORE, completion(None, refusal="I can't judge that."), REFUSAL, "I can't judge"),
    ("filtered", LABEL, completion("", finish_reason="content_filter"), REFUSAL, "content_filter"),
    ("refused call", SCORE, failure(400), SERVER, "answered 400"),
    ("no key", LABEL, failure(401), SERVER, "answered 401"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spec", "answer", "kind", "shown"), BROKEN)
def test_what_is_no_verdict_is_errored_and_never_a_zero(
    name: str, spec: Mapping[str, Any], answer: Reply, kind: GraderErrorKind, shown: str,
    upstream: Upstream,
) -> None:  # fmt: skip
    upstream.rules.append(lambda _, n: answer)
    error, used = asyncio.run(ask(spec, upstream))
    assert isinstance(error, GraderError), f"{name} gave {error}"
    assert error.kind is kind
    assert shown in error.message
    assert "judge" in error.message
    assert used.n_calls == 1


def test_the_request_is_the_one_that_openai_describes(upstream: Upstream) -> None:
    said(upstream, reply(1))
    sampling = {"max_completions_tokens": 50, "seed": 3, "temperature": 0, "top_p": None}
    grade, used = asyncio.run(ask({**SCORE, "sampling_params": sampling}, upstream))
    (body,) = upstream.bodies
    assert body["messages"] == [
        {"role": "developer", "content": "Grade the answer."},
        {"role": "user", "content": "Paris | It is Paris."},
    ]
    assert (body["model"], body["max_completion_tokens"], body["seed"]) == ("judge-1", 50, 3)
    assert "top_p" not in body
    schema = body["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["steps", "result"]
    assert (used.n_calls, used.tokens_in, used.tokens_out, used.cost_micros) == (1, 20, 4, 28)


def test_an_endpoint_without_structured_replies_is_asked_plainly(upstream: Upstream) -> None:
    said(upstream, "0.5")
    grade, _ = asyncio.run(ask(SCORE, upstream, structured=False))
    assert isinstance(grade, Grade)
    assert "response_format" not in upstream.bodies[0]


def test_an_answer_can_bring_no_template_along(upstream: Upstream) -> None:
    said(upstream, reply(0))
    sly = Sample(output_text="{{item.target}} {{pair.second}} {{sample.output_text}}")
    asyncio.run(ask({**SCORE_PAIR, "position_swap": False}, upstream, sly))
    asked = upstream.bodies[0]["messages"][0]["content"]
    assert asked == f"A: {sly.output_text} B: Paris"


EDGES = ["", "😀 é \u202e", "x" * 1_000_000, "I'm sorry, I can't.", '{"city": "Par']


@pytest.mark.parametrize("output", EDGES, ids=["empty", "unicode", "huge", "refusal", "truncated"])
def test_every_output_reaches_the_model_whole(output: str, upstream: Upstream) -> None:
    said(upstream, reply("good"))
    grade, _ = asyncio.run(ask(LABEL, upstream, Sample(output_text=output)))
    assert isinstance(grade, Grade)
    assert upstream.bodies[0]["messages"][1]["content"] == f"Paris | {output}"


def test_parts_of_a_message_are_filled_one_by_one(upstream: Upstream) -> None:
    said(upstream, reply(1))
    parts = [
        {"type": "input_text", "text": "{{item.target}}"},
        {"type": "input_text", "text": "b"},
    ]
    message = [{"role": "user", "content": parts}, {"role": "user", "content": parts[0]}]
    asyncio.run(ask({**SCORE, "input": message}, upstream))
    assert [sent["content"] for sent in upstream.bodies[0]["messages"]] == [
        [{"type": "text", "text": "Paris"}, {"type": "text", "text": "b"}],
        "Paris",
    ]


def test_a_variable_that_names_nothing_is_errored_before_any_call(upstream: Upstream) -> None:
    spec = {**SCORE, "input": [{"role": "user", "content": "{{item.nonesuch}}"}]}
    error, used = asyncio.run(ask(spec, upstream))
    assert isinstance(error, GraderError)
    assert (error.kind, used.n_calls) == (GraderErrorKind.INVALID_VARIABLE, 0)


PAIRS: list[tuple[str, Mapping[str, Any], Any, Any, float]] = [
    ("wins in both orders", LABEL_PAIR, "A", "B", 1.0),
    ("loses in both orders", LABEL_PAIR, "B", "A", 0.0),
    ("the first always wins", LABEL_PAIR, "A", "A", 0.5),
    ("the second always wins", LABEL_PAIR, "B", "B", 0.5),
    ("a tie both times", LABEL_PAIR, "same", "same", 0.5),
    ("once a tie", LABEL_PAIR, "A", "same", 0.5),
    ("scores agree", SCORE_PAIR, 1, -0.5, 0.875),
    ("scores agree on the other", SCORE_PAIR, -1, 1, 0.0),
    ("scores favour the first place", SCORE_PAIR, 1, 1, 0.5),
    ("once the middle", SCORE_PAIR, 1, 0, 0.5),
    ("clipped before they agree", SCORE_PAIR, 99, -99, 1.0),
]


@pytest.mark.parametrize(("name", "spec", "straight", "swapped", "score"), PAIRS)
def test_a_pair_is_asked_in_both_orders_and_disagreement_is_a_tie(
    name: str, spec: Mapping[str, Any], straight: Any, swapped: Any, score: float,
    upstream: Upstream,
) -> None:  # fmt: skip
    answers = {A_FIRST: straight, B_FIRST: swapped}
    upstream.rules.append(lambda text, n: completion(reply(answers[text])))
    grade, used = asyncio.run(ask(spec, upstream))
    assert isinstance(grade, Grade), name
    assert grade.score == pytest.approx(score)
    assert ("tie" in grade.explanation) == (score == 0.5)
    assert (used.n_calls, used.cost_micros) == (2, 56)


def test_a_pair_without_swap_is_asked_once(upstream: Upstream) -> None:
    said(upstream, reply("A"))
    grade, used = asyncio.run(ask({**LABEL_PAIR, "position_swap": False}, upstream))
    assert isinstance(grade, Grade)
    assert (grade.score, used.n_calls) == (1.0, 1)


BAD: list[tuple[str, Mapping[str, Any], str]] = [
    ("no model", {**SCORE, "model": ""}, "model"),
    ("no messages", {**SCORE, "input": []}, "input"),
    ("an image", {**SCORE, "input": [{"role": "user", "content": {"type": "input_image", "image_url": "x"}}]}, "input"),  # noqa: E501
    ("a role", {**SCORE, "input": [{"role": "tool", "content": "x"}]}, "role"),
    ("range upside down", {**SCORE, "range": [1, 0]}, "range"),
    ("range of a point", {**SCORE, "range": [1, 1]}, "range"),
    ("threshold outside", {**SCORE, "pass_threshold": 3}, "pass_threshold"),
    ("unknown sampling", {**SCORE, "sampling_params": {"top_k": 1}}, "top_k"),
    ("swap of nothing", {**SCORE, "position_swap": True}, "position_swap"),
    ("pair without places", {**SCORE_PAIR, "input": ASK}, "pair.first"),
    ("places without pair", {**SCORE, "input": TWO}, "pair"),
    ("one label", {**LABEL, "labels": ["good"]}, "labels"),
    ("passing is no label", {**LABEL, "passing_labels": ["great"]}, "great"),
    ("no passing", {key: LABEL[key] for key in LABEL if key != "passing_labels"}, "passing_labels"),
    ("both", {**LABEL_PAIR, "passing_labels": ["A"]}, "passing_labels"),
    ("winner is no label", {**LABEL_PAIR, "pair": {**LABEL_PAIR["pair"], "first": "X"}}, "X"),
    ("one label wins always", {**LABEL_PAIR, "pair": {**LABEL_PAIR["pair"], "first": "B"}}, "pair"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spec", "shown"), BAD)
def test_bad_settings_of_a_judge_are_refused(
    name: str, spec: Mapping[str, Any], shown: str
) -> None:
    with pytest.raises(GraderSpecError, match=shown):
        graders.check_spec(spec)
        graders.check_case(spec, CASE)


@pytest.mark.django_db
def test_a_judged_run_counts_what_judging_cost(upstream: Upstream, settings: Any) -> None:
    with Upstream() as judge:
        judge.rules.append(lambda text, n: failure(503) if "word-3" in text and n == 1 else None)
        judge.rules.append(
            lambda text, n: completion("no idea" if "word-5" in text else reply("good"))
        )
        settings.JUDGE_ENDPOINTS = {"judge": {"base_url": judge.base_url, "model": "judge-1"}}
        version = builders.published(12, graders=[LABEL])
        run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    assert run.state == "completed"
    assert run.results.filter(state="passed", n_grader_calls__gte=1).count() == 11
    errored = run.results.get(state="errored")
    assert (errored.case.case_id, errored.score) == ("c00005", None)
    assert errored.error_code == "model_grader_parse_error"
    assert (errored.n_grader_calls, errored.grader_cost_micros) == (1, None)
    assert judge.n_calls == 13
