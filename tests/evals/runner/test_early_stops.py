"""Runs that end once every component is settled, and those that must not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection

from evals.caps import Caps
from evals.models import EarlyStop, Result, Run, SuiteVersion
from evals.runner import early_stops, leases, shards
from evals.selectors import run_orders
from evals.selectors.comparisons import pairs_of
from evals.selectors.method_inputs import comparison_input, whole_comparison_input
from evals.selectors.runs import run_with_id
from evals.selectors.uncompared import uncompared
from evals.services import runs
from evals.services.comparisons import compare
from evals.states import ResultState, RunState
from infra import clock, embedded
from infra.errors import InvalidInput, InvalidMove
from infra.models import AuditEntry
from releases.statistics.betting_sequence import paired_delta_sequence
from releases.statistics.methods import METHODS
from tests import builders as shared
from tests.conftest import database_url
from tests.evals import builders, large, worker
from tests.evals.upstream import Reply, Upstream, completion

CONCURRENCY = 4
LOOKER = """
import sys, time
import django
django.setup()
from evals.runner import early_stops
sys.stdout.write("ready\\n"); sys.stdout.flush()
while True:
    early_stops.look_at_all()
"""


def wrong_on(share: int) -> Callable[[str, int], Reply | None]:
    """Gets one case of that many wrong."""

    def rule(text: str, n: int) -> Reply | None:
        return completion("no idea") if int(text.split("-")[1]) % share == 0 else None

    return rule


def baseline_of(version: SuiteVersion, upstream: Upstream, repeats: int = 1) -> Run:
    """A completed run that was right everywhere, without a call."""
    checkpoint = builders.served(upstream.base_url, "old")
    return recorded(builders.start(version, checkpoint, repeats=repeats))


def recorded(run: Run, share_wrong: float = 0.0) -> Run:
    """The run, completed with answers of which that share is wrong."""
    Run.objects.filter(pk=run.pk).update(state="running", started_at=clock.now())
    order = list(run.version.cases.order_by("position").values_list("case_id", flat=True))
    for repeat in range(run.repeats):
        told = {name: float(at % 100 >= 100 * share_wrong) for at, name in enumerate(order)}
        results_of(run, told, order, repeat)
    for state in ("running", "done"):
        run.shards.update(state=state)
    assert runs.finish_run(run_id=run.pk)
    return run_with_id(run.pk)


def started(version: SuiteVersion, upstream: Upstream, against: Run, **options: object) -> Run:
    checkpoint = builders.served(upstream.base_url, "new")
    return builders.start(version, checkpoint, stop_early_against=against, **options)


class Looking:
    """Looks in the background, as the periodic task does."""

    def __enter__(self) -> Looking:
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        try:
            while not self._is_over.wait(0.1):
                early_stops.look_at_all()
        finally:
            connection.close()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


def node(nodes: list[dict[str, object]], label: str = "") -> dict[str, object]:
    return next(found for found in nodes if found["node"] == label)


def test_a_run_that_is_surely_worse_stops_and_its_comparison_says_so(
    committed_db: str, valkey: str, upstream: Upstream
) -> None:
    upstream.delay_s = 0.03
    version = builders.published(700)
    old = baseline_of(version, upstream)
    upstream.rules.append(wrong_on(2))
    run = started(version, upstream, old, concurrency=CONCURRENCY, stop_margin=0.1)
    with Looking():
        done = builders.execute(run)
    stop = EarlyStop.objects.get(run=run)
    assert (done.state, done.ended_because) == ("completed", stop.sentence)
    words = f"Settled after {stop.n_cases} of 700 cases against old: surely more than 10 points"
    assert stop.sentence.startswith(words)
    # One of two components is all wrong, the other all right: both are settled.
    assert node(stop.nodes, "echo.second")["verdict"] == "regression"
    assert node(stop.nodes, "echo.first")["verdict"] == "non_inferior"
    assert upstream.n_calls < 600
    states = Counter(Result.objects.filter(run=run).values_list("state", flat=True))
    assert states["skipped"] == 700 - upstream.n_calls > 100
    assert AuditEntry.objects.filter(action="run.settled_early").count() == 1

    made = compare(candidate_run=done, baseline_run=old, margin=0.1)
    root = node(made.nodes)
    assert made.confidence == pytest.approx(0.99)
    assert (root["n"], root["n_beyond"]) == (stop.n_cases, 700 - stop.n_cases)
    assert (root["verdict"], root["method"], made.n_errored) == ("regression", "anytime", 0)
    assert "99% anytime CI" in str(root["sentence"])
    assert uncompared(made, pairs_of(made, "")).n_beyond == 700 - stop.n_cases
    assert_reproducible(made)


def assert_reproducible(made: object) -> None:
    """The recorded numbers are made again from their inputs, alone and all together."""
    for found in made.nodes:  # type: ignore[attr-defined]
        call = comparison_input(made, found["node"])  # type: ignore[arg-type]
        answer = METHODS[call.method].call(call.given)
        assert call.method == "paired_delta_sequence"
        for given, shown in call.fields.items():
            assert answer[given] == pytest.approx(found[shown], abs=1e-12)
    call = whole_comparison_input(made)  # type: ignore[arg-type]
    (nodes,) = METHODS[call.method].call(call.given).values()
    kept = [{k: v for k, v in found.items() if k != "n_beyond"} for found in made.nodes]  # type: ignore[attr-defined]
    assert json.loads(json.dumps(nodes)) == kept


def test_a_run_that_is_equal_goes_to_its_end_and_pays_for_the_looks(
    committed_db: str, valkey: str, upstream: Upstream
) -> None:
    version = builders.published(120)
    old = baseline_of(version, upstream)
    run = started(version, upstream, old, concurrency=CONCURRENCY)
    with Looking():
        done = builders.execute(run)
    assert (done.state, done.ended_because, upstream.n_calls) == ("completed", "", 120)
    assert not EarlyStop.objects.exists()
    made = compare(candidate_run=done, baseline_run=old, margin=0.05)
    assert made.confidence == pytest.approx(0.96)
    assert "(96% CI" in str(node(made.nodes)["sentence"])
    usual = compare(candidate_run=old, baseline_run=done, margin=0.05)
    assert usual.confidence == 0.95
    # At the end z is 2.054.
    wide, narrow = (node(one.nodes)["hi"] for one in (made, usual))
    assert wide > narrow


def results_of(
    run: Run, states: Mapping[str, ResultState | float], order: Sequence[str], repeat: int = 0
) -> None:
    """Record those cases, in that order; a number is the score of an answer."""
    pks = dict(run.version.cases.values_list("case_id", "pk"))
    labels = dict(run.version.cases.values_list("case_id", "components"))
    rows = []
    for case_id in order:
        told = states[case_id]
        score = None if isinstance(told, ResultState) else told
        state = ResultState.PASSED if told == 1.0 else ResultState.FAILED
        state = told if isinstance(told, ResultState) else state
        shares = {} if score is None else dict.fromkeys(labels[case_id], score)
        rows.append(
            Result(
                run=run, case_id=pks[case_id], repeat=repeat, state=state.value, score=score,
                components=builders.shares(**shares), output=b"", recorded_at=clock.now(),
            )
        )  # fmt: skip
    Result.objects.bulk_create(rows)


@pytest.fixture
def under_way(db: None, upstream: Upstream) -> Run:
    """A run of 300 cases that begun, of which nothing is recorded."""
    version = builders.published(300)
    run = started(version, upstream, baseline_of(version, upstream))
    leases.claim(run.shards.get().pk)
    run.refresh_from_db()
    return run


def in_order(run: Run) -> list[str]:
    return [case_id for unit in run_orders.units_of(run) for case_id in unit]


def test_what_was_answered_first_decides_nothing(under_way: Run) -> None:
    order = in_order(under_way)
    results_of(under_way, dict.fromkeys(order, 0.0), order[1:])
    assert early_stops.look_at_all() == 0
    results_of(under_way, {order[0]: 0.0}, order[:1])
    assert early_stops.look_at_all() == 1
    assert early_stops.look_at_all() == 0


def test_the_decision_is_the_same_whoever_looks_and_when(under_way: Run) -> None:
    order = in_order(under_way)
    told = {case_id: float(at % 3 == 0) for at, case_id in enumerate(order)}
    once = early_stops.Looks(under_way)
    at = 0
    for at in range(0, 300, 7):
        results_of(under_way, told, order[at : at + 7])
        once.go_on()
        if (found := once.decision()) is not None:
            break
    results_of(under_way, told, order[at + 7 :])
    later = early_stops.Looks(under_way)
    later.go_on()
    assert found is not None and later.decision() == found
    assert found.n_cases <= at + 7 < 300


def test_errors_count_against_either_side(under_way: Run) -> None:
    order = in_order(under_way)
    told: dict[str, ResultState | float] = dict.fromkeys(order, ResultState.ERRORED)
    results_of(under_way, told, order[:200])
    assert early_stops.look_at_all() == 0
    looks = early_stops.Looks(under_way)
    looks.go_on()
    root = looks._nodes[""].arrays()
    # The baseline was right everywhere: the worst is -1, the best 0.
    assert (set(root.lows), set(root.highs)) == ({-1.0}, {0.0})


def test_a_refusal_is_a_score_and_no_error(under_way: Run) -> None:
    order = in_order(under_way)
    results_of(under_way, dict.fromkeys(order, 0.0), order[:60])
    assert early_stops.look_at_all() == 1
    stop = EarlyStop.objects.get()
    assert node(stop.nodes)["delta"] == -1.0


def test_clusters_are_asked_whole_and_looked_at_whole(db: None, upstream: Upstream) -> None:
    cases = [builders.case(n, cluster=f"doc-{n // 5}" if n < 200 else "") for n in range(300)]
    version = builders.published(300, cases=cases)
    old = baseline_of(version, upstream)
    run = started(version, upstream, old, repeats=2)
    items = run_orders.items_of(run)
    seen = [item.case_id for item in items]
    clusters = {case.case_id: case.cluster or case.case_id for case in cases}
    whole = [clusters[case_id] for case_id in seen]
    assert len(items) == 600 and len(set(items)) == 600
    changes = sum(a != b for a, b in zip(whole, whole[1:], strict=False)) + 1
    assert changes == len(set(whole)) == 140
    looks = early_stops.Looks(run)
    assert looks._nodes[""].largest == 5
    assert looks._nodes["echo.first"].largest == 3


def test_shards_go_through_the_order_side_by_side(db: None, upstream: Upstream) -> None:
    version = builders.published(1_100)
    old = baseline_of(version, upstream)
    run = started(version, upstream, old, repeats=2, concurrency=64)
    items = [item.case_id for item in run_orders.items_of(run)]
    first, second = (items[s.first : s.last + 1] for s in run.shards.all())
    order = in_order(run)
    assert first[::2] == order[::2] and second[::2] == order[1::2]
    other = started_again(run)
    assert in_order(other) != order


def started_again(run: Run) -> Run:
    return builders.start(
        run.version, run.checkpoint, stop_early_against=run.stop_early_against, seed=run.seed
    )


def test_too_small_components_are_not_waited_for(db: None, upstream: Upstream) -> None:
    rare = [
        builders.case(n, components=["echo.first" if n < 8 else "echo.second"]) for n in range(200)
    ]
    version = builders.published(200, cases=rare)
    run = started(version, upstream, baseline_of(version, upstream))
    leases.claim(run.shards.get().pk)
    order = in_order(run)
    results_of(run, dict.fromkeys(order, 0.0), order[:60])
    assert early_stops.look_at_all() == 1
    nodes = EarlyStop.objects.get().nodes
    assert node(nodes, "echo.first")["verdict"] == "insufficient"
    assert node(nodes, "echo.first")["lo"] is None


def test_a_decision_that_comes_late_changes_nothing(under_way: Run) -> None:
    order = in_order(under_way)
    results_of(under_way, dict.fromkeys(order, 0.0), order)
    under_way.shards.update(state="done")
    looks = early_stops.Looks(under_way)
    looks.go_on()
    Run.objects.filter(pk=under_way.pk).update(state=RunState.CANCELLED.value)
    stopped = looks.decision()
    assert stopped is not None
    from evals.services.early_stops import record_early_stop

    assert record_early_stop(run_id=under_way.pk, stopped=stopped) is False
    assert not EarlyStop.objects.exists()


def test_what_cannot_stop_early_is_refused_by_name(db: None, upstream: Upstream) -> None:
    version = builders.published(60)
    old = baseline_of(version, upstream)
    new = builders.served(upstream.base_url, "new")
    with pytest.raises(InvalidInput, match="stop_margin belongs to stop_early_against"):
        builders.start(version, new, stop_margin=0.1)
    for margin in (-0.1, 1.5, float("nan")):
        with pytest.raises(InvalidInput, match="write a share of 1"):
            builders.start(version, new, stop_early_against=old, stop_margin=margin)
    going = builders.start(version, new)
    with pytest.raises(InvalidMove, match="is queued: name a completed run"):
        builders.start(version, new, stop_early_against=going)
    Run.objects.filter(pk=old.pk).update(ended_because="Its cap was reached.")
    old.refresh_from_db()
    with pytest.raises(InvalidMove, match="ended early: name a completed run"):
        builders.start(version, new, stop_early_against=old)
    Run.objects.filter(pk=old.pk).update(ended_because="")
    old.refresh_from_db()
    other = builders.published(60, name="other")
    with pytest.raises(InvalidInput, match="different suites"):
        builders.start(other, new, stop_early_against=old)
    tiny = builders.published(9)
    with pytest.raises(InvalidMove, match="shares 9 of 60 cases"):
        builders.start(tiny, new, stop_early_against=old)
    builders.start(version, new, stop_early_against=old, idempotency_key="k")
    with pytest.raises(InvalidMove, match="differs in stop_early_against"):
        builders.start(version, new, idempotency_key="k")
    with pytest.raises(InvalidMove, match="differs in stop_margin"):
        builders.start(version, new, stop_early_against=old, stop_margin=0.5, idempotency_key="k")


def test_caps_and_early_stops_go_together(db: None, upstream: Upstream) -> None:
    version = builders.published(60)
    old = baseline_of(version, upstream)
    run = started(version, upstream, old, caps=Caps(most_tokens=240))
    done = builders.execute(run)
    assert "tokens was reached" in done.ended_because
    root = node(compare(candidate_run=done, baseline_run=old, margin=0.3).nodes)
    assert root["verdict"] == "inconclusive" and root["n_missing"] > 40


def begin_looking(database: str) -> subprocess.Popen[str]:
    """A process that does nothing but look."""
    environment = {
        **os.environ,
        **{variable: getattr(settings, name) for variable, name in worker.SECRETS.items()},
        "SLIPWAY_DATABASE_URL": database_url("app", database),
        "SLIPWAY_REDIS_URL": embedded.redis_url(),
        "DJANGO_SETTINGS_MODULE": "infra.settings",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", LOOKER],
        env=environment,
        cwd=settings.PROJECT_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.long
def test_kills_of_who_looks_and_of_who_calls_change_nothing(
    committed_db: str, valkey: str, upstream: Upstream
) -> None:
    version = builders.published(1_010)
    old = baseline_of(version, upstream)
    upstream.rules.append(wrong_on(2))
    upstream.delay_s = 0.04
    run = started(version, upstream, old, repeats=2, concurrency=8, stop_margin=0.1)
    looker = begin_looking(committed_db)
    callers = [worker.begin(shard.pk, committed_db) for shard in run.shards.all()]
    assert len(callers) == 2
    while upstream.n_calls < 40:
        time.sleep(0.005)
    for process in (looker, *callers):
        process.kill()
        process.wait()
    time.sleep(0.5)
    assert not EarlyStop.objects.exists()
    with clock.moved_by(leases.LEASE + timedelta(seconds=1)):
        leases.sweep()
    again = [worker.begin(shard.pk, committed_db) for shard in run.shards.all()]
    with Looking():
        ends_at = time.monotonic() + 60
        while not EarlyStop.objects.exists():
            assert time.monotonic() < ends_at
            time.sleep(0.05)
        for process in again:
            assert process.wait(timeout=60) == 0
    run.refresh_from_db()
    assert run.state == "completed" and "Settled after" in run.ended_because
    stop = EarlyStop.objects.get(run=run)
    counted = Counter(Result.objects.filter(run=run).values_list("case_id", "repeat"))
    assert (len(counted), set(counted.values())) == (2_020, {1})
    assert upstream.n_calls < 2_020
    # Whoever looks at the whole afterwards decides the same.
    looks = early_stops.Looks(run)
    looks.go_on()
    found = looks.decision()
    assert found is not None
    assert (found.n_units, [dict(n) for n in found.nodes]) == (stop.n_units, stop.nodes)
    answered = Result.objects.filter(run=run).exclude(state="skipped")
    last = answered.latest("recorded_at").recorded_at
    # Each shard looks once a second.
    assert last - stop.decided_at < timedelta(seconds=4)


@pytest.mark.long
@pytest.mark.django_db
def test_ten_thousand_cases_under_fifty_nodes_are_looked_at_within_a_second() -> None:
    shared.cast()
    version = large.version(10_000)
    old = large.completed(version, "large-old", 0.7)
    run = builders.start(
        version, builders.served("http://127.0.0.1:9/v1", "large-new"),
        stop_early_against=old, stop_margin=0.0,
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(state="running")
    import random

    dice = random.Random(1)
    rows = [large._result(run, case, dice, 0.7) for case in version.cases.order_by("position")]
    Result.objects.bulk_create(rows, batch_size=2000)
    early_stops._KNOWN.clear()
    took = []
    for _ in range(3):
        began = time.perf_counter()
        early_stops.look_at(run.pk)
        took.append(time.perf_counter() - began)
    print("first look %.3f s, then %.3f s" % (took[0], took[-1]))  # noqa: T201, UP031
    assert took[-1] <= 1.0


def test_the_running_interval_of_a_node_is_the_published_one(under_way: Run) -> None:
    order = in_order(under_way)
    told = {case_id: float(at % 2 == 0) for at, case_id in enumerate(order)}
    results_of(under_way, told, order[:150])
    assert early_stops.look_at_all() == 1
    root = node(EarlyStop.objects.get().nodes)
    d = [told[case_id] - 1.0 for case_id in order[: int(root["n"])]]
    ends = paired_delta_sequence(d, 0.99, running=True)
    assert (root["lo"], root["hi"]) == pytest.approx((ends.lo, ends.hi))


def test_a_shard_that_is_claimed_after_the_decision_asks_nothing(under_way: Run) -> None:
    order = in_order(under_way)
    results_of(under_way, dict.fromkeys(order, 0.0), order[:60])
    early_stops.look_at_all()
    under_way.shards.update(lease_until=clock.now() - timedelta(seconds=1))
    shards.run_shard(under_way.shards.get().pk)
    under_way.refresh_from_db()
    states = Counter(Result.objects.filter(run=under_way).values_list("state", flat=True))
    assert (under_way.state, states["skipped"]) == ("completed", 240)
