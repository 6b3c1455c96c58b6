"""Replays by API, command line and console: the same sets, numbers and refusals."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.urls import reverse

from evals.models import ReplaySet, Run
from evals.selectors import replays as reads
from tests import builders
from tests.clients import signed_in
from tests.evals import builders as evals
from tests.evals.replays.world import CANARY, World, catalogue, drop_key, mode, user
from tests.evals.upstream import Upstream

pytestmark = pytest.mark.django_db
MODES = {"modes": [mode("loops", "loop"), mode("swears", "damn")]}


@pytest.fixture
def world(upstream: Upstream) -> World:
    found = World(upstream.base_url)
    builders.login("admin")
    return found


def output(*arguments: str) -> Any:
    out = StringIO()
    call_command("replay", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def post(client: Any, path: str, **body: Any) -> Any:
    return client.post(f"/api/{path}", body, content_type="application/json")


def window(world: World, **fields: Any) -> dict[str, Any]:
    found = world.sampling(**fields)
    return {"since": found.since.isoformat(), "until": found.until.isoformat(), "n": found.n}


def test_draw_start_and_show_over_the_api(world: World) -> None:
    world.talk(4)
    world.talk(2, "loop {}")
    client = signed_in("eval_owner")
    body = {"name": "night", "stage": "closed-alpha", "sampling": window(world), "catalogue": MODES}
    made = post(client, "replay-sets/", **body)
    assert made.status_code == 201, made.content
    assert made.json()["replay_set"]["n_conversations"] == 30
    again = post(client, "replay-sets/", **body)
    assert (again.status_code, again.json()["is_new"]) == (200, False)
    assert len(client.get("/api/replay-sets/").json()["results"]) == 1
    runs = {}
    for name in ("chat-nano-1", "chat-nano-2"):
        begun = post(client, "replays/start/", set="night", checkpoint=name, idempotency_key=name)
        assert begun.status_code == 201, begun.content
        runs[name] = evals.execute(Run.objects.get(pk=begun.json()["id"]))
    told = client.get(f"/api/replays/{runs['chat-nano-2'].pk}/?against=chat-nano-1").json()
    assert told["conversations"]["graded"] == 30
    assert told["modes"][0]["predicted_rate"] == pytest.approx(1 / 3)
    assert told["modes"][0]["blind_below"] == 10
    assert [row["delta"] for row in told["deltas"]] == [0.0, 0.0]
    assert told["modes"] == output("show", str(runs["chat-nano-2"].pk))["modes"]
    missing = client.get(f"/api/replays/{runs['chat-nano-2'].pk}/?against=nobody")
    assert missing.status_code == 404


def test_the_command_line_walks_the_same_way(world: World, tmp_path: Path) -> None:
    world.talk(2)
    modes, lines = tmp_path / "modes.yaml", tmp_path / "public.jsonl"
    modes.write_text(yaml.safe_dump(MODES))
    lines.write_text('{"messages": [{"role": "user", "content": "hi"}]}\n')
    since, until = window(world)["since"], window(world)["until"]
    drawn = output(
        "draw", "night", "closed-alpha", "--since", since, "--until", until,
        "--catalogue", str(modes), "--by", "eval_owner",
    )  # fmt: skip
    assert (drawn["n_conversations"], drawn["n_partners"]) == (10, 5)
    public = output(
        "import", str(lines), "--name", "public", "--catalogue", str(modes), "--by", "eval_owner"
    )
    assert public["n_conversations"] == 1
    assert {row["set"] for row in output("list")} == {"night@1", "public@1"}
    begun = output("start", "night", "chat-nano-2", "--by", "engineer", "--key", "k")
    assert output("start", "night", "chat-nano-2", "--by", "engineer", "--key", "k") == begun
    evals.execute(Run.objects.get(pk=begun["run"]))
    told = output("show", begun["run"])
    assert [row["predicted_rate"] for row in told["modes"]] == [0.0, 0.0]


def test_refusals_name_what_to_do(world: World, tmp_path: Path, capsys: Any) -> None:
    broken = tmp_path / "modes.yaml"
    broken.write_text("modes: [")
    with pytest.raises(SystemExit):
        call_command("replay", "import", str(broken), "--name", "x", "--catalogue", str(broken),
                     "--by", "eval_owner")  # fmt: skip
    assert "is no YAML or JSON" in capsys.readouterr().err
    client = signed_in("engineer")
    body = {"name": "night", "stage": "closed-alpha", "sampling": window(world), "catalogue": MODES}
    assert post(client, "replay-sets/", **body).status_code == 403
    owner = signed_in("eval_owner")
    refused = post(owner, "replay-sets/", **body)
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_replay")
    bad = post(owner, "replay-sets/", **{**body, "catalogue": {"modes": []}})
    assert (bad.status_code, bad.json()["code"]) == (400, "bad_catalogue")
    lines = post(owner, "replay-sets/import/", name="p", lines="{}", catalogue=MODES)
    assert lines.status_code == 400 and "line 1: messages" in lines.json()["message"]
    assert post(owner, "replays/start/", set="none", checkpoint="x").status_code == 404


def test_the_pages_show_rates_and_open_failures_for_readers_alone(world: World) -> None:
    world.said("acme", [user(f"loop {CANARY} <b>bold</b>")])
    world.talk(1)
    made = world.drawn()
    world.replayed(made, world.old)
    run = world.replayed(made, world.new)
    client, path = signed_in("eval_owner"), reverse("console-replay", args=[run.pk])
    page = client.get(path).content.decode()
    assert "16.7 %" in page and "1 in 2" in page and "Against chat-nano-1" in page
    assert CANARY not in page
    [result] = reads.failing(run, "loops")
    opened = f"{path}?mode=loops&open={result.pk}"
    shown = client.get(opened).content.decode()
    assert CANARY in shown and "<b>bold</b>" not in shown
    refused = signed_in("auditor").get(opened).content.decode()
    assert CANARY not in refused and "may not read partners" in refused
    drop_key(world.callers["acme"])
    assert CANARY not in client.get(opened).content.decode()
    assert client.get(f"{path}?mode=none").status_code == 404
    assert client.get(f"{path}?open=none").status_code == 404


def test_a_set_is_drawn_and_started_in_the_console(world: World) -> None:
    world.talk(2)
    client, path = signed_in("eval_owner"), reverse("console-replays")
    assert "Nothing was replayed yet" in client.get(path).content.decode()
    sampling = world.sampling()
    form = {
        "do": "draw", "name": "night", "stage": str(world.stage.pk), "n": 10, "seed": 1,
        "since": f"{sampling.since:%Y-%m-%dT%H:%M}", "until": f"{sampling.until:%Y-%m-%dT%H:%M}",
        "catalogue": yaml.safe_dump(MODES),
    }  # fmt: skip
    bad = client.post(path, {**form, "catalogue": "modes: 3"})
    assert bad.status_code == 400 and "write `modes:`" in bad.content.decode()
    assert client.post(path, form).status_code == 302
    row = ReplaySet.objects.get()
    assert row.version.n_cases == 10
    begun = client.post(
        path, {"do": "start", "replay_set": str(row.pk), "checkpoint": str(world.new.pk),
               "concurrency": 2, "most_tokens": 9000, "most_seconds": 60}
    )  # fmt: skip
    run = Run.objects.get()
    assert (run.most_tokens, run.most_seconds, run.most_cost_micros) == (9000, 60, None)
    assert "10 calls" in client.get(path).content.decode()
    assert begun.headers["Location"] == reverse("console-replay", args=[run.pk])
    assert "when the run is over" in client.get(begun.headers["Location"]).content.decode()
    assert catalogue().digest() == row.catalogue_digest
