"""Training exports and a finding's cases over the API, with the services' own refusals."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.core.management import call_command
from rest_framework.test import APIClient

from alpha.models import PartnerDataKey
from evals.models import Case, TrainingExport
from evals.selectors import suites
from infra.api.streams import PIECE_BYTES, streamed
from infra.roles import Scope
from tests import builders as shared
from tests import clients
from tests.alpha import builders as alpha
from tests.alpha.builders import Access
from tests.evals import builders
from tests.evals.services.test_regression import found
from tests.evals.training import world

pytestmark = pytest.mark.django_db
EXPORTS = "/api/training/exports/"


@pytest.fixture
def of() -> Access:
    shared.cast()
    return alpha.access()


@pytest.fixture
def client(of: Access) -> APIClient:
    return clients.signed_in("eval_owner")


def post(client: APIClient, path: str, **body: Any) -> Any:
    return client.post(path, body, format="json")


def test_an_export_is_made_and_each_file_streamed_with_its_digest(
    of: Access, client: APIClient
) -> None:
    world.many(of, 40)
    answer = post(client, EXPORTS, kind="rft", grader=world.GRADER, validation_share=0.4)
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert made["n_train"] + made["n_validation"] == 40
    assert client.get(EXPORTS).json()["results"][0]["digest"] == made["digest"]
    assert client.get(f"{EXPORTS}{made['id']}/").json() == made
    for file in made["files"]:
        got = client.get(f"{EXPORTS}{made['id']}/files/{file['name']}")
        body = b"".join(got.streaming_content)
        assert (got.status_code, len(body)) == (200, file["n_bytes"])
        assert hashlib.sha256(body).hexdigest() == file["sha256"]
        assert got["Content-Disposition"] == f'attachment; filename="{file["name"]}"'
        assert got["Cache-Control"] == "no-store"
    origins = client.get(f"{EXPORTS}{made['id']}/files/rows.jsonl")
    rows = [json.loads(line) for line in b"".join(origins.streaming_content).splitlines()]
    assert len(rows) == 40
    road = client.get(f"/api/lineage/{rows[0]['row']}/").json()
    assert road["steps"][0]["stops"][0]["id"] == rows[0]["feedback"]


def test_refusals_are_those_of_the_services(of: Access, client: APIClient) -> None:
    world.many(of, 3)
    few = post(client, EXPORTS, kind="sft")
    assert (few.status_code, few.json()["code"]) == (400, "too_few_rows")
    assert post(client, EXPORTS, kind="rft").json()["code"] == "grader_missing"
    assert post(client, EXPORTS, kind="sft", partner="nobody").status_code == 404
    assert post(client, EXPORTS, kind="sft", validation_share=0.7).status_code == 400
    assert post(clients.signed_in("engineer"), EXPORTS, kind="dpo").status_code == 403
    key = clients.with_key(shared.cast().release_manager, *Scope)
    assert post(key, EXPORTS, kind="dpo").status_code == 403
    assert not TrainingExport.objects.exists()
    made = post(client, EXPORTS, kind="dpo", validation_share=0).json()
    path = f"{EXPORTS}{made['id']}/files/"
    assert clients.signed_in("auditor").get(f"{path}train.jsonl").status_code == 403
    assert client.get(f"{path}other.jsonl").json()["code"] == "no_such_file"
    PartnerDataKey.objects.update(wrapped_key=None)
    gone = client.get(f"{path}train.jsonl")
    assert (gone.status_code, gone.json()["code"]) == (409, "text_gone")


def test_a_stream_under_asgi_is_sent_piece_by_piece() -> None:
    part, held = b"x" * (PIECE_BYTES // 4), []

    def parts() -> Any:
        for number in range(40):
            held.append(number)
            yield part

    async def sizes() -> list[tuple[int, int]]:
        request = ASGIRequest({"type": "http", "method": "GET", "path": "/"}, None)
        answer = streamed(request, parts(), name="x.jsonl", content_type="application/jsonl")
        assert answer.is_async
        return [(len(piece), len(held)) async for piece in answer.streaming_content]

    assert asyncio.run(sizes()) == [(PIECE_BYTES, 4 * (at + 1)) for at in range(10)]


def test_the_command_plans_and_makes_as_the_page_does(of: Access, tmp_path: Path) -> None:
    builders.published(3)
    remarks = [world.corrected(of, f"Mail ada{n}@x.example", f"word-{n}") for n in range(2)]
    finding = str(found(of, *remarks).pk)
    words = ["case", "plan", finding, "echo", "--component", "echo.first", "--by", "eval_owner"]
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    plan = json.loads(out.getvalue())
    assert [one["replaced"][0]["put"] for one in plan["cases"]] == ["[email 1]", "[email 1]"]
    words[1] = "make"
    for digest, code in (("0" * 64, "plan_changed"), (plan["digest"], "")):
        out, ended = io.StringIO(), False
        try:
            call_command(*words, "--digest", digest, "--reason", "So.", "--json", stdout=out)
        except SystemExit as end:
            ended = end.code == 1
        assert ended is bool(code) and code in out.getvalue()
    assert Case.objects.filter(finding_id=finding).count() == 2
    (tmp_path / "asked.json").write_text("{}")
    with pytest.raises(SystemExit):
        call_command(*words[:-2], "--digest", digest, "--reason", "x", "--by", "eval_owner",
                     "--messages", str(tmp_path / "asked.json"), stderr=io.StringIO())  # fmt: skip


def test_a_findings_cases_are_planned_and_made_as_planned(of: Access, client: APIClient) -> None:
    version = builders.published(3)
    remark = world.corrected(of, "Mail ada@x.example", "word-1")
    path = f"/api/findings/{found(of, remark).pk}/cases/"
    body = {
        "suite": "echo",
        "remarks": [{"feedback": str(remark.pk)}],
        "components": ["echo.first"],
    }
    plan = post(client, f"{path}plan/", **body).json()
    assert plan["cases"][0]["replaced"] == [
        {
            "kind": "email", "text": "ada@x.example", "put": "[email 1]",
            "where": "messages[0].content",
        }
    ]  # fmt: skip
    assert suites.draft(version.suite) is None
    stale = post(client, path, **body, digest="0" * 64, reason="x")
    assert (stale.status_code, stale.json()["code"]) == (409, "plan_changed")
    made = post(client, path, **body, digest=plan["digest"], reason="Never again.")
    assert made.status_code == 201, made.content
    assert made.json()[0]["input"] == [{"role": "user", "content": "Mail [email 1]"}]
    assert made.json()[0]["finding"] == str(Case.objects.get(feedback=remark).finding_id)
    again = post(client, path, **body, digest=plan["digest"], reason="x").json()
    assert (again["code"], again["reasons"][0]["code"]) == ("cases_refused", "remark_not_new")
    engineer = clients.signed_in("engineer")
    assert post(engineer, f"{path}plan/", **body).status_code == 403
    unknown = {**body, "remarks": [{"feedback": str(version.pk)}]}
    assert post(client, f"{path}plan/", **unknown).json()["code"] == "remark_not_linked"
