"""The probes' pages: designed, reviewed, started and rated through them, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from evals.formats import yaml_text
from evals.models import Probe, ProbeRating
from evals.selectors import probes as reads
from evals.states import ProbeState
from tests import builders
from tests.console import probes
from tests.console.visits import signed_in
from tests.evals import builders as evals
from tests.evals.probes.story import finding_of

pytestmark = pytest.mark.django_db
HOSTILE = "<script>pwned</script>"


def world() -> Any:
    cast = builders.cast()
    checkpoint = evals.served("http://127.0.0.1:9/v1")
    return probes.build(cast, finding_of(cast.behaviour_reviewer, checkpoint), checkpoint, HOSTILE)


def address(probe: Probe, page: str = "console-probe") -> str:
    return reverse(page, args=[probe.pk])


def posted(client: Client, place: str, **data: Any) -> Any:
    return client.post(place, data, follow=True)


def test_a_probe_is_designed_reviewed_and_started_on_its_pages() -> None:
    made = world()
    engineer = signed_in("engineer")
    place = reverse("console-probes")
    data = {
        "do": "design",
        "finding": made.draft.finding_id,
        "title": "Is it the greeting?",
        "checkpoints": [made.draft.probe_runs.get().checkpoint_id],
        "prompts": "\n---\n".join(f"Hello.\n\nTell me of {n}." for n in range(5)),
        "templates": ["instruction_first"],
        "graders": "",
        "repeats": 2,
    }
    assert "no YAML" in posted(engineer, place, **{**data, "graders": "{["}).content.decode()
    page = posted(engineer, place, **data)
    probe = Probe.objects.get(title="Is it the greeting?")
    assert page.redirect_chain[-1][0] == address(probe)
    assert "5 prompts × 1 hypotheses × 1 checkpoints × 2 repeats" in page.content.decode()
    refused = posted(engineer, address(probe), do="start")
    assert refused.status_code == 409
    assert "5 pairs wait for a person" in refused.content.decode()
    pair = reads.pairs_of(probe)[0]
    posted(engineer, address(probe), do="review", decision="drop", pair=pair.pk)
    pair.refresh_from_db()
    assert pair.state == "dropped"
    changed = '{"messages": [{"role": "user", "content": "Mine."}]}'
    posted(engineer, address(probe), do="edit", pair=pair.pk, changed=changed)
    pair.refresh_from_db()
    assert (pair.state, pair.changed["messages"][0]["content"]) == ("approved", "Mine.")
    wrong = posted(engineer, address(probe), do="edit", pair=pair.pk, changed="[1]")
    assert wrong.status_code == 400
    posted(
        engineer, address(probe), do="review", decision="approve", hypothesis="instruction_first"
    )
    posted(engineer, address(probe), do="start")
    probe.refresh_from_db()
    assert probe.state == ProbeState.RUNNING.value
    assert posted(engineer, address(probe), do="conclude", reason="Now.").status_code == 409


def test_a_hypothesis_is_written_into_the_prompts() -> None:
    made = world()
    engineer, place = signed_in("engineer"), address(made.draft)
    prompts = {p.number: p.asked["messages"] for p in made.draft.prompts.order_by("number")}
    shown = engineer.get(place).content.decode()
    assert "Write a hypothesis of your own" in shown and HOSTILE not in shown
    data = {"do": "write", "component": "Polite words", "sentence": "It asks bluntly."}
    for given, told in (
        (prompts, "Every prompt is as it was"),
        ({99: [{"role": "user", "content": "x"}]}, "prompts 1 to 6"),
        ({1: "blunt"}, "changed"),
        ([1], "keep the numbers"),
    ):
        refused = posted(engineer, place, **data, changed=yaml_text.dump(given))
        assert refused.status_code == 400 and told in refused.content.decode()
    blunt = {n: [{"role": "user", "content": f"Blunt {n}."}] for n in list(prompts)[:5]}
    page = posted(engineer, place, **data, changed=yaml_text.dump({**prompts, **blunt}))
    assert "Polite words: 5 pairs wait for a person." in page.content.decode()
    written = made.draft.hypotheses.get(name="polite_words")
    assert written.source == "written" and written.pairs.count() == 5
    assert {pair.state for pair in written.pairs.all()} == {"proposed"}
    auditor = signed_in("auditor")
    assert "Write a hypothesis" not in auditor.get(place).content.decode()
    assert posted(auditor, place, **data, changed=yaml_text.dump(blunt)).status_code == 403


def test_lists_of_runs_and_suites_show_probes_where_asked_for() -> None:
    made = world()
    engineer, run = signed_in("engineer"), made.rated.probe_runs.get().run
    for name, shown in (("console-runs", str(run.pk)), ("console-suites", run.version.suite.name)):
        assert shown not in engineer.get(reverse(name)).content.decode()
        assert shown in engineer.get(reverse(name), {"probes": "1"}).content.decode()
    for path, n in (("/api/runs/", 2), ("/api/suites/", 2)):
        assert engineer.get(path).json()["count"] == 0
        assert engineer.get(path, {"probes": "true"}).json()["count"] == n


def test_a_concluded_probe_shows_its_sentences_table_and_forest() -> None:
    made = world()
    text = signed_in("auditor").get(address(made.concluded)).content.decode()
    assert "Isolated: long context." in text
    assert text.count("sw-plot-dot") == 2
    assert HOSTILE not in text
    # Prompts may be a partner's words: an auditor sees numbers alone.
    assert "Question 1?" not in text


def test_people_rate_blind_on_their_page() -> None:
    made = world()
    reviewer = signed_in("behaviour_reviewer")
    place = address(made.rated, "console-probe-rate")
    for n in range(1, 4):
        text = reviewer.get(place).content.decode()
        body = text[text.index('id="label-choices"') :]
        for word in ("chat-nano-1", "shorter", "original", "p000"):
            assert word not in body
        answer = reads.next_answer(made.rated, builders.cast().behaviour_reviewer.person_id)
        assert str(answer.pk) in body
        posted(reviewer, place, do="rate", answer=answer.pk, choice="fails")
        assert ProbeRating.objects.filter(failed=True).count() == n
    again = posted(reviewer, place, do="rate", answer=answer.pk, choice="is fine")
    assert again.status_code == 409
    for outsider in ("auditor", "partner_manager"):
        page = signed_in(outsider)
        assert "You may not rate" in page.get(place).content.decode()
        refused = posted(page, place, do="rate", answer=answer.pk, choice="fails")
        assert refused.status_code == 403


def test_an_outsider_changes_nothing_and_pages_say_so() -> None:
    made = world()
    auditor = signed_in("auditor")
    before = set(reads.pairs_of(made.draft).values_list("state", flat=True))
    for data in (
        {"do": "start"},
        {"do": "review", "decision": "approve", "hypothesis": "shorter_context"},
        {"do": "abandon", "reason": "No."},
    ):
        assert posted(auditor, address(made.draft), **data).status_code == 403
    assert set(reads.pairs_of(made.draft).values_list("state", flat=True)) == before
    assert auditor.get("/console/probes/00000000-0000-4000-8000-000000000000/").status_code == 404
    listed = auditor.get(reverse("console-probes"), {"finding": "garbage"})
    assert listed.status_code == 200


def test_an_empty_list_teaches() -> None:
    builders.cast()
    text = signed_in("engineer").get(reverse("console-probes")).content.decode()
    assert "A complaint is vague until it is probed." in text
    assert "A probe needs a finding" in text
