"""What the gateway itself wrote reaches the gates: over HTTP, journal and shipper."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest

from alpha.evidence import live_evidence
from alpha.models import Feedback, TrafficArm, UsageEvent
from alpha.services.batches import LEAST, close_batches
from infra import clock
from releases.evidence import recordable
from releases.gates.contract import Gate
from releases.gates.cost import MIN_ON_MONEY
from releases.gates.judgement import judge_gate
from releases.gates.registry import kinds
from releases.services.prices import set_price
from releases.states import Outcome
from tests.alpha.builders import ACTOR, Access
from tests.alpha.gateway.conftest import chat
from tests.alpha.gateway.server import usage_of, wait_for
from tests.alpha.gateway.upstream import Behaviour, Upstream

N_FAILED, N_DOWN, N_REFUSED = 8, 6, 3


@pytest.fixture
def told(http: httpx.Client, granted: Access, upstream: Upstream) -> Access:
    """A batch of calls: answers, some with a thumbs-down, failures, refused input."""

    def call(name: str) -> httpx.Response:
        return http.post("/chat/completions", json=chat(user=name))

    for number in range(LEAST):
        reply = call(f"user-{number}")
        assert reply.status_code == 200
        if number < N_DOWN:
            said = {"request_id": reply.headers["x-request-id"], "thumbs_up": False}
            assert http.post("/feedback", json=said).status_code == 200
    for status, n in ((500, N_FAILED), (400, N_REFUSED)):
        upstream.behaviour = Behaviour(status=status, raw="{}")
        assert [call(f"met-{status}-{i}").status_code for i in range(n)] == [
            502 if status == 500 else 400
        ] * n
    n_calls = LEAST + N_FAILED + N_REFUSED
    wait_for(lambda: UsageEvent.objects.count() == n_calls, "every call landed")
    wait_for(lambda: not Feedback.objects.filter(state="unbound").exists(), "remarks are bound")
    close_batches(clock.now())
    return granted


def test_what_the_gateway_wrote_reaches_every_live_gate(told: Access) -> None:
    arm = TrafficArm.objects.get(batch__counts="unit")
    n_units = LEAST + N_FAILED + N_REFUSED
    assert (arm.arm, arm.n, arm.n_errors, arm.n_downs) == (1, n_units, N_FAILED, N_DOWN)
    assert len(arm.ms) == LEAST + N_FAILED
    soon = {"expected_units": 100}
    asked = [
        ("error_rate", {"at_most": 0.02, **soon}, Outcome.FAIL),
        ("feedback_rate", {"counts": "thumbs_down", "at_most": 0.01, **soon}, Outcome.FAIL),
        ("latency", {"at_most_ms": 0.001, "quantile": 0.5, **soon}, Outcome.FAIL),
        ("latency", {"at_most_ms": 60_000, "quantile": 0.5, "min_units": 20, **soon}, Outcome.PASS),
        ("exposure", {"partners": 1, "requests": LEAST}, Outcome.PASS),
        ("exposure", {"partners": 1, "requests": LEAST + 1}, Outcome.INCONCLUSIVE),
        ("cost", {"at_most_micros": 10}, Outcome.INCONCLUSIVE),
    ]
    judged_as(told, asked)


def test_costs_that_the_gateway_wrote_settle_their_gate(
    http: httpx.Client, granted: Access
) -> None:
    set_price(
        actor=ACTOR,
        checkpoint=granted.checkpoint,
        currency="USD",
        input_micros_per_million=1_000_000,
        output_micros_per_million=5_000_000,
    )
    wait_for(lambda: _is_priced(http), "the price is known to the gateway")
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(_call, http, f"user-{number}") for number in range(MIN_ON_MONEY)]
    assert {future.result().status_code for future in sent} == {200}
    wait_for(
        lambda: UsageEvent.objects.filter(cost_micros__gt=0).count() > MIN_ON_MONEY,
        "every call landed",
        30,
    )
    close_batches(clock.now())
    cost = UsageEvent.objects.filter(cost_micros__gt=0).values_list("cost_micros", flat=True)
    (micros,) = set(cost)
    soon = {"expected_units": MIN_ON_MONEY}
    asked = [
        ("cost", {"at_most_micros": micros + 1, **soon}, Outcome.PASS),
        ("cost", {"at_most_micros": micros - 1, **soon}, Outcome.FAIL),
    ]
    judged_as(granted, asked)


def _call(http: httpx.Client, user: str) -> httpx.Response:
    return http.post("/chat/completions", json=chat(user=user))


def _is_priced(http: httpx.Client) -> bool:
    reply = _call(http, "first")
    return usage_of(reply.headers["x-request-id"]).cost_micros > 0


def judged_as(granted: Access, asked: list[tuple[str, dict[str, Any], Outcome]]) -> None:
    """Each gate on what was counted so far."""
    for kind, options, outcome in asked:
        now = clock.now()
        found = recordable(live_evidence(kind, options, granted.release, now))
        gate = Gate(id=kind, kind=kind, options=options)
        verdict = judge_gate(gate, found, now, kinds())
        assert verdict.outcome is outcome, (kind, verdict.sentence)
