"""A partner without consent: its words are nowhere, whatever is made of what it reported."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import httpx2 as httpx
import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from alpha.gateway.config import GatewayConfig
from alpha.models import Feedback, FeedbackAttachment, Finding, Transcript
from alpha.services import findings, partners
from alpha.services.findings import Weakness
from alpha.services.triage import index_feedback
from evals.catalogues import catalogue_of
from evals.models import TrainingExport
from evals.selectors import suites
from evals.services import drafts, regression, replays
from evals.services.probes import design
from infra import clock
from infra.errors import InvalidMove
from infra.roles import Role
from releases.gates.severity import Severity
from releases.models import DecisionRecord
from releases.services.promotions import advance_promotions
from tests import builders
from tests.alpha.builders import ACTOR, Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import running, usage_of
from tests.alpha.gateway.test_feedback_files import attachment
from tests.alpha.gateway.test_transcripts import CANARY, ECHO, _everything_in, _files_with
from tests.alpha.gateway.upstream import Upstream
from tests.evals import builders as evals
from tests.evals.training import world
from tests.releases import story

CONTROL = "control-5K1w"
"""Said by a partner who consents: where it is not found, nothing was looked at."""
KINDS = ("sft", "dpo", "rft")
MODES = {"mode": "loops", "sentence": "It loops.", "severity": "major"}


def test_without_consent_nothing_of_a_prompt_is_anywhere(
    config: GatewayConfig,
    granted: Access,
    upstream: Upstream,
    committed_db: str,
    own_object_store: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Call, feedback, finding, cases, training rows, replay, decision: the words stay away."""
    caplog.set_level(logging.DEBUG)
    upstream.behaviour.words = ["It is ", ECHO]
    remark = _reported(config, granted)
    shown = [*_worked_on(remark), *_trained(granted, tmp_path)]
    shown += [*_regression(remark, tmp_path), *_released(granted, tmp_path)]
    _nothing_to_replay(granted)
    found = _everything_in(committed_db)
    assert CONTROL in found and CANARY not in found and ECHO not in found
    assert CONTROL in (tmp_path / "sft" / "train.jsonl").read_text()
    assert _files_with(tmp_path) == [] and _files_with(own_object_store) == []
    assert CANARY not in caplog.text and ECHO not in caplog.text
    assert not [text for text in shown if CANARY in text or ECHO in text]
    assert not FeedbackAttachment.objects.exists()
    assert not Transcript.objects.filter(partner=granted.partner).exists()


def _reported(config: GatewayConfig, granted: Access) -> Feedback:
    """Calls by two endpoints, and a remark with a correction; its file is refused."""
    headers = {"authorization": f"Bearer {granted.key_text}"}
    asked = [{"role": "user", "content": f"Remember {CANARY}"}]
    with running(config, ship_every_s=0.2) as worker:
        body = {"model": "quasar-alpha", "input": CANARY, "instructions": CANARY}
        assert httpx.post(f"{worker.url}/responses", json=body, headers=headers).status_code == 200
        url = f"{worker.url}/chat/completions"
        made = httpx.post(url, json=chat(messages=asked, user=CANARY), headers=headers)
        request_id = made.headers["x-request-id"]
        usage_of(request_id)
        said = {"request_id": request_id, "comment": CONTROL, "correction": "It is seven."}
        url, file = f"{worker.url}/feedback", attachment(f"I asked {CANARY}".encode())
        refused = httpx.post(url, json={**said, "attachment": file}, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "no_consent")
        kept = httpx.post(url, json=said, headers=headers)
        assert kept.status_code == 200, kept.text
    return Feedback.objects.get()


def _worked_on(remark: Feedback) -> list[str]:
    """Everything that people and machines are shown of it afterwards."""
    cast = builders.cast()
    index_feedback()
    finding = findings.open_finding(
        actor=cast.behaviour_reviewer,
        weakness=Weakness(title="Odd", severity=Severity.MINOR),
        feedback=[remark],
    )
    findings.confirm_finding(actor=cast.eval_owner, finding=finding, reason="Seen.")
    assert design.prompts_of_finding(actor=cast.behaviour_reviewer, finding=finding) == []
    pages = [
        reverse("console-feedback") + "?state=linked",
        reverse("console-feedback-item", args=[remark.pk]),
        reverse("console-finding", args=[finding.pk]),
        reverse("console-findings"),
        reverse("console-calls"),
        reverse("console-audit"),
        f"{reverse('console-lineage')}?id={finding.pk}",
        "/api/feedback/",
        f"/api/feedback/{remark.pk}/",
        f"/api/findings/{finding.pk}/",
    ]
    return [*_read(pages), _command("feedback", "list", "--json")]


