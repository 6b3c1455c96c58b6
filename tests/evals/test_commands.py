"""What the commands print and refuse."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from evals import formats
from evals.models import Run, SuiteVersion
from evals.services import health, runs
from releases.models import Checkpoint
from tests import builders as cast
from tests.evals import builders
from tests.evals.upstream import Upstream

pytestmark = pytest.mark.django_db


def told(*words: str) -> Any:
    """What the command prints under --json."""
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


def said(*words: str) -> str:
    """What the command prints for people."""
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cast.cast()
    formats.write("slipway", builders.suite_spec(12), tmp_path / "echo")
    return tmp_path / "echo"


def test_import_prints_what_was_made_and_is_idempotent(folder: Path) -> None:
    words = ("suite", "import", "slipway", str(folder), "--name", "echo", "--by", "eval_owner")
    first = told(*words)
    assert first == {
        "suite": "echo",
        "version": 1,
        "is_new": True,
        "n_cases": 12,
        "components": ["echo", "echo.first", "echo.second"],
        "not_expressible": [],
        "made_stale": [],
    }
    assert told(*words) == {**first, "is_new": False}
    assert "is echo@1 already" in said(*words)
    assert SuiteVersion.objects.count() == 1


def test_export_gives_back_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    told("suite", "import", "slipway", str(folder), "--name", "echo", "--by", "eval_owner")
    told("suite", "export", "echo", "slipway", str(tmp_path / "out"))
    assert (tmp_path / "out/cases.jsonl").read_bytes() == (folder / "cases.jsonl").read_bytes()
    again = formats.read("slipway", tmp_path / "out")
    assert again.digest() == SuiteVersion.objects.get().digest


def test_import_of_a_broken_file_names_the_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "cases.jsonl").open("a") as file:
        file.write("{not json\n")
    words = ("suite", "import", "slipway", str(folder), "--name", "echo", "--by", "eval_owner")
    with pytest.raises(SystemExit) as ended:
        call_command(*words)
    assert ended.value.code == 1
    assert "cases.jsonl line 13" in capsys.readouterr().err


def test_an_engineer_may_not_import_suites(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        said("suite", "import", "slipway", str(folder), "--name", "echo", "--by", "engineer")
    assert "may not change suites" in capsys.readouterr().err


def test_run_start_show_and_export(upstream: Upstream, tmp_path: Path) -> None:
    builders.published(12)
    builders.served(upstream.base_url)
    started = told("run", "start", "echo", "chat-nano-1", "--by", "engineer", "--key", "nightly")
    assert (started["state"], started["total"]) == ("queued", 12)
    assert (
        told("run", "start", "echo@1", "chat-nano-1", "--by", "engineer", "--key", "nightly")["id"]
        == started["id"]
    )
    builders.execute(Run.objects.get())
    shown = told("run", "show", started["id"])
    assert (shown["state"], shown["done"], shown["nodes"][0]["mean"]) == ("completed", 12, 1.0)
    told("run", "export", started["id"], str(tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["case_id", "repeat", "component", "state", "score"]
    assert len(rows) == 24
    assert {row["component"] for row in rows} == {"", "echo.first", "echo.second"}


def test_health_says_what_is_constant(upstream: Upstream) -> None:
    version = builders.published(12)
    for name in ("chat-nano-1", "chat-nano-2"):
        builders.execute(builders.start(version, builders.served(upstream.base_url, name)))
    assert told("suite", "health", "echo")["state"] == "fresh", "nothing was measured yet"
    health.measure_due()
    found = told("suite", "health", "echo")
    assert (found["state"], found["n_constant"], found["n_checkpoints"]) == ("saturated", 12, 2)
    text = said("suite", "health", "echo")
    assert "chat nano, 2 checkpoints: saturated" in text and "12 of 12 cases are constant" in text


def test_json_may_stand_before_the_action_or_after_it() -> None:
    before, after = io.StringIO(), io.StringIO()
    call_command("suite", "--json", "list", stdout=before)
    call_command("suite", "list", "--json", stdout=after)
    assert json.loads(before.getvalue()) == json.loads(after.getvalue()) == []


def test_compare_prints_a_sentence_a_component(upstream: Upstream) -> None:
    version = builders.published(40)
    with pytest.raises(SystemExit) as ended:
        builders.served(upstream.base_url, "new")
        builders.served(upstream.base_url, "old")
        said("compare", "new", "old", "--suite", "echo")
    assert ended.value.code == 1
    for name in ("new", "old"):
        builders.execute(builders.start(version, Checkpoint.objects.get(name=name)))
    lines = said("compare", "new", "old", "--suite", "echo", "--margin", "0.2").splitlines()
    assert lines[0] == "new against old on echo@1"
    assert [line.strip().split(":")[0] for line in lines[1:]] == [
        "echo@1",
        "echo",
        "echo.first",
        "echo.second",
    ]
    found = told("compare", "new", "old", "--suite", "echo", "--margin", "0.2")
    assert (found["version"], len(found["nodes"]), found["nodes"][0]["delta"]) == (1, 4, 0.0)


def test_waiting_for_a_run_that_fails_exits_1_with_the_reason(
    upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    version = builders.published(3)
    run = builders.start(version, builders.served(upstream.base_url), idempotency_key="k")
    runs.fail_run(run_id=run.pk, problem="the upstream is gone")
    with pytest.raises(SystemExit) as ended:
        said("run", "start", "echo", "chat-nano-1", "--key", "k", "--wait", "--by", "engineer")
    assert ended.value.code == 1
    assert "The run is failed: the upstream is gone" in capsys.readouterr().err


def test_waiting_for_a_completed_run_prints_its_means(upstream: Upstream) -> None:
    version = builders.published(12)
    run = builders.start(version, builders.served(upstream.base_url), idempotency_key="k")
    builders.execute(run)
    words = ("run", "start", "echo", "chat-nano-1", "--key", "k", "--wait", "--by", "engineer")
    lines = said(*words).splitlines()
    assert "completed 12/12, 0 failed, 0 errored" in lines
    assert any(line.startswith("  echo, whole suite") and "100.0%" in line for line in lines)


def test_import_takes_the_first_cases_and_a_length_of_answers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cast.cast()
    file = Path(__file__).parent / "formats/data/input_data.jsonl"
    words = ("suite", "import", "ifeval", str(file), "--name", "few", "--by", "eval_owner")
    made = told(*words, "--limit", "2", "--max-tokens", "256")
    assert (made["n_cases"], len(made["components"])) == (2, 8)
    assert SuiteVersion.objects.get().request == {"max_tokens": 256}
    with pytest.raises(SystemExit):
        call_command(*words, "--limit", "0")
    assert "--limit is 0: write 1 or more" in capsys.readouterr().err
