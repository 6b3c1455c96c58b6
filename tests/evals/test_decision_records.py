"""A decision on real runs: taken away, judged again elsewhere, its numbers made again."""

from __future__ import annotations

import copy
import dataclasses
import html
import io
import json
import re
import venv
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from evals.models import Comparison
from infra.models import User
from releases.digests import sha256_of
from releases.models import DecisionRecord, GateOutcome, Promotion
from releases.replay.__main__ import main as replay
from releases.replay.records import DATA, HASH, seals_of
from releases.states import PromotionState
from releases.statistics.__main__ import main as statistics
from tests import builders as shared
from tests.evals import builders
from tests.evals.upstream import Reply, Upstream, completion
from tests.releases import story
from tests.releases.replay.test_bare import run

pytestmark = pytest.mark.django_db
N_CASES = 60
FLOOR = {"id": "floor", "kind": "eval_floor", "suite": "echo", "at_least": 0.6}
NO_WORSE = {
    "id": "no-worse",
    "kind": "eval_no_regression",
    "suite": "echo",
    "baseline": {"checkpoint": "old"},
    "margin": 0.3,
    "anchor": {"checkpoint": "old", "margin": 0.4},
}
FRESH = {"id": "fresh", "kind": "eval_fresh", "suite": "echo"}


def answer(wrong: set[str], text: str, n: int) -> Reply | None:
    return completion("no") if text in wrong else None


@pytest.fixture(scope="module")
def decided(file_db: str) -> Promotion:
    """Odd cases come from documents, even ones stand alone: every kind of interval is there."""
    cases = [
        dataclasses.replace(case, cluster=f"doc-{number // 4}" if number % 2 else "")
        for number, case in enumerate(builders.suite_spec(N_CASES).cases)
    ]
    version = builders.published(N_CASES, cases=cases)
    cast = shared.cast()
    with Upstream() as upstream:
        for name, wrong in (("old", (3, 5, 8)), ("new", (5, 6))):
            words = {f"word-{number}" for number in wrong}
            upstream.rules[:] = [partial(answer, words)]
            checkpoint = builders.served(upstream.base_url, name, checkpoint_digest=sha256_of(name))
            builders.execute(builders.start(version, checkpoint))
    to = story.stage(FLOOR, NO_WORSE, FRESH)
    done = story.promoted(cast, checkpoint, to)
    assert done.state == PromotionState.PROMOTED
    return done


@pytest.fixture
def promoted(decided: Promotion, db: None) -> Promotion:
    return copy.deepcopy(decided)


@pytest.fixture
def client(promoted: Promotion) -> APIClient:
    found = APIClient()
    found.force_login(User.objects.get(username="auditor"))
    return found


def exported(promotion: Promotion, path: Path) -> dict[str, Any]:
    out = io.StringIO()
    call_command("decision", "export", str(promotion.pk), "--cases", "--out", str(path), stdout=out)
    assert f"python -m releases.replay {path}" in out.getvalue()
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def replayed(path: Path, *options: str) -> tuple[int, str]:
    out = io.StringIO()
    code = replay([str(path), *options], io.StringIO(), out, io.StringIO())
    return code, out.getvalue()


def test_it_is_judged_again_and_its_intervals_are_made_again(
    promoted: Promotion, tmp_path: Path
) -> None:
    path = tmp_path / "decision.json"
    document = exported(promoted, path)
    assert document[HASH] == DecisionRecord.objects.get().document_hash
    code, told = replayed(path, "--deep")
    assert code == 0, told
    assert document[HASH] in told
    assert "computed       floor" in told and "computed       no-worse" in told
    assert "not computed   fresh" in told
    methods = {call["method"] for calls in document[DATA].values() for call in calls}
    assert methods == {"mean_score", "paired_delta", "paired_binary"}