def _regression(remark: Feedback, folder: Path) -> list[str]:
    """A case of it is refused until a person writes the prompt; then the suite is exported."""
    owner, finding = builders.cast().eval_owner, Finding.objects.get()
    version = evals.published(3, canary="canary-of-the-suite")
    choice = regression.Choice(feedback_id=remark.pk)
    wish = regression.Wish(
        finding=finding, suite=version.suite, components=["echo.first"], choices=[choice]
    )
    refused = regression.plan(actor=owner, wish=wish)
    assert [reason.code for reason in refused.refusals] == ["no_consent"]
    anew = replace(choice, messages=[{"role": "user", "content": f"Written anew: {CONTROL}"}])
    wish = replace(wish, choices=[anew])
    plan = regression.plan(actor=owner, wish=wish)
    regression.make(actor=owner, wish=wish, digest=plan.digest, reason="Keep it away.")
    drafts.publish(actor=owner, draft=suites.draft(version.suite))
    for form in ("slipway", "openai-evals"):
        _command("suite", "export", "echo", form, str(folder / form))
        written = [path for path in (folder / form).rglob("*") if path.is_file()]
        assert any(CONTROL in path.read_text() for path in written), form
    sentences = [f"{reason.sentence} {reason.observed}" for reason in refused.refusals]
    return [*sentences, _command("lineage", str(finding.pk), "--json")]


def _trained(granted: Access, folder: Path) -> list[str]:
    """Rows of another partner's corrections, and none of this one's."""
    other = partners.make_partner(actor=ACTOR, name="bolt", contact_email="dev@bolt.example")
    for number in range(60):
        question = f"{CONTROL}: what is {number}?"
        world.corrected(replace(granted, partner=other), question, f"It is {number}.")
    (folder / "grader.json").write_text(json.dumps(world.GRADER))
    told = []
    for kind in KINDS:
        options = ["--grader", str(folder / "grader.json")] if kind == "rft" else []
        words = ("export", kind, str(folder / kind), "--by", "eval_owner", *options)
        told.append(_command("training", *words))
    left_out = [export.left_out["text_not_kept"] for export in TrainingExport.objects.all()]
    assert left_out == [1, 1, 1]
    downloads = [
        reverse("console-training"),
        *(f"/api/training/exports/{export.pk}/" for export in TrainingExport.objects.all()),
    ]
    return [*told, *_read(downloads)]


def _released(granted: Access, folder: Path) -> list[str]:
    """A decision that looks at findings and traffic; its record with every case."""
    looks = {"id": "open_findings-1", "kind": "open_findings", "none_open_at_or_above": "major"}
    errors = {"id": "error_rate-1", "kind": "error_rate", "at_most": 0.5, "shadow": True}
    to = story.stage(story.MANUAL, looks, errors, name="production")
    promotion = story.promoted(builders.cast(), granted.checkpoint, to)
    advance_promotions()
    record = DecisionRecord.objects.get(promotion=promotion)
    path = folder / "decision.json"
    _command("decision", "export", str(record.pk), "--cases", "--out", str(path))
    pages = [reverse("console-promotion", args=[promotion.pk]), f"/api/promotions/{promotion.pk}/"]
    return [path.read_text(), *_read(pages)]


def _nothing_to_replay(granted: Access) -> None:
    owner, now = builders.cast().eval_owner, clock.now()
    window = replays.Sampling(since=now - timedelta(hours=1), until=now + timedelta(hours=1))
    grader = {"type": "regex", "pattern": "loop", "negate": True}
    with pytest.raises(InvalidMove, match="whose partner consents"):
        replays.draw_set(
            actor=owner,
            name="real",
            stage=granted.stage,
            sampling=window,
            catalogue=catalogue_of({"modes": [{**MODES, "grader": grader}]}),
        )


def _read(places: Sequence[str]) -> list[str]:
    """The pages as a person with every right to read sees them."""
    client = Client()
    roles = (Role.BEHAVIOUR_REVIEWER, Role.PARTNER_MANAGER, Role.EVAL_OWNER)
    client.force_login(builders.login("rev", *roles))
    answers = [client.get(place) for place in places]
    assert {answer.status_code for answer in answers} == {200}, [a.status_code for a in answers]
    return [answer.content.decode() for answer in answers]


def _command(*words: str) -> str:
    told = StringIO()
    call_command(*words, stdout=told)
    return told.getvalue()
