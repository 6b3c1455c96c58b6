"""One road: from what a partner said to the checkpoint that no longer has the weakness."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alpha.models import Feedback, Finding
from alpha.services import findings, investigations, reconfirmations
from alpha.services.findings import Weakness
from evals.models import Case, Probe, Run, TrainingExport
from evals.selectors import lineage
from evals.services import drafts, regression, training
from evals.services.corrections import Asked
from evals.services.regression import Choice, Wish
from evals.services.training import Wanted
from evals.training.contract import TrainingKind
from infra import clock
from infra.errors import NotFound
from releases.gates.severity import Severity
from releases.models import Checkpoint, GateOutcome, Promotion
from tests import builders as shared
from tests import clients
from tests.alpha import builders as alpha
from tests.evals import builders
from tests.evals.training import world
from tests.evals.upstream import Upstream, completion
from tests.releases import story

pytestmark = pytest.mark.django_db
NODE = "echo.regression"
WORDS = [f"word-{number}" for number in range(50, 62)]
GATE = {"id": "weakness", "kind": "eval_floor", "suite": "echo", "node": NODE, "at_least": 0.5}
NAMES = [
    "Feedback", "Call", "Finding", "Probe", "Case", "Suite version", "Run results",
    "Gate outcome", "Promotion", "Re-confirmation", "Training rows",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolated:
    """What a probe isolated."""

    component: str
    probe_id: UUID


def by_the_probe(finding_id: UUID) -> list[Isolated]:
    """A source of isolations: each probe of the finding, by its title."""
    found = Probe.objects.filter(finding_id=finding_id)
    return [Isolated(component=one.title, probe_id=one.pk) for one in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """Everything on the road."""

    remarks: list[Feedback]
    finding: Finding
    probe: Probe
    cases: list[Case]
    old: Checkpoint
    new: Checkpoint
    runs: list[Run]
    refused: Promotion
    promoted: Promotion
    export: TrainingExport


def run_of(upstream: Upstream, checkpoint: Checkpoint, version: Any, *wrong: str) -> Run:
    upstream.rules[:] = [lambda text, n: completion("no") if text in wrong else None]
    return builders.execute(builders.start(version, checkpoint))


@pytest.fixture
def walked(upstream: Upstream, settings: Any) -> Walked:
    settings.ISOLATION_SOURCES = ["tests.evals.test_lineage.by_the_probe"]
    components = {**builders.COMPONENTS, NODE: "what partners met"}
    version = builders.published(3, components=components)
    cast, of = shared.cast(), alpha.access(upstream.base_url)
    new = builders.served(upstream.base_url, "chat-nano-2", checkpoint_digest="b" * 64)
    remarks = [world.corrected(of, word, word) for word in WORDS]
    for remark in remarks:
        alpha.usage_event(of, remark.request_id)
    weakness = Weakness(title="It does not echo", severity=Severity.MAJOR)
    finding = findings.open_finding(
        actor=cast.behaviour_reviewer, weakness=weakness, feedback=remarks
    )
    findings.confirm_finding(actor=cast.eval_owner, finding=finding, reason="Seen twice.")
    probe = Probe.objects.create(
        finding=finding, title="system prompt", graders=[], question="?", repeats=1, concurrency=1,
        seed=1, created_by_id=cast.eval_owner.person_id, created_at=clock.now(),
    )  # fmt: skip
    step: dict[str, Any] = {"actor": cast.behaviour_reviewer, "finding": finding, "reason": "So."}
    investigations.isolate_finding(component="system prompt", probe_id=probe.pk, **step)
    finding.refresh_from_db()
    choices = [Choice(feedback_id=remark.pk) for remark in remarks]
    wish = Wish(finding=finding, suite=version.suite, choices=choices, components=[NODE])
    digest = regression.plan(actor=cast.eval_owner, wish=wish).digest
    cases = regression.make(actor=cast.eval_owner, wish=wish, digest=digest, reason="Never again.")
    published = drafts.publish(
        actor=cast.eval_owner, draft=drafts.draft_of(actor=cast.eval_owner, suite=version.suite)
    ).version
    runs = [run_of(upstream, of.checkpoint, published, *WORDS), run_of(upstream, new, published)]
    stage = story.stage(GATE, name="production")
    refused = story.requested(cast.release_manager, of.checkpoint, stage)
    promoted = story.promoted(cast, new, stage)
    investigations.close_as_fixed(checkpoint=new, **step)
    reconfirmations.reconfirm_finding(**step)
    asked = Asked(with_cases=True)
    wanted = Wanted(kind=TrainingKind.SFT, asked=asked, validation_share=0)
    return Walked(
        remarks=remarks,
        finding=finding,
        probe=probe,
        cases=cases,
        old=of.checkpoint,
        new=new,
        runs=runs,
        refused=refused,
        promoted=promoted,
        export=training.make_export(actor=cast.eval_owner, wanted=wanted),
    )


def stops(found: lineage.Road, name: str) -> list[lineage.Stop]:
    return list(next(step.stops for step in found.steps if step.name == name))


def test_the_gate_that_asks_for_the_cases_refuses_the_old_and_admits_the_new(
    walked: Walked,
) -> None:
    outcomes = {
        promotion.pk: GateOutcome.objects.filter(evaluation__promotion=promotion).last()
        for promotion in (walked.refused, walked.promoted)
    }
    old, new = outcomes[walked.refused.pk], outcomes[walked.promoted.pk]
    assert old is not None and new is not None
    assert (old.gate_id, old.outcome) == ("weakness", "fail")
    assert (new.gate_id, new.outcome) == ("weakness", "pass")
    walked.promoted.refresh_from_db()
    assert walked.promoted.state == "promoted"


def test_every_step_of_the_road_is_there(walked: Walked) -> None:
    found = lineage.road(walked.remarks[0].pk)
    assert [step.name for step in found.steps] == NAMES
    n_stops = {step.name: len(step.stops) for step in found.steps}
    assert n_stops == {
        "Feedback": 12, "Call": 12, "Finding": 1, "Probe": 1, "Case": 12, "Suite version": 1,
        "Run results": 2, "Gate outcome": 2, "Promotion": 2, "Re-confirmation": 1,
        "Training rows": 12,
    }  # fmt: skip
    assert [stop.title for stop in stops(found, "Run results")] == [
        "chat-nano-1 on echo@2: 0 of 12 passed",
        "chat-nano-2 on echo@2: 12 of 12 passed",
    ]
    assert [stop.state for stop in stops(found, "Gate outcome")] == ["fail", "pass"]
    assert stops(found, "Suite version")[0].title == "echo@2, 15 cases"
    assert stops(found, "Re-confirmation")[0].title == (
        "acme confirms that it is gone in chat-nano-2"
    )
    assert found.fixed_by is not None and found.fixed_by.id == str(walked.new.pk)
    assert stops(found, "Feedback")[0].id == str(walked.remarks[0].pk)


@pytest.mark.long
def test_the_road_is_the_same_from_wherever_it_is_entered(walked: Walked) -> None:
    outcome = GateOutcome.objects.filter(evaluation__promotion=walked.promoted).last()
    row = walked.export.rows.get(feedback=walked.remarks[0])
    assert outcome is not None
    ids = {
        "feedback": walked.remarks[3].pk,
        "call": walked.remarks[3].request_id,
        "finding": walked.finding.pk,
        "probe": walked.probe.pk,
        "case": walked.cases[5].pk,
        "suite version": walked.runs[0].version_id,
        "run": walked.runs[1].pk,
        "gate outcome": outcome.pk,
        "promotion": walked.promoted.pk,
        "training row": row.pk,
        "training export": walked.export.pk,
    }
    want = lineage.as_json(lineage.road(walked.finding.pk))
    for kind, identifier in ids.items():
        assert isinstance(identifier, UUID)
        found = lineage.as_json(lineage.road(identifier))
        assert found["subject"]["kind"] == kind
        assert (found["steps"], found["fixed_by"]) == (want["steps"], want["fixed_by"]), kind


def test_a_remark_that_went_nowhere_has_no_further_step(walked: Walked) -> None:
    alone = Feedback.objects.create(
        partner=walked.remarks[0].partner, state="new", comment="hm", received_at=clock.now()
    )
    found = lineage.road(alone.pk)
    assert [step.name for step in found.steps if step.stops] == ["Feedback"]
    assert found.fixed_by is None
    with pytest.raises(NotFound, match="leads to a remark"):
        lineage.road(uuid4())


@pytest.mark.long
def test_the_road_asks_as_many_questions_for_many_remarks_as_for_few(walked: Walked) -> None:
    with CaptureQueriesContext(connection) as queries:
        lineage.road(walked.finding.pk)
    assert len(queries) <= 40


def test_api_and_command_tell_the_same_road(walked: Walked) -> None:
    out = io.StringIO()
    call_command("lineage", str(walked.cases[0].pk), "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert [step["name"] for step in told["steps"]] == NAMES
    client = clients.signed_in("auditor")
    assert client.get(f"/api/lineage/{walked.cases[0].pk}/").json() == told
    assert client.get(f"/api/lineage/{uuid4()}/").status_code == 404
    out = io.StringIO()
    call_command("lineage", str(walked.cases[0].pk), stdout=out)
    assert "Fixed by: chat-nano-2" in out.getvalue()
    with pytest.raises(SystemExit):
        call_command("lineage", str(uuid4()), stderr=io.StringIO())