def test_a_bare_environment_judges_it_again(promoted: Promotion, tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    document = exported(promoted, path)
    venv.EnvBuilder(with_pip=False, symlinks=True).create(tmp_path / "bare")
    python = tmp_path / "bare" / "bin" / "python"
    code, out, err = run(python, tmp_path, path.name)
    assert (code, err) == (0, "")
    assert DecisionRecord.objects.get().document_hash in out
    node = document["gates"][0]["evidence"]["nodes"]["echo.first"]
    node["lo"] = float(f"{node['lo']:.3f}") + 0.001
    path.write_text(json.dumps(document))
    code, out, _ = run(python, tmp_path, path.name)
    assert code == 1
    assert "DIFFERS  gate floor: " in out


def test_a_forged_interval_does_not_survive_a_deep_replay(
    promoted: Promotion, tmp_path: Path
) -> None:
    path = tmp_path / "decision.json"
    whole = exported(promoted, path)
    for gate, node, field in (("floor", "echo.first", "hi"), ("no-worse", "echo.second", "lo")):
        forged = copy.deepcopy(whole)
        (row,) = (row for row in forged["gates"] if row["id"] == gate)
        row["evidence"]["nodes"][node][field] += 0.001
        data = forged.pop(DATA)
        del forged[HASH]
        forged["seals"] = seals_of(forged)
        forged[HASH] = sha256_of(forged)
        path.write_text(json.dumps({**forged, DATA: data}))
        code, told = replayed(path, "--deep")
        assert code == 1
        assert f"DIFFERS  gate {gate}, {node}: {field} is recorded as" in told


def test_without_its_cases_a_deep_replay_says_so(promoted: Promotion, tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    call_command("decision", "export", str(promoted.pk), "--out", str(path), stdout=io.StringIO())
    code, told = replayed(path, "--deep")
    assert code == 0
    assert "the file carries no cases; export it with --cases" in told


def answered(method: str, content: bytes) -> dict[str, Any]:
    """What the statistics command says to the downloaded file."""
    out, err = io.StringIO(), io.StringIO()
    assert statistics([method], io.StringIO(content.decode()), out, err) == 0, err.getvalue()
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def method_of(response: Any) -> str:
    name: str = response["Content-Disposition"].removeprefix('attachment; filename="')
    return name.removesuffix('.json"')


def test_every_number_of_a_gate_comes_out_of_the_download(
    promoted: Promotion, client: APIClient
) -> None:
    n_numbers = 0
    for row in GateOutcome.objects.exclude(gate_id="fresh"):
        calls = client.get(f"/api/gate-outcomes/{row.pk}/inputs/").json()
        for call in (call for call in calls if call["at"][0] == "nodes"):
            url = f"/api/gate-outcomes/{row.pk}/input/"
            response = client.get(url, {"name": call["name"]})
            assert method_of(response) == call["method"]
            answer = answered(call["method"], response.content)
            for field, shown in call["fields"].items():
                recorded = row.evidence["nodes"][call["name"]][shown]
                assert answer[field] == pytest.approx(recorded, abs=1e-12)
                n_numbers += 1
    assert n_numbers >= 2 * 3 * 4
    assert client.get(url, {"name": "nothing"}).json()["code"] == "no_such_input"


def test_every_number_of_a_comparison_comes_out_of_the_download(
    promoted: Promotion, client: APIClient
) -> None:
    made = Comparison.objects.get(margin=0.3)
    whole = client.get(f"/api/comparisons/{made.pk}/input/", {"whole": "true"})
    again = answered(method_of(whole), whole.content)["nodes"]
    assert [node["node"] for node in again] == [node["node"] for node in made.nodes]
    for ours, theirs in zip(again, made.nodes, strict=True):
        # Cases that an early stop left unasked are none of the method's.
        assert ours | {"n_beyond": 0} == pytest.approx(theirs)
        response = client.get(f"/api/comparisons/{made.pk}/input/", {"node": theirs["node"]})
        answer = answered(method_of(response), response.content)
        for field in ("delta", "lo", "hi"):
            assert answer[field] == pytest.approx(theirs[field], abs=1e-12)
    refused = client.get(f"/api/comparisons/{made.pk}/input/", {"node": "nothing"})
    assert (refused.status_code, refused.json()["code"]) == (404, "no_such_node")


def test_the_record_is_downloaded_over_the_api(
    promoted: Promotion, client: APIClient, tmp_path: Path
) -> None:
    response = client.get(f"/api/decisions/{promoted.pk}/", {"cases": "true"})
    assert response["Content-Disposition"].startswith('attachment; filename="decision-')
    path = tmp_path / "decision.json"
    path.write_bytes(response.content)
    assert replayed(path, "--deep")[0] == 0
    assert DATA not in client.get(f"/api/decisions/{promoted.pk}/").json()
    assert APIClient().get(f"/api/decisions/{promoted.pk}/").status_code == 401
    assert client.get(f"/api/decisions/{promoted.stage_id}/").status_code == 404


def test_the_pages_link_to_what_can_be_taken_away(promoted: Promotion, client: APIClient) -> None:
    made = Comparison.objects.get(margin=0.3)
    expected = {
        f"/console/promotions/{promoted.pk}/": {
            "decisions": 1,
            "gate-outcomes": 2 * len(made.nodes),
        },
        f"/console/comparisons/{made.pk}/": {"comparisons": 1 + len(made.nodes)},
        "/console/audit/?action=promoted": {"decisions": 1},
    }
    for page, wanted in expected.items():
        links = re.findall(r'href="(/api/([a-z-]+)/[^"]+)"', client.get(page).content.decode())
        assert Counter(kind for _, kind in links) == wanted
        for url, _ in links:
            response = client.get(html.unescape(url))
            assert response.status_code == 200, url
            assert response["Content-Disposition"].startswith("attachment; ")
