"""From "it's kind of weird" to a weakness that is gone: the whole road, by a real model.

The planted cause is the old checkpoint's system text, which asks for French. The partner calls
over HTTP with the stock SDK; SmolLM2 answers every call and every case.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai
import pytest
from django.test import Client
from django.urls import reverse

from alpha.models import Feedback, Finding
from alpha.services import feedback as inbox
from alpha.services import findings, grants, investigations, reconfirmations
from alpha.services.findings import Weakness
from alpha.states import FindingState
from evals.models import Probe, Suite
from evals.selectors import lineage, suites
from evals.selectors import probes as reads
from evals.services import drafts, regression
from evals.services.probes import concluding, design, review, running
from evals.services.probes.specs import ProbeSpec, PromptSpec
from evals.states import ProbeVerdict
from infra.demo import model_server
from infra.embedded.processes import wait_until
from infra.supervisor.health import answers_ok
from releases.digests import sha256_of
from releases.gates.severity import Severity
from releases.models import Checkpoint, GateOutcome, Promotion, Stage
from releases.states import PromotionState
from tests import builders
from tests.alpha.builders import Access, access
from tests.alpha.gateway.server import Running, usage_of, wait_for
from tests.alpha.gateway.server import running as gateway_running
from tests.evals import builders as evals
from tests.evals.probes import story
from tests.releases import story as promoting

pytestmark = [pytest.mark.long, pytest.mark.model]

ROOT = Path(__file__).resolve().parents[2]
FRENCH = "Tu es un assistant français. Réponds toujours en français, jamais en anglais."
ENGLISH = "You answer in plain English."
IS_FRENCH = (
    r"[àâçéèêëîïôûùœ]|\b(le|la|les|des|une|est|dans|et|pour|nous|vous|je|sont|que|qui|du|un)\b"
)
GRADER = {"type": "regex", "pattern": IS_FRENCH, "ignore_case": True, "negate": True}
QUESTIONS = (
    *("Name three colours.", "What do cats eat?", "Where do fish live?", "What is snow?"),
    *("What is a table for?", "Name two fruits.", "Who bakes bread?", "What is a garden?"),
    *("What is rain?", "Name a big city.", "What is a boat?", "Why do birds sing?"),
)
TEMPLATES = (
    *("system_prompt_off", "temperature_zero", "answer_in_english", "format_asked"),
    "tool_present",
)
NODE = "language.english"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The base URL of SmolLM2."""
    with socket.socket() as probe:
        probe.bind((model_server.HOST, 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "infra.demo.model_server", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        url = f"http://{model_server.HOST}:{port}"
        assert wait_until(lambda: answers_ok(f"{url}/health"), timeout_s=60)
        yield f"{url}/v1"
    finally:
        process.terminate()
        process.wait(20)


class Road:
    """Everybody and everything on it."""

    def __init__(self, model: str, store: Path) -> None:
        self.cast = builders.cast()
        self.suite = self._suite()
        consent = grants.Consent(terms_version="1", accepted_by="Ada", transcripts=True)
        self.access: Access = access(model, consent=consent)
        self.old = self.access.checkpoint
        self.new = promoting.stored_checkpoint(
            "chat-nano-2", str(store), serving=_serving(ENGLISH), parent=self.old
        )
        self.new.deployments.update(base_url=model)

    def _suite(self) -> Suite:
        spec = evals.suite_spec(
            name="language",
            cases=[
                evals.case(at, input=_asked(question), target="English", components=[NODE])
                for at, question in enumerate(QUESTIONS)
            ],
            graders=[GRADER],
            components={NODE: "answers in English"},
            request={"max_tokens": 16},
        )
        from evals.services.suites import import_suite

        made = import_suite(actor=self.cast.eval_owner, name=spec.name, suite=spec)
        return made.version.suite

    def gated(self, stage: Stage) -> Stage:
        """The stage asks that most cases be answered in English; nobody has to approve."""
        gate = {"kind": "eval_floor", "id": "english", "suite": "language", "node": NODE}
        none = {"required": 0, "groups": [], "expires": "7d"}
        stage.policy = promoting.policy({**gate, "at_least": 0.7}, name=stage.name, approvals=none)
        stage.policy_digest = sha256_of(stage.policy)
        stage.save(update_fields=["policy", "policy_digest"])
        return stage

    def asked_into(self, stage: Stage, checkpoint: Checkpoint) -> tuple[Promotion, GateOutcome]:
        promotion = promoting.requested(self.cast.release_manager, checkpoint, stage)
        found = GateOutcome.objects.filter(evaluation__promotion=promotion, gate_id="english")
        return promotion, found.order_by("-evaluation__number")[0]


def _serving(system: str) -> dict[str, Any]:
    return {"system_prompt": system, "sampling": {"temperature": 0.7}}


def _asked(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


@pytest.fixture
def road(
    committed_db: str,
    valkey: str,
    tmp_path: Path,
    settings: Any,
    model: str,
    own_object_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Road:
    settings.STATE_DIR = tmp_path
    settings.REDIS_URL = valkey
    made = builders.checkpoint
    # The cause is planted where it is made: a checkpoint never changes afterwards.
    monkeypatch.setattr(
        builders,
        "checkpoint",
        lambda *names, **fields: made(*names, **{"serving": _serving(FRENCH), **fields}),
    )
    return Road(model, own_object_store)


def test_a_vague_remark_becomes_a_weakness_that_is_gone(road: Road) -> None:
    with gateway_running(valkey_patience_s=10.0) as gateway:
        remark = remarked(road, gateway)
        finding = confirmed(road, remark)
        probe = probed(road, finding)
        isolated(road, finding, probe)
        made_a_case(road, finding, remark)
        gates_tell_them_apart(road)
        reconfirmed(road, gateway, finding)
    shown_on_one_page(finding)


def remarked(road: Road, gateway: Running) -> Feedback:
    """The partner calls by the stock SDK, and says that it is weird."""
    with openai.OpenAI(base_url=gateway.url, api_key=road.access.key_text) as client:
        answer = client.chat.completions.with_raw_response.create(
            model="quasar-alpha", messages=_asked(QUESTIONS[1]), max_tokens=16
        )
        request_id = answer.headers["x-request-id"]
        said = {"request_id": request_id, "comment": "It's kind of weird.", "thumbs_up": False}
        posted = client.post("/feedback", body=said, cast_to=httpx.Response)
    usage_of(request_id)
    found = Feedback.objects.get(request_id=request_id)
    assert posted.status_code in (200, 201, 202)
    inbox.bind_waiting()
    found.refresh_from_db()
    assert (found.checkpoint, found.state) == (road.old, "new")
    return found


def confirmed(road: Road, remark: Feedback) -> Finding:
    weakness = Weakness(
        title="It's kind of weird.", severity=Severity.MAJOR, reporter=road.access.partner
    )
    reviewer = road.cast.behaviour_reviewer
    finding = findings.open_finding(actor=reviewer, weakness=weakness, feedback=[remark])
    return findings.confirm_finding(actor=reviewer, finding=finding, reason="Seen again by hand.")


def probed(road: Road, finding: Finding) -> Probe:
    """Five hypotheses, two checkpoints, eight repeats."""
    cast = road.cast
    reported = wait_for(
        lambda: design.prompts_of_finding(actor=cast.behaviour_reviewer, finding=finding),
        "the call's text is kept",
    )
    written = [PromptSpec(messages=_asked(question)) for question in QUESTIONS[2:9]]
    spec = ProbeSpec(
        title="What makes it weird?",
        prompts=[*reported, *written],
        checkpoints=[road.old, road.new],
        templates=TEMPLATES,
        graders=[GRADER],
        request={"max_tokens": 8},
        repeats=8,
        concurrency=4,
        seed=5,
        may_stop_early=False,
    )
    probe = design.create_probe(actor=cast.engineer, finding=finding, spec=spec)
    ids = list(reads.pairs_of(probe).values_list("pk", flat=True))
    review.review_pairs(actor=cast.behaviour_reviewer, probe=probe, pair_ids=ids, approve=True)
    running.start_probe(actor=cast.engineer, probe=probe)
    story.execute(probe)
    assert concluding.conclude_due() == 1
    probe.refresh_from_db()
    return probe


def isolated(road: Road, finding: Finding, probe: Probe) -> None:
    effects = {(row["hypothesis"], row["checkpoint"]): row for row in probe.result["effects"]}
    cause = effects["system_prompt_off", road.old.name]
    assert probe.verdict == ProbeVerdict.ISOLATED.value, probe.sentence
    assert cause["outcome"] == "isolated" and cause["lo"] > 0, cause
    component = cause["component"]
    assert (component, probe.pk) in investigations.isolated_components(finding.pk)
    investigations.isolate_finding(
        actor=road.cast.behaviour_reviewer,
        finding=finding,
        component=component,
        probe_id=probe.pk,
        reason=probe.sentence,
    )
    investigations.start_fix(
        actor=road.cast.engineer, finding=finding, reason="The next one gets an English text."
    )


def made_a_case(road: Road, finding: Finding, remark: Feedback) -> None:
    """The remark's own call is a case of the suite's next version, after a look at the plan."""
    finding.refresh_from_db()
    wish = regression.Wish(
        finding=finding,
        suite=road.suite,
        target="English",
        components=[NODE],
        choices=[regression.Choice(feedback_id=remark.pk)],
    )
    owner = road.cast.eval_owner
    planned = regression.plan(actor=owner, wish=wish)
    assert planned.refusals == []
    (case,) = regression.make(
        actor=owner, wish=wish, digest=planned.digest, reason="It must not come back."
    )
    assert (case.finding_id, case.probe_id, case.feedback_id) == (
        finding.pk,
        finding.probe_id,
        remark.pk,
    )
    version = drafts.publish(actor=owner, draft=suites.draft(road.suite)).version
    assert version.n_cases == len(QUESTIONS) + 1
    for checkpoint in (road.old, road.new):
        # One lucky English answer is not a pass: each case is asked four times.
        evals.execute(evals.start(version, checkpoint, repeats=4))


def gates_tell_them_apart(road: Road) -> None:
    """The old checkpoint is stopped; the new one passes, and is live where the partner calls."""
    production = road.gated(builders.stage("production"))
    _, stopped = road.asked_into(production, road.old)
    assert stopped.outcome == "fail", stopped.sentence
    promotion, passed = road.asked_into(road.gated(road.access.stage), road.new)
    assert passed.outcome == "pass", passed.sentence
    from releases.services.promotions import advance_promotions

    advance_promotions()
    promotion.refresh_from_db()
    assert promotion.state == PromotionState.PROMOTED.value, promotion.state


def reconfirmed(road: Road, gateway: Running, finding: Finding) -> None:
    """The reporter is asked by the codename it knows, looks, and says that it is gone."""
    finding.refresh_from_db()
    investigations.close_as_fixed(
        actor=road.cast.behaviour_reviewer,
        finding=finding,
        checkpoint=road.new,
        reason="The gate on it passes.",
    )
    assert reconfirmations.ask_reporters() == 1
    headers = {"authorization": f"Bearer {road.access.key_text}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=60) as client:
        (notice,) = client.get("/notices").json()["data"]
        assert "quasar-alpha" in notice["text"] and road.new.name not in str(notice)
        body = {"model": "quasar-alpha", "messages": _asked(QUESTIONS[1]), "max_tokens": 16}
        assert client.post("/chat/completions", json=body).status_code == 200
        answer = {"resolved": True, "comment": "It is fine now."}
        assert client.post(f"/notices/{notice['id']}/ack", json=answer).status_code == 200
    assert reconfirmations.take_answers() == 1
    finding.refresh_from_db()
    assert finding.reconfirmed_at is not None
    assert FindingState(finding.state) is not FindingState.INVESTIGATING


def shown_on_one_page(finding: Finding) -> None:
    """Every step of the road has a stop, over the API and on the page."""
    road = lineage.road(finding.pk)
    taken = {step.name: len(step.stops) for step in road.steps}
    wanted = (
        *("Feedback", "Call", "Finding", "Probe", "Case", "Suite version", "Run results"),
        *("Gate outcome", "Promotion", "Re-confirmation"),
    )
    assert [name for name in wanted if not taken[name]] == [], taken
    assert road.fixed_by is not None and "chat-nano-2" in road.fixed_by.title
    client = Client()
    client.force_login(builders.login("reader"))
    page = client.get(reverse("console-lineage"), {"id": finding.pk})
    assert page.status_code == 200
    text = unescape(page.content.decode())
    for step in road.steps:
        for stop in step.stops:
            assert stop.title in text, stop
