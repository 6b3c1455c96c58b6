"""The commands: what a person reads, what a machine reads, and the exit codes."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from releases.models import Checkpoint, PipelineVersion
from tests import builders
from tests.releases import documents, suites
from tests.releases.upstream import running


@pytest.fixture(autouse=True)
def cast(db: None) -> builders.Cast:
    return builders.cast()


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"file://{documents.artifact(tmp_path / 'weights')}"


def manage(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=out)
    return out.getvalue()


def refused(*words: str) -> str:
    """What a refused command says; its exit code is 1."""
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command(*words, stdout=out, stderr=out)
    assert end.value.code == 1
    return out.getvalue()


def written(path: Path, content: Any) -> str:
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")
    return str(path)


def test_one_file_registers_deploys_and_prices(tmp_path: Path, uri: str) -> None:
    with running() as upstream:
        place = {"base_url": upstream.base_url, "upstream_model": upstream.models[0]}
        price = {
            "currency": "EUR",
            "input_micros_per_million": 100_000,
            "output_micros_per_million": 300_000,
        }
        document = documents.checkpoint(uri, deployments=[place], prices=[price])
        file = written(tmp_path / "c.yaml", document)
        first = manage("checkpoint", "register", file, "--by", "engineer")
        second = manage("checkpoint", "register", file, "--by", "engineer")
    assert "Registered chat-nano-1 (2 files, 702 bytes, every byte verified)" in first
    assert f"answers at {upstream.base_url}" in first
    assert "0.1 EUR input" in first
    assert "registered already, with the same content" in second
    shown = manage("checkpoint", "show", "chat-nano-1")
    assert "weights.gguf" in shown and upstream.base_url in shown and "0.3 EUR output" in shown
    assert "chat-nano-1" in manage("checkpoint", "list", "--family", "chat")


def test_json_in_and_out(tmp_path: Path, uri: str) -> None:
    file = written(tmp_path / "c.json", json.dumps(documents.checkpoint(uri)))
    done = json.loads(manage("checkpoint", "--json", "--by", "engineer", "register", file))
    row = Checkpoint.objects.get()
    assert (done["created"], done["checkpoint_digest"]) == (True, row.checkpoint_digest)
    (listed,) = json.loads(manage("checkpoint", "--json", "list"))
    assert listed["name"] == "chat-nano-1"


def test_each_mistake_of_a_file_has_its_line(tmp_path: Path, uri: str) -> None:
    text = yaml.safe_dump(documents.checkpoint(uri), sort_keys=True)
    wrong = text.replace("kind: prompt", "kind: magic").replace("size: nano", "sise: nano")
    said = refused(
        "checkpoint", "register", written(tmp_path / "c.yaml", wrong), "--by", "engineer"
    )
    lines = wrong.splitlines()
    assert f"c.yaml:{lines.index('kind: magic') + 1}: kind:" in said
    assert f"c.yaml:{lines.index('sise: nano') + 1}: sise: unknown key; did you mean size?" in said


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_can_not_be_read_is_refused(tmp_path: Path, name: str) -> None:
    said = refused("checkpoint", "register", str(tmp_path / name), "--by", "engineer")
    assert "can't be read" in said


def test_a_role_that_may_not_is_refused(tmp_path: Path, uri: str) -> None:
    file = written(tmp_path / "c.yaml", documents.checkpoint(uri))
    assert "may not register" in refused("checkpoint", "register", file, "--by", "auditor")


def test_a_deployment_is_added_and_taken_out() -> None:
    builders.checkpoint()
    with running() as upstream:
        words = ["deployment", "add", "chat-nano-1", "--base-url", upstream.base_url]
        said = manage(*words, "--model", upstream.models[0], "--by", "engineer")
        assert "first token is 'Blue'" in said
        number = said.split()[-1]
        off = ["deployment", "disable", number, "--reason", "Slow.", "--by", "engineer"]
        assert "No new traffic" in manage(*off)
        on = ["deployment", "enable", number, "--reason", "Fast.", "--by", "engineer"]
        assert "Traffic may go" in manage(*on)
        assert "it lists: smollm2-135m-instruct" in refused(
            *words, "--model", "other", "--by", "engineer"
        )


def test_a_pipeline_is_planned_applied_and_stays(tmp_path: Path) -> None:
    suites.published()
    file = written(tmp_path / "chat.yaml", documents.PIPELINE)
    by = ("--by", "release_manager")
    plan = manage("apply", "-f", file, "--plan", *by)
    assert "chat would become chat@1 (new):" in plan and "Nothing was written" in plan
    assert not PipelineVersion.objects.exists()
    done = manage("apply", "-f", file, *by)
    assert "chat is now chat@1 (new):" in done
    assert "+ Stage closed-alpha is new; gates: soak-1, eval_floor-1, sign_off-1." in done
    assert manage("apply", "-f", file, *by).strip() == "chat@1: nothing changes."
    assert json.loads(manage("apply", "-f", file, "--json", *by))["changed"] is False


def test_a_wrong_pipeline_is_refused_with_file_and_line(tmp_path: Path) -> None:
    text = documents.PIPELINE.replace("artifact", "artefact").replace("24h", "soon")
    file = written(tmp_path / "chat.yaml", text)
    said = refused("apply", "-f", file, "--by", "release_manager")
    assert f"{file}:7: " in said and f"{file}:9: " in said
