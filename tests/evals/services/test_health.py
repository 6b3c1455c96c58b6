"""Suite health: measured after runs, kept, and read by pages, commands and gates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from evals import outputs
from evals.models import CaseAudit, Result, Run, SizeFrontier, SuiteHealth, SuiteVersion
from evals.selectors import health as reads
from evals.selectors.signals import near_duplicates
from evals.services import frontier, health, runs, suites
from evals.states import AuditFinding, ResultState, RunState, ShardState
from infra import clock
from infra.errors import InvalidInput, NotPermitted
from infra.models import AuditEntry
from releases.statistics.suite_status import SuiteStatus
from tests import builders as shared
from tests.builders import NOW, PASSWORD
from tests.evals import builders

pytestmark = pytest.mark.django_db
N_CASES = 60


def ran(version: SuiteVersion, name: str, n_right: int, day: int, **fields: Any) -> Run:
    """A completed run of a checkpoint that is right on the first so many cases."""
    registered = {"registered_at": NOW + timedelta(days=day), **fields}
    run = builders.start(version, builders.served("http://127.0.0.1:9/v1", name, **registered))
    run.state, run.started_at = RunState.RUNNING.value, clock.now()
    run.save(update_fields=["state", "started_at"])
    cases = version.cases.order_by("position")
    Result.objects.bulk_create(_result(run, case, i < n_right, i) for i, case in enumerate(cases))
    for state in (ShardState.RUNNING, ShardState.DONE):
        run.shards.update(state=state.value)
    assert runs.finish_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def _result(run: Run, case: Any, right: bool, number: int) -> Result:
    text = case.target if right else f"no, {run.checkpoint.name}"
    score = float(right)
    return Result(
        run=run,
        case=case,
        repeat=0,
        state=(ResultState.PASSED if right else ResultState.FAILED).value,
        score=score,
        components={label: {"score": score, "explanation": ""} for label in case.components},
        output=outputs.pack(outputs.Output(text=text, finish_reason="stop")),
        cost_micros=10 + number % 5,
        latency_ms=100.0 + number,
        recorded_at=clock.now(),
    )


def state(suite_version: SuiteVersion) -> tuple[SuiteStatus, str]:
    found = reads.suite_health(suite_version.suite, clock.now().date())
    return found.state, found.reason


def test_a_suite_is_measured_once_for_what_it_has_seen() -> None:
    version = builders.published(N_CASES)
    ran(version, "first", 20, 0)
    assert health.measure_due() == 1 and health.measure_due() == 0
    ran(version, "second", 35, 14)
    assert health.measure_due() == 1
    found = reads.suite_health(version.suite, clock.now().date())
    (measured,) = (one.measured for one in found.classes)
    assert [point.checkpoint for point in measured.points] == ["first", "second"]
    assert (measured.n_constant, measured.n_passed_by_all) == (45, 20)
    assert measured.live_share == pytest.approx(15 / 60)
    assert sum(measured.difficulty) == N_CASES
    assert found.state is SuiteStatus.FRESH or "still tell" in found.reason
    assert SuiteHealth.objects.count() == 2


def test_one_checkpoint_is_too_new_to_judge() -> None:
    version = builders.published(N_CASES)
    ran(version, "first", N_CASES, 0)
    health.measure_due()
    assert state(version)[0] is SuiteStatus.FRESH


def test_a_suite_that_all_pass_is_saturated_then_expired_until_somebody_renews_it() -> None:
    version = builders.published(N_CASES)
    for number, n_right in enumerate((58, 59)):
        ran(version, f"c{number}", n_right, number)
    health.measure_due()
    found, reason = state(version)
    assert found is SuiteStatus.SATURATED and "can still block, no longer promote" in reason
    ran(version, "c2", 60, 2)
    health.measure_due()
    found, reason = state(version)
    assert found is SuiteStatus.EXPIRED and "on two checkpoints running" in reason
    suites.renew_suite(
        actor=shared.cast().eval_owner,
        suite=version.suite,
        review_by=clock.now().date() + timedelta(days=90),
        reason="Kept as a guard while its successor is written.",
    )
    assert health.measure_due() == 1
    assert state(version)[0] is SuiteStatus.SATURATED


def test_sizes_wear_out_on_their_own() -> None:
    version = builders.published(N_CASES)
    for number, n_right in enumerate((59, 60)):
        ran(version, f"big{number}", n_right, number, size="standard")
        ran(version, f"small{number}", 20 + 15 * number, number)
    health.measure_due()
    today = clock.now().date()
    told = {
        size: reads.version_state(version, today, family="chat", size=size)[0]
        for size in ("standard", "nano", "mini")
    }
    assert told["standard"] is SuiteStatus.SATURATED
    assert told["nano"] in (SuiteStatus.FRESH, SuiteStatus.AGEING)
    assert told["mini"] is SuiteStatus.FRESH
    whole, reason = state(version)
    assert whole is SuiteStatus.SATURATED and reason.startswith("chat standard: ")


def test_a_past_moment_knows_only_what_was_measured_by_then() -> None:
    version = builders.published(N_CASES)
    before = clock.now()
    for number in range(2):
        ran(version, f"c{number}", 59 + number, number)
    health.measure_due()
    today = clock.now().date()
    asked = {"family": "chat", "size": "nano"}
    assert reads.version_state(version, today, **asked)[0] is SuiteStatus.SATURATED
    assert reads.version_state(version, today, **asked, then=before)[0] is SuiteStatus.FRESH


def test_a_small_new_version_does_not_make_a_worn_suite_fresh() -> None:
    version = builders.published(N_CASES)
    for number in range(2):
        ran(version, f"c{number}", 59 + number, number)
    second = builders.published(N_CASES + 2)
    assert second.number == 2
    health.measure_due()
    assert state(second)[0] is SuiteStatus.SATURATED


def test_versions_are_linked_by_their_common_cases() -> None:
    first = builders.published(N_CASES)
    ran(first, "old", 30, 0)
    second = builders.published(N_CASES + 30)
    ran(second, "new", 40, 14)
    health.measure_due()
    found = reads.suite_health(second.suite, clock.now().date())
    link = found.classes[0].measured.link
    assert link is not None and (link["version"], link["n_common"]) == (1, N_CASES)
    # Ten more of the common cases are right; the whole score fell from 30/60 to 40/90.
    assert link["offset"] == pytest.approx(10 / 60 - (40 / 90 - 30 / 60))
    assert link["linking_error"] > 0


def test_wrong_labels_lower_the_ceiling_and_half_of_them_expire_the_suite() -> None:
    version, cast = builders.published(N_CASES), shared.cast()
    for number in range(2):
        ran(version, f"c{number}", 30 + 10 * number, number)
    failing = list(version.cases.order_by("-position")[:4])
    for case, finding in zip(failing, [AuditFinding.RIGHT] * 3, strict=False):
        health.audit_case(actor=cast.eval_owner, case=case, finding=finding, reason="Looked.")
    wrong = AuditFinding.MISLABELLED
    health.audit_case(actor=cast.eval_owner, case=failing[3], finding=wrong, reason="Typo.")
    health.measure_due()
    measured = reads.suite_health(version.suite, clock.now().date()).classes[0].measured
    assert measured.ceiling == pytest.approx(1 - (1 - 40 / 60) / 4)
    health.audit_case(actor=cast.eval_owner, case=failing[0], finding=wrong, reason="Looked twice.")
    health.measure_due()
    found, reason = state(version)
    assert found is SuiteStatus.EXPIRED and reason == "2 of 4 audited failures were wrong labels"
    assert AuditEntry.objects.filter(action="case.audited").count() == 5


def test_who_may_audit_and_with_what() -> None:
    version, cast = builders.published(N_CASES), shared.cast()
    case, finding = version.cases.first(), AuditFinding.RIGHT
    with pytest.raises(NotPermitted):
        health.audit_case(actor=cast.auditor, case=case, finding=finding, reason="I may not.")
    with pytest.raises(InvalidInput):
        health.audit_case(actor=cast.eval_owner, case=case, finding=finding, reason=" ")
    assert not CaseAudit.objects.exists()


def test_a_canary_in_an_answer_is_a_signal_and_no_verdict() -> None:
    version = builders.published(N_CASES, canary="no, second")
    ran(version, "first", 20, 0)
    ran(version, "second", 30, 14)
    health.measure_due()
    measured = reads.suite_health(version.suite, clock.now().date()).classes[0].measured
    signals = {signal.code: signal for signal in measured.signals}
    assert "30 answers of second" in signals["canary"].sentence
    assert not measured.is_contaminated


def test_exposed_cases_that_gain_more_than_their_twins_expire_the_suite() -> None:
    fresh = {f"c{n:05d}": {"twin_of": f"c{n + 30:05d}"} for n in range(30)}
    spec = builders.suite_spec(N_CASES)
    cases = [
        builders.case(n, metadata=fresh.get(case.case_id, {})) for n, case in enumerate(spec.cases)
    ]
    version = builders.published(N_CASES, cases=cases)
    ran(version, "reference", 5, -400)
    run = ran(version, "leaked", 5, 0)
    assert run.state == RunState.COMPLETED.value
    version.cases.filter(position__gte=30)
    health.measure_due()
    assert not reads.suite_health(version.suite, clock.now().date()).classes[0].measured.signals
    leaked = builders.start(version, builders.served("http://127.0.0.1:9/v1", "later"))
    leaked.state, leaked.started_at = RunState.RUNNING.value, clock.now()
    leaked.save(update_fields=["state", "started_at"])
    known = enumerate(version.cases.order_by("position"))
    Result.objects.bulk_create(
        _result(leaked, case, i < 5 or (i >= 30 and i % 4 > 0), i) for i, case in known
    )
    for one in (ShardState.RUNNING, ShardState.DONE):
        leaked.shards.update(state=one.value)
    assert runs.finish_run(run_id=leaked.pk)
    health.measure_due()
    found, reason = state(version)
    assert found is SuiteStatus.EXPIRED and "better than their fresh twins" in reason


def test_near_duplicates_are_found_whatever_their_case_and_punctuation() -> None:
    text = "Which of the tables holds the names of everybody who bought a red bicycle last year"
    again = text.upper() + "?!"
    cases = [
        builders.case(n, input=[{"role": "user", "content": t}])
        for n, t in enumerate(
            [text, "Name the capital of France and the river that runs through it", again]
        )
    ]
    version = builders.published(3, cases=cases)
    assert near_duplicates(version.cases.order_by("position")) == [("c00000", "c00002")]


def test_the_pages_show_health_in_a_constant_number_of_queries() -> None:
    version = builders.published(N_CASES)
    client = Client()
    assert client.login(username="eval_owner", password=PASSWORD)
    counts = []
    for number in range(2):
        ran(version, f"c{number}", 20 + 15 * number, 14 * number)
        health.measure_due()
        client.get(reverse("console-suites"))
        with CaptureQueriesContext(connection) as queries:
            page = client.get(reverse("console-suites")).content.decode()
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert "chat nano" in page
    whole = client.get(reverse("console-suite", args=["echo"])).content.decode()
    assert "Shelf life for chat nano" in whole and "data-chart" in whole


def test_the_api_tells_health_and_the_frontier(valkey: str) -> None:
    version = builders.published(N_CASES)
    for number in range(2):
        ran(version, f"c{number}", 20 + 15 * number, 14 * number)
    health.measure_due()
    client = Client()
    assert client.login(username="eval_owner", password=PASSWORD)
    body = client.get(reverse("suite-health", args=["echo"])).json()
    assert body["classes"][0]["n_cases"] == N_CASES and body["state"] in ("fresh", "ageing")
    found = client.get(reverse("frontier"), {"suite": "echo"}).json()
    assert [point["checkpoint"] for point in found["points"]] == ["c1", "c0"]
    best, other = found["points"]
    assert (best["is_dominated"], other["is_dominated"]) == (False, True)
    assert best["p50"]["lo"] <= best["p50"]["value"] <= best["p50"]["hi"]
    assert found["sentences"][0].startswith("c1 has the highest score")
    assert frontier.frontier(version).pk == SizeFrontier.objects.get().pk
