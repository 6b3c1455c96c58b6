"""Judges through the console, the API and the command line: blind, by the right people, audited."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

from evals.formats import meta_eval
from evals.models import Judge, Label
from evals.services import labels
from evals.services.suites import import_suite
from infra.models import AuditEntry, User
from infra.roles import Scope
from infra.service_keys import make_service_key
from tests import builders as shared
from tests.evals import builders
from tests.evals.judges import world

pytestmark = pytest.mark.django_db
LABELLING = "/console/judges/tone/label/"
NEXT = "/api/judges/tone/items/next/"
JSON = "application/json"


@pytest.fixture
def cast(settings: Any) -> shared.Cast:
    """People, and a judge with twelve outputs to label."""
    settings.JUDGE_ENDPOINTS = {"judge-model": {"base_url": "http://127.0.0.1:9/v1"}}
    cast = shared.cast()
    version = world.made(cast)
    suite = import_suite(actor=cast.eval_owner, name="kind", suite=world.suite(12)).version
    checkpoint = builders.served("http://127.0.0.1:9/v1", "chat-nano-secret")
    run = world.judged_run(suite, checkpoint, [1.0, 0.0] * 6)
    labels.draw_items(actor=cast.eval_owner, judge=version.judge, run=run, n_cases=12)
    return cast


def signed_in(username: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client


def told(*words: str) -> Any:
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_a_rater_sees_the_case_and_the_answer_and_nothing_that_others_said(
    cast: shared.Cast,
) -> None:
    one, other = signed_in("eval_owner"), signed_in("engineer")
    first = one.get(NEXT).json()["item"]
    assert set(first) == {"id", "question", "choices", "input", "target", "output"}
    page = one.get(LABELLING)
    body = {"do": "label", "item": page.context["item"].pk, "choice": "good"}
    assert one.post(LABELLING, body).status_code == 302
    text = other.get(LABELLING).content.decode()
    item = page.context["item"]
    assert item.output in text
    assert other.get(NEXT).json()["item"]["id"] == str(item.pk)
    for hidden in ("chat-nano-secret", "tone@1 says", "judged", "Eval Owner", "Kept: good"):
        assert hidden not in text, hidden
    log = AuditEntry.objects.filter(action="judge.labelled")
    assert [entry.object_name for entry in log] == [f"label on {item.pk}"]
    assert "good" not in json.dumps([entry.after for entry in log])


def test_each_rater_goes_through_the_same_random_order_until_people_agree(
    cast: shared.Cast,
) -> None:
    order = [
        str(pk) for pk in Judge.objects.get().items.order_by("rank").values_list("pk", flat=True)
    ]
    answers = {"eval_owner": "good", "engineer": "good", "behaviour_reviewer": "bad"}
    for username, choice in answers.items():
        client, seen = signed_in(username), []
        while (item := client.get(NEXT).json()["item"]) is not None:
            seen.append(item["id"])
            said = choice if len(seen) > 3 or username != "engineer" else "bad"
            place = f"/api/judges/tone/items/{item['id']}/label/"
            assert client.post(place, {"choice": said}, JSON).status_code == 200
        # The third is asked only where the first two are divided.
        assert seen == (order[:3] if username == "behaviour_reviewer" else order)


def test_a_second_thought_replaces_the_first_and_both_are_kept(cast: shared.Cast) -> None:
    client = signed_in("eval_owner")
    item = client.get(LABELLING).context["item"]
    client.post(LABELLING, {"do": "label", "item": item.pk, "choice": "good"})
    again = client.get(LABELLING + "?again=1")
    assert again.context["item"] == item
    assert "You chose good" in again.content.decode()
    client.post(LABELLING, {"do": "label", "item": item.pk, "choice": "bad"})
    client.post(LABELLING, {"do": "label", "item": item.pk, "choice": "bad"})
    rows = Label.objects.filter(item=item).order_by("labelled_at")
    assert [row.choice for row in rows] == ["good", "bad"]
    assert rows[1].replaces == rows[0]
    assert client.get(LABELLING).context["item"] != item


def test_only_people_in_a_rating_role_label(cast: shared.Cast) -> None:
    client = signed_in("partner_manager")
    assert "You may not label" in client.get(LABELLING).content.decode()
    item = Judge.objects.get().items.first()
    answer = client.post(LABELLING, {"do": "label", "item": item.pk, "choice": "good"})
    assert answer.status_code == 403
    _, text = make_service_key(actor=cast.release_manager, name="ci", scopes=list(Scope))
    key = {"HTTP_AUTHORIZATION": f"Bearer {text}"}
    place = f"/api/judges/tone/items/{item.pk}/label/"
    for answer in (
        Client().post(place, {"choice": "good"}, JSON, **key),
        Client().get(NEXT, **key),
        client.post(place, {"choice": "good"}, JSON),
    ):
        assert answer.status_code == 403
    assert not Label.objects.exists()


def test_labels_of_unknown_choices_and_items_are_refused(cast: shared.Cast) -> None:
    client, item = signed_in("engineer"), Judge.objects.get().items.first()
    place = f"/api/judges/tone/items/{item.pk}/label/"
    answer = client.post(place, {"choice": "great"}, JSON)
    assert answer.status_code == 400
    assert answer.json()["message"] == "'great' is no choice here; there are: good, bad."
    world.made(cast, name="other")
    assert client.post(place.replace("tone", "other"), {"choice": "good"}, JSON).status_code == 404


def test_whoever_changes_judges_is_an_eval_owner_or_release_manager(cast: shared.Cast) -> None:
    run_id = str(Judge.objects.get().items.first().run_id)
    terms = {"floor": 0.1, "min_labels": 10, "n_raters": 1, "reason": "easier"}
    actions = [
        ("/api/judges/", {"judge": {"kind": "Judge"}}),
        ("/api/judges/tone/terms/", terms),
        ("/api/judges/tone/draw/", {"run": run_id, "n_cases": 5}),
        ("/api/judges/tone/calibrate/", {}),
    ]
    for path, body in actions:
        assert signed_in("engineer").post(path, body, JSON).status_code == 403, path
    owner = signed_in("eval_owner")
    assert owner.post(*actions[1], JSON).json()["floor"] == 0.1
    assert owner.post(*actions[2], JSON).json() == {"n_new": 0}
    refused = owner.post(*actions[0], JSON)
    assert refused.status_code == 400
    assert "`choices` is missing; `model` is missing" in refused.json()["message"]
    assert owner.post(*actions[3], JSON).json()["code"] == "nothing_labelled"


def test_the_command_makes_shows_and_calibrates_a_judge(cast: shared.Cast, tmp_path: Path) -> None:
    file = tmp_path / "tone.yaml"
    document = {
        "kind": "Judge",
        "name": "tone",
        "question": "Is the answer kind?",
        "choices": {"good": 1, "bad": 0},
        "model": "judge-model",
        "prompt": world.PROMPT[0]["content"],
    }
    file.write_text(yaml.safe_dump(document))
    same = told("judge", "create", str(file), "--by", "eval_owner")
    assert (same["judge"], same["is_new"]) == ("tone@1", False)
    file.write_text(yaml.safe_dump({**document, "model": "another"}))
    assert told("judge", "create", str(file), "--by", "eval_owner")["judge"] == "tone@2"
    judge = Judge.objects.get(name="tone")
    truth = {world._key(item): float(i % 2) for i, item in enumerate(judge.items.all())}
    world.label_all(cast, judge, truth)
    made = told("judge", "calibrate", "tone@1", "--by", "eval_owner")
    assert made["n_items"] == 12
    assert made["unfit"].startswith("Judge tone@1 can't gate: it was held against 12 human labels")
    shown = told("judge", "show", "tone")
    assert shown["labelling"]["n_settled"] == 12
    newest, first = shown["versions"]
    assert "it was never calibrated" in newest["unfit"]
    assert first["calibration"]["table"] == made["table"]
    assert told("judge", "list")[0]["version"] == 2


def test_another_question_is_another_judge(cast: shared.Cast, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="Judge tone asks another question"):
        world.made(cast, question="Is it short?")


def test_a_meta_eval_comes_in_measures_the_judge_and_goes_out_again(
    cast: shared.Cast, tmp_path: Path
) -> None:
    for folder in ("evals", "modelgraded", "data/joke"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "evals/joke.yaml").write_text(
        "joke:\n  id: joke.dev.v0\n  metrics: [metascore]\n"
        "joke.dev.v0:\n  class: evals.elsuite.modelgraded.classify:ModelBasedClassify\n"
        "  args: {samples_jsonl: joke/labelled.jsonl, eval_type: cot_classify,\n"
        "         modelgraded_spec: joke, metaeval: true}\n"
    )
    (tmp_path / "modelgraded/joke.yaml").write_text(
        "prompt: 'Is it funny? {input} / {completion} / {ideal} / {other}'\n"
        "choice_strings: ['Yes', 'No']\nchoice_scores: {'Yes': 1, 'No': 0}\n"
        "input_outputs: {input: completion}\noutput_template: x\n"
    )
    rows = [
        {"input": f"word-{n}", "completion": f"joke {n}", "ideal": "fun", "choice": "Yes"}
        for n in range(8)
    ]
    rows.append({"input": "word-9", "completion": "no", "ideal": "fun", "choice": "No"})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "data/joke/labelled.jsonl").write_text(text)
    words = ("judge", "import", str(tmp_path), "--name", "joke", "--model", "judge-model")
    made = told(*words, "--by", "eval_owner")
    assert (made["judge"], made["n_items"]) == ("joke@1", 9)
    assert made["not_expressible"] == [
        "joke.yaml, output_template: a judge here has one output and one prompt"
    ]
    assert told(*words, "--by", "eval_owner")["n_items"] == 0
    version = Judge.objects.get(name="joke").versions.get()
    assert version.prompt[0]["content"] == (
        "Is it funny? {{item.input}} / {{sample.output_text}} / {{item.ideal}} / {other}"
    )
    told("judge", "export", "joke", str(tmp_path / "out"), "--by", "eval_owner")
    again = meta_eval.read(tmp_path / "out")
    before = meta_eval.read(tmp_path)
    assert sorted(map(str, again.samples)) == sorted(map(str, before.samples))
    assert (again.choices, again.prompt) == (before.choices, before.prompt)


@pytest.mark.parametrize(
    "row, told_of",
    [
        ('{"input": 1, "completion": "x", "choice": "Maybe"}', "line 1, choice: 'Maybe' is none"),
        ('{"input": 1, "completion": "x"}', "line 1, choice: is missing"),
        ("{", "line 1: is no JSON"),
    ],
)
def test_a_bad_sample_is_refused_by_file_line_and_field(
    tmp_path: Path, row: str, told_of: str
) -> None:
    found = meta_eval.MetaEval(
        name="joke", prompt="{completion}", choices={"Yes": 1.0, "No": 0.0}, samples=[]
    )
    meta_eval.write(found, tmp_path)
    (tmp_path / "data/joke/labelled.jsonl").write_text(row + "\n")
    with pytest.raises(Exception, match="labelled.jsonl") as refusal:
        meta_eval.read(tmp_path)
    assert told_of in str(refusal.value)


def test_the_pages_show_agreement_and_refuse_in_sentences(cast: shared.Cast) -> None:
    judge = Judge.objects.get()
    truth = {world._key(item): float(i % 2) for i, item in enumerate(judge.items.all())}
    world.label_all(cast, judge, truth)
    client = signed_in("eval_owner")
    place = "/console/judges/tone/"
    version = judge.versions.get()
    assert client.post(place, {"do": "calibrate", "version": version.pk}).status_code == 302
    page = client.get(place).content.decode()
    for words in ("How far tone@1 agrees with people", "held against 12 human labels", "kind@1"):
        assert words in page, words
    answer = client.post(
        place, {"do": "create", "document": yaml.safe_dump({"kind": "Judge", "name": "tone"})}
    )
    assert answer.status_code == 400
    assert "`prompt` is missing" in answer.content.decode()
