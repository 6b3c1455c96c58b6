"""Probes over HTTP and from the command line: shapes, and the same refusals."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from evals.models import Probe
from evals.probes.changes import TEMPLATES
from evals.services.probes import concluding
from evals.services.probes.specs import HUMAN
from infra.roles import Scope
from tests import builders, clients
from tests.evals import builders as evals
from tests.evals.probes import story
from tests.evals.probes.story import WeakUpstream

pytestmark = pytest.mark.django_db


def document(**fields: Any) -> dict[str, Any]:
    """A probe of one hypothesis on five prompts, of a finding of its own."""
    cast = builders.cast()
    with_checkpoint = fields.pop("checkpoint", None) or builders.checkpoint()
    finding = story.finding_of(cast.behaviour_reviewer, with_checkpoint)
    prompts = [story.prompt(number) for number in range(5)]
    whole = {
        "finding": str(finding.pk),
        "title": "What makes long chats weird?",
        "checkpoints": [with_checkpoint.name],
        "prompts": [{"messages": p.messages, "target": p.target} for p in prompts],
        "templates": ["shorter_context"],
        "graders": [{"type": "string_check", "operation": "eq"}],
        "repeats": 4,
    }
    return {**whole, **fields}


def posted(client: Any, path: str, **body: Any) -> tuple[int, Any]:
    reply = client.post(f"/api/probes/{path}", body, format="json")
    return reply.status_code, reply.json()


def test_a_probe_is_designed_reviewed_started_and_concluded() -> None:
    with WeakUpstream() as weak:
        checkpoint = evals.served(weak.base_url)
        body = document(checkpoint=checkpoint)
        engineer = clients.signed_in("engineer")
        status, made = posted(engineer, "", probe=body)
        assert status == 201
        assert made["state"] == "draft" and made["n_unreviewed"] == 5
        assert "5 prompts × 1 hypotheses × 1 checkpoints × 4 repeats: 40 answers" in made["design"]
        probe = made["id"]
        status, refused = posted(engineer, f"{probe}/start/")
        assert (status, refused["code"]) == (409, "probe_not_ready")
        pairs = engineer.get(f"/api/probes/{probe}/pairs/").json()["results"]
        assert pairs[0]["original"]["messages"][:2] != pairs[0]["changed"]["messages"][:2]
        ids = [pair["id"] for pair in pairs]
        status, told = posted(engineer, f"{probe}/review/", pairs=ids, approve=True)
        assert (status, told) == (200, {"n_reviewed": 5, "n_unreviewed": 0})
        assert posted(engineer, f"{probe}/start/")[0] == 200
        assert posted(engineer, f"{probe}/start/")[1]["code"] == "probe_began"
        assert posted(engineer, f"{probe}/conclude/", reason="Now.")[1]["code"] == "runs_going_on"
        story.execute(Probe.objects.get())
        status, done = posted(engineer, f"{probe}/conclude/", reason="It is over.")
    assert (status, done["verdict"]) == (200, "isolated")
    assert [row["component"] for row in done["result"]["effects"]] == ["long context"]
    listed = engineer.get("/api/probes/", {"finding": body["finding"]}).json()["results"]
    assert [row["id"] for row in listed] == [probe]


def test_a_pair_is_edited_and_a_hypothesis_written() -> None:
    engineer = clients.signed_in("engineer") if builders.cast() else None
    _, made = posted(engineer, "", probe=document())
    pairs = engineer.get(f"/api/probes/{made['id']}/pairs/").json()["results"]
    words = [{"role": "user", "content": "Other words."}]
    path = f"{made['id']}/pairs/{pairs[0]['id']}/edit/"
    status, edited = posted(engineer, path, changed={"messages": words})
    assert (status, edited["state"], edited["was_edited"]) == (200, "approved", True)
    assert edited["changed"]["messages"] == words
    changed = {str(number): words for number in range(1, 6)}
    body = {"component": "Polite words", "sentence": "It asks bluntly.", "changed": changed}
    status, added = posted(engineer, f"{made['id']}/hypotheses/", **body)
    assert (status, added["name"], added["source"]) == (201, "polite_words", "written")
    assert posted(engineer, f"{made['id']}/hypotheses/", **body)[1]["code"] == "hypothesis_known"
    body["changed"] = {"one": words}
    assert posted(engineer, f"{made['id']}/hypotheses/", **body)[0] == 400


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"finding": "nonsense"}, "finding"),
        ({"finding": "00000000-0000-4000-8000-000000000000"}, "No finding"),
        ({"checkpoints": ["nobody"]}, "nobody"),
        ({"checkpoints": "chat"}, "checkpoints"),
        ({"nonsense": 1}, "nonsense"),
        ({"prompts": [{"messages": []}]}, "messages"),
        ({"repeats": "many"}, "repeats"),
        ({"prompts": [], "from_remarks": True}, "prompts: 0 given"),
    ],
    ids=["no-id", "unknown", "checkpoint", "text", "field", "messages", "repeats", "no-remarks"],
)
def test_a_bad_document_names_what_is_wrong(fields: dict[str, Any], told: str) -> None:
    body = document(**fields)
    status, refused = posted(clients.signed_in("engineer"), "", probe=body)
    assert status in (400, 404)
    assert told in refused["message"]


def test_outsiders_and_keys_may_neither_design_nor_read_pairs() -> None:
    body = document()
    engineer = clients.signed_in("engineer")
    _, made = posted(engineer, "", probe=body)
    key = clients.with_key(builders.cast().release_manager, Scope.RUN, Scope.SUITES)
    for client in (clients.signed_in("auditor"), key):
        assert posted(client, "", probe=body)[0] == 403
        assert client.get(f"/api/probes/{made['id']}/pairs/").status_code == 403
        assert posted(client, f"{made['id']}/start/")[0] == 403
    assert engineer.get("/api/probes/00000000-0000-4000-8000-000000000000/").status_code == 404


def test_a_rater_sees_neither_arm_nor_checkpoint() -> None:
    with WeakUpstream() as weak:
        checkpoint = evals.served(weak.base_url, "secret-name-1")
        engineer = clients.signed_in("engineer") if builders.cast() else None
        body = document(checkpoint=checkpoint, graders=[HUMAN], repeats=1)
        _, made = posted(engineer, "", probe=body)
        probe = Probe.objects.get()
        story.approve_all(builders.cast().engineer, probe)
        assert posted(engineer, f"{made['id']}/start/")[0] == 200
        story.execute(probe)
    concluding.conclude_due()
    rater = clients.signed_in("behaviour_reviewer")
    run = probe.probe_runs.get().run
    page, results = reverse("console-run", args=[run.pk]), f"/api/runs/{run.pk}/results/"
    refused = rater.get(results)
    assert (refused.status_code, refused.json()["code"]) == (409, "rated_blind")
    shown = rater.get(page).content.decode()
    assert "People rate these answers blind" in shown
    assert "p0001.original" not in shown and "shorter_context" not in shown
    seen = set()
    for _ in range(10):
        reply = rater.get(f"/api/probes/{made['id']}/answers/next/")
        told = reply.json()["answer"]
        assert set(told) == {"id", "messages", "output"}
        assert len(told["messages"]) == 3
        for word in ("secret-name", "original", "shorter", "p000"):
            assert word not in reply.content.decode()
        seen.add(told["id"])
        path = f"{made['id']}/answers/{told['id']}/rate/"
        assert posted(rater, path, failed="yes")[0] == 400
        assert posted(rater, path, failed=told["output"] == "wrong")[0] == 201
        assert posted(rater, path, failed=False)[1]["code"] == "rated_already"
    assert len(seen) == 10
    assert rater.get(f"/api/probes/{made['id']}/answers/next/").json()["answer"] is None
    assert concluding.conclude_due() == 1
    assert "p0001.original" in rater.get(page).content.decode()
    assert rater.get(results).json()["count"] == 10


def test_the_templates_are_listed() -> None:
    builders.cast()
    listed = clients.signed_in("auditor").get("/api/probes/templates/").json()
    assert [one["name"] for one in listed] == list(TEMPLATES)


def command(*words: str) -> Any:
    out = io.StringIO()
    call_command("probe", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_command_line_goes_the_same_way(tmp_path: Path) -> None:
    by = ("--by", "engineer")
    with WeakUpstream() as weak:
        file = tmp_path / "probe.yaml"
        body = document(checkpoint=evals.served(weak.base_url))
        file.write_text(json.dumps({"kind": "Probe", **body}, default=list))
        made = command("create", str(file), *by)
        assert "is found with 80% chance" in made["design"]
        with pytest.raises(SystemExit) as refused:
            command("start", made["id"], *by)
        assert refused.value.code == 1
        assert len(command("pairs", made["id"], *by)) == 5
        own = tmp_path / "own.yaml"
        said = "\n".join(f"  {n}: [{{role: user, content: Bluntly {n}.}}]" for n in range(1, 6))
        own.write_text(f"component: tone\nsentence: It asks bluntly.\nchanged:\n{said}\n")
        assert command("write", made["id"], str(own), *by) == {
            "name": "tone", "component": "tone", "n_pairs": 5
        }  # fmt: skip
        own.write_text("component: tone\nsentence: x\nchanged: {one: [{role: user}]}\n")
        with pytest.raises(SystemExit):
            command("write", made["id"], str(own), *by)
        dropped = command("review", made["id"], "drop", "--hypothesis", "tone", *by)
        assert dropped["n_reviewed"] == 5
        reviewed = command("review", made["id"], "approve", "--hypothesis", "shorter_context", *by)
        assert reviewed == {"n_reviewed": 5, "n_unreviewed": 0}
        assert command("start", made["id"], *by)["state"] == "running"
        story.execute(Probe.objects.get())
        assert command("conclude", made["id"], *by)["verdict"] == "isolated"
    assert [row["id"] for row in command("list", "--finding", body["finding"])] == [made["id"]]
    assert "Isolated: long context" in command("show", made["id"])["sentence"]
    assert len(command("templates")) == len(TEMPLATES)
