"""Sets of runs: all or none, and one report in the morning."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from standardwebhooks import Webhook

from evals.caps import Caps
from evals.models import Run, RunSet, RunSetReport
from evals.selectors import run_set_reports as reads
from evals.services import run_sets, runs
from infra import webhooks
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from releases.models import Checkpoint
from tests import builders as shared
from tests.evals import builders
from tests.evals.upstream import Upstream, completion, failure
from tests.infra.test_webhooks import SECRET, Receiver, endpoint, receiver, secret  # noqa: F401

N_CASES = 40


def start(upstream: Upstream, *names: str, **options: Any) -> RunSet:
    """A set of the echo suite on checkpoints of those names."""
    version = options.pop("version", None) or builders.published(N_CASES)
    checkpoints = [builders.served(upstream.base_url, name) for name in names]
    values = {"name": "nightly", "versions": [version], "checkpoints": checkpoints, **options}
    return run_sets.start_run_set(actor=builders.DEMO, **values)


def finish(made: RunSet) -> None:
    for run in made.runs.all():
        if run.state == "queued":
            builders.execute(run)


def reported(made: RunSet) -> dict[str, Any]:
    finish(made)
    assert run_sets.report_due() == 1
    content: dict[str, Any] = reads.report_of(made).content
    return content


@pytest.mark.django_db
def test_a_report_says_better_worse_or_cant_tell(upstream: Upstream) -> None:
    version = builders.published(N_CASES)
    good = builders.served(upstream.base_url, "good")
    wrong = Upstream()
    wrong.rules.append(lambda text, n: completion("wrong"))
    with wrong:
        bad = builders.served(wrong.base_url, "bad")
        made = run_sets.start_run_set(
            actor=builders.DEMO,
            name="nightly",
            versions=[version],
            checkpoints=[bad],
            baseline=good,
        )
        assert made.runs.count() == 2, "the baseline has no run yet, so it is run too"
        content = reported(made)
    assert content["counts"] == {"better": 0, "worse": 4, "cant_tell": 0}
    root = content["results"][0]["nodes"][0]
    assert (root["label"], root["answer"], root["verdict"]) == (
        "echo, whole suite",
        "worse",
        "regression",
    )
    assert content["next_step"].startswith("Look at the flipped cases of echo, whole suite of bad")
    assert content["changes"] == ["This is the first set of its name."]
    again = run_sets.start_run_set(
        actor=builders.DEMO, name="nightly", versions=[version], checkpoints=[good], baseline=bad
    )
    assert again.runs.count() == 1, "the baseline's run is there"
    better = reported(again)
    assert better["counts"]["better"] == 4
    assert "No longer run: checkpoint bad." in better["changes"]
    assert "echo, whole suite of good: was worse (bad), is better." in better["changes"]
    assert better["next_step"].endswith("ask for the promotion of good.")


@pytest.mark.django_db
def test_errors_and_caps_come_first(upstream: Upstream) -> None:
    upstream.rules.append(lambda text, n: failure(400) if text < "word-3" else None)
    content = reported(start(upstream, "one"))
    assert content["errors"][0]["code"] == "upstream_400"
    assert "told to answer 400" in content["errors"][0]["example"]
    assert content["next_step"].startswith("Look at the")
    assert content["next_step"].endswith("errors of one on echo, then start it again.")
    upstream.rules.clear()
    capped = reported(start(upstream, "two", caps=Caps(most_tokens=240)))
    assert capped["next_step"].startswith("Raise the cap of two on echo")
    assert capped["runs"][0]["skipped"] > 20


@pytest.mark.django_db
def test_a_cancelled_run_is_told_and_the_rest_reported(upstream: Upstream) -> None:
    made = start(upstream, "one", "two")
    with pytest.raises(InvalidMove, match="2 runs .* not over"):
        reads.report_of(made)
    first = made.runs.get(checkpoint__name="one")
    runs.cancel_run(actor=builders.DEMO, run=first, reason="typo")
    assert run_sets.report_due() == 0
    content = reported(made)
    assert [run["state"] for run in content["runs"]] == ["cancelled", "completed"]
    assert content["next_step"] == "Start one on echo again, whose run is cancelled."
    assert "no baseline was named" in content["results"][1]["problem"]


@pytest.mark.django_db
def test_all_or_none_and_every_reason(upstream: Upstream) -> None:
    version = builders.published(3)
    for name in ("undeployed-1", "undeployed-2"):
        shared.checkpoint(name)
    served = builders.served(upstream.base_url, "served")
    everything = list(Checkpoint.objects.all())
    with pytest.raises(InvalidMove, match="none was started") as refused:
        run_sets.start_run_set(
            actor=builders.DEMO, name="n", versions=[version], checkpoints=everything
        )
    assert len(refused.value.reasons) == len(everything) - 1
    assert (RunSet.objects.count(), Run.objects.count()) == (0, 0)
    for wrong in (
        {"versions": []},
        {"checkpoints": [served, served]},
        {"margin": 2.0},
        {"name": ""},
    ):
        values = {"name": "n", "versions": [version], "checkpoints": [served], **wrong}
        with pytest.raises(InvalidInput):
            run_sets.start_run_set(actor=builders.DEMO, **values)
    with pytest.raises(NotPermitted):
        run_sets.start_run_set(
            actor=shared.cast().auditor, name="n", versions=[version], checkpoints=[served]
        )


@pytest.mark.long
def test_ten_starts_with_one_key_make_one_set_and_one_report(
    committed_db: str, valkey: str, upstream: Upstream
) -> None:
    version = builders.published(6)
    checkpoint = builders.served(upstream.base_url)

    def begin(_: int) -> UUID:
        try:
            return run_sets.start_run_set(
                actor=builders.DEMO,
                name="nightly",
                versions=[version],
                checkpoints=[checkpoint],
                idempotency_key="2026-11-23",
            ).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(begin, range(10)))) == 1
    made = RunSet.objects.get()
    assert made.runs.count() == 1
    finish(made)

    def report(_: int) -> bool:
        try:
            return run_sets.report_on(made.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(report, range(6))) == [False] * 5 + [True]
    assert AuditEntry.objects.filter(action="run_set.reported").count() == 1


@pytest.mark.django_db
def test_a_report_is_written_once(upstream: Upstream) -> None:
    reported(start(upstream, "one"))
    with pytest.raises(DatabaseError), transaction.atomic():
        RunSetReport.objects.update(content={})


@pytest.mark.django_db
def test_the_report_is_told_by_webhook(
    upstream: Upstream,
    receiver: Receiver,  # noqa: F811  the fixture
    secret: str,  # noqa: F811  the fixture
) -> None:
    endpoint(receiver.url, secret)
    made = start(upstream, "one")
    content = reported(made)
    assert webhooks.deliver_due() == 1
    headers, body = receiver.told[0]
    told = Webhook(SECRET).verify(body, headers)
    assert (told["type"], told["data"]) == ("run_set.reported", content)
    assert webhooks.deliveries(str(made.pk)).get().state == "delivered"
