"""Sets of runs and re-grades over HTTP and from the command line."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from evals.models import RunSet
from evals.services import run_sets, suites
from infra.roles import Scope
from tests.evals import builders
from tests.evals.api.test_api import Caller
from tests.evals.upstream import Upstream

pytestmark = pytest.mark.django_db


def told(*arguments: str, **options: Any) -> Any:
    """What the command prints as JSON."""
    out = StringIO()
    call_command(*arguments, "--json", "--by", "engineer", stdout=out, **options)
    return json.loads(out.getvalue())


def finished(set_id: str) -> None:
    for run in RunSet.objects.get(pk=set_id).runs.all():
        builders.execute(run)
    run_sets.report_due()


def test_a_set_is_started_and_reported(upstream: Upstream) -> None:
    builders.published(12)
    for name in ("one", "two"):
        builders.served(upstream.base_url, name)
    key = Caller("", Scope.RUN, Scope.READ)
    asked = {"name": "nightly", "suites": ["echo"], "checkpoints": ["one"], "baseline": "two"}
    status, made = key.post("run-sets/", **asked, idempotency_key="k")
    assert (status, made["n_runs"], made["n_over"], made["baseline"]) == (201, 2, 0, "two")
    assert key.post("run-sets/", **asked, idempotency_key="k")[1]["id"] == made["id"]
    where = f"run-sets/{made['id']}/"
    assert key.get(f"{where}report/")[0] == 409
    finished(made["id"])
    status, report = key.get(f"{where}report/")
    assert (status, report["counts"]) == (200, {"better": 0, "worse": 0, "cant_tell": 4})
    assert len(key.get(where)[1]["runs"]) == 2
    assert Caller("auditor").post("run-sets/", **asked)[0] == 403
    assert key.post("run-sets/", **{**asked, "suites": []})[0] == 400
    assert key.post("run-sets/", **{**asked, "checkpoints": ["nobody"]})[0] == 404


def test_a_regrade_tells_its_cost_first(upstream: Upstream) -> None:
    version = builders.published(6)
    run = builders.execute(builders.start(version, builders.served(upstream.base_url)))
    caller = Caller("engineer")
    where = f"runs/{run.pk}/regrade/"
    assert caller.post(where, reason="anew")[1]["code"] == "not_newer"
    spec = builders.suite_spec(6, graders=[{"type": "string_check", "operation": "ilike"}])

    suites.import_suite(actor=builders.DEMO, name="echo", suite=spec)
    status, cost = caller.get(where)
    assert (status, cost["n_outputs"], cost["n_calls"], cost["version"]) == (200, 6, 0, 2)
    assert caller.get(where, version=9)[0] == 404
    status, made = caller.post(where, reason="anew")
    assert (status, made["version"], made["regraded_from"]) == (201, 2, str(run.pk))
    assert Caller("auditor").post(where, reason="no")[0] == 403


def test_sets_from_the_command_line(upstream: Upstream, tmp_path: Path) -> None:
    builders.published(12)
    for name in ("one", "two", "three"):
        builders.served(upstream.base_url, name)
    asked = ("run", "start", "echo", "one", "two", "--set", "nightly", "--baseline", "three")
    made = told(*asked, "--key", "k")
    assert made["n_runs"] == 3
    assert told("run", "sets")[0] == {**made, "n_over": 0}
    finished(made["id"])
    page = tmp_path / "night.html"
    report = told("run", "report", made["id"], "--html", str(page))
    assert report["next_step"].startswith("Nothing is worse")
    text = page.read_text()
    assert "Set nightly" in text and "<script" not in text and "/console/" not in text
    with pytest.raises(SystemExit):
        told("run", "start", "echo", "one", "two")
    said = StringIO()
    asked = ("run", "start", "ecko", "one", "--set", "nightly", "--by", "engineer")
    with pytest.raises(SystemExit):
        call_command(*asked, stderr=said)
    assert "No suite is named 'ecko' either" in said.getvalue()
