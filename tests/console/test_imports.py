"""Importing in the console: what can't be held is listed first, and nothing is written before."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from evals.formats.sent_files import MOST_BYTES
from evals.models import Run, Suite, SuiteVersion, Upload
from releases.models import Checkpoint
from tests import builders
from tests.console.visits import signed_in

FORMATS = Path(__file__).parent.parent / "evals/formats"
CONFIG = FORMATS / "promptfoo_recorded/promptfooconfig.yaml"
RESULTS = FORMATS / "promptfoo_recorded/results.json"
LOG = FORMATS / "inspect_logs/groups.eval"

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Client:
    builders.cast()
    builders.checkpoint()
    return signed_in("eval_owner")


def sent(client: Client, do: str, *files: Path | SimpleUploadedFile, **fields: Any) -> Any:
    given = [
        SimpleUploadedFile(one.name, one.read_bytes()) if isinstance(one, Path) else one
        for one in files
    ]
    body = {"do": do, "files": given, "main": "", **fields}
    return client.post(reverse("console-imports"), body, follow=True)


def suite_sent(client: Client, *files: Any, **fields: Any) -> Any:
    return sent(client, "suite", *files, **{"format": "promptfoo", "name": "capitals", **fields})


def results_sent(client: Client, *files: Any, **fields: Any) -> Any:
    checkpoint = Checkpoint.objects.get().pk
    values = {"format": "inspect", "checkpoint": checkpoint, "suite": "", **fields}
    return sent(client, "run", *files, **values)


def test_a_suite_is_shown_with_what_is_lost_before_it_is_written(owner: Client) -> None:
    answer = suite_sent(owner, CONFIG)
    page = answer.content.decode()
    assert answer.status_code == 200 and "Import suite capitals" in page
    assert "assert javascript" in page and "<dd>12</dd>" in page
    assert not Suite.objects.exists()
    done = owner.post(answer.request["PATH_INFO"], {"do": "confirm"}, follow=True)
    assert "Imported as capitals@1" in done.content.decode()
    assert SuiteVersion.objects.get().n_cases == 12
    assert not Upload.objects.exists()
    gone = owner.post(answer.request["PATH_INFO"], {"do": "confirm"})
    assert gone.status_code == 404 and "imported, dropped, or sent by another" in str(gone.content)


def test_results_are_shown_then_become_a_run(owner: Client) -> None:
    answer = results_sent(owner, LOG)
    page = answer.content.decode()
    assert "mockllm/model" in page and "Left out" not in page and "includes/accuracy" in page
    assert "made from these files" in page and not Run.objects.exists()
    done = owner.post(answer.request["PATH_INFO"], {"do": "confirm"}, follow=True)
    assert "Imported, not called here" in done.content.decode()
    assert Run.objects.get().n_expected == 8
    again = results_sent(owner, LOG)
    assert "which holds these cases" in again.content.decode()
    done = owner.post(again.request["PATH_INFO"], {"do": "confirm"}, follow=True)
    assert "This log was imported before" in done.content.decode()
    assert Run.objects.count() == 1


def test_one_of_several_models_is_chosen_by_name(owner: Client) -> None:
    whole = json.loads(RESULTS.read_bytes())
    rows = whole["results"]["results"]
    rows[0]["provider"] = {"id": "openrouter:meta/llama#2", "label": ""}
    file = SimpleUploadedFile("two.json", json.dumps(whole).encode())
    answer = results_sent(owner, file, format="promptfoo")
    assert answer.status_code == 400 and "choose one as two.json#" in answer.content.decode()
    file = SimpleUploadedFile("two.json", json.dumps(whole).encode())
    chosen = "two.json#" + _other(rows)
    answer = results_sent(owner, file, format="promptfoo", main=chosen)
    assert answer.status_code == 200 and "Import results of" in answer.content.decode()


def _other(rows: list[Any]) -> str:
    provider = rows[1]["provider"]
    return provider["label"] or provider["id"]


def _zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", '{"version": 2, "eval": {}}')
        for number in range(3):
            archive.writestr(f"samples/{number}_epoch_1.json", b" " * (100 * 2**20))
    return buffer.getvalue()


REFUSED = [
    ("garbage", "inspect", "x.eval", lambda: b"\x00\xff garbage", "is not JSON"),
    ("a cut archive", "inspect", "x.eval", lambda: LOG.read_bytes()[:900], "cut short or damaged"),
    ("a bomb", "inspect", "x.eval", _zipped, "when unpacked: more than"),
    ("no YAML", "promptfoo", "x.yaml", lambda: b"{unclosed", "is not YAML"),
    ("a cut JSON", "promptfoo", "x.json", lambda: RESULTS.read_bytes()[:5000], "x.json"),
    ("another shape", "promptfoo", "x.yaml", lambda: b"tests: 7\nprompts: [a]", "x.yaml"),
    ("a file of the host", "promptfoo", "x.yaml",
     lambda: b"prompts: [file:///etc/hostname]\ntests: [{vars: {}}]", "outside"),
    ("a name with a path", "promptfoo", "a b?.yaml", lambda: b"x: 1", "is no file name here"),
    ("nothing", "promptfoo", "x.yaml", lambda: b"", "empty"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "format_name", "name", "made", "said"), REFUSED)
def test_what_is_no_suite_is_refused_with_its_place(
    owner: Client, case: str, format_name: str, name: str, made: Any, said: str
) -> None:
    answer = suite_sent(owner, SimpleUploadedFile(name, made()), format=format_name)
    assert answer.status_code == 400, case
    assert said in answer.content.decode(), case
    assert not Upload.objects.exists() and not Suite.objects.exists()


def test_more_than_the_limit_is_refused(owner: Client) -> None:
    large = SimpleUploadedFile("x.json", b" " * (MOST_BYTES + 1))
    answer = suite_sent(owner, large)
    assert answer.status_code == 400 and "use manage.py instead" in answer.content.decode()


def test_only_who_may_change_suites_sends_them(owner: Client) -> None:
    assert "Eval owners and release managers import suites" in str(
        signed_in("engineer").get(reverse("console-imports")).content
    )
    assert suite_sent(signed_in("engineer"), CONFIG).status_code == 403
    assert results_sent(signed_in("auditor"), LOG).status_code == 403
    assert not Upload.objects.exists()


def test_anothers_files_are_not_there(owner: Client) -> None:
    path = suite_sent(owner, CONFIG).request["PATH_INFO"]
    manager = signed_in("release_manager")
    assert manager.get(path).status_code == 404
    assert manager.post(path, {"do": "confirm"}).status_code == 404
    assert owner.post(path, {"do": "drop"}, follow=True).status_code == 200
    assert owner.get(path).status_code == 404 and not Suite.objects.exists()
