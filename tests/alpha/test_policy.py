"""What gates and guardrails on live traffic are told when their pipeline is applied."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from releases.models import Release
from releases.services.pipelines import apply_pipelines
from tests import builders
from tests.alpha.traffic import FAILED, SINCE, Traffic, frozen, ship

pytestmark = pytest.mark.django_db

FILE = """\
kind: Pipeline
name: chat
family: chat
stages:
  - name: closed-alpha
    holdback: 50
    guardrails:
      - {kind: error_rate, ratio_at_most: 2.0, action: halt}
    gates: [{kind: artifact}]
  - name: production
    after: {all: [{stage: closed-alpha}]}
    gates:
      - {kind: exposure, partners: 5, days: 7, requests: 20000}
      - {kind: error_rate, id: doubled, ratio_at_most: 2.0}
      - {kind: error_rate, id: bound, at_most: 0.2}
      - {kind: feedback_rate, counts: thumbs_down, ratio_at_most: 1.5}
      - {kind: latency, ratio_at_most: 1.2}
      - {kind: cost, ratio_at_most: 1.1}
      - {kind: preference, baseline: {stage: production}}
      - {kind: open_findings, none_open_at_or_above: major}
"""


def told(text: str = FILE) -> dict[str, tuple[str, Any]]:
    plan = apply_pipelines(
        actor=builders.cast().release_manager, files={"chat.yaml": text}, plan=True
    )
    (pipeline,) = plan.pipelines
    return {
        f"{item.stage}/{item.gate_id}": (item.sentence, item.numbers) for item in pipeline.advice
    }


def called(*, requests: int, failed: int, days: int = 2) -> None:
    """An incumbent's calls of the last days: one a unit, the failed ones among them."""
    traffic = Traffic()
    first = SINCE - timedelta(days=days) + timedelta(hours=1)
    release: Release = traffic.incumbent
    ship(traffic.calls(release, failed, prefix="bad", at=first, **FAILED))
    ship(traffic.calls(release, requests - failed, prefix="good", at=first))


@pytest.mark.parametrize(
    ("ratio", "holdback", "events"),
    [
        ("1.25", 50, 856),
        ("1.5", 50, 228),
        ("2.0", 50, 69),
        ("2.0", 20, 108),
        ("2.0", 90, 191),
        ("1.5", 5, 1198),
    ],
)
def test_a_ratio_takes_the_events_of_the_planning_table(
    ratio: str, holdback: int, events: int
) -> None:
    text = FILE.replace("holdback: 50", f"holdback: {holdback}")
    _, numbers = told(
        text.replace("id: doubled, ratio_at_most: 2.0", f"id: doubled, ratio_at_most: {ratio}")
    )["production/doubled"]
    assert numbers["events"] == pytest.approx(events, abs=1)
    assert numbers["candidate_share"] == pytest.approx(1 - holdback / 100)


def test_every_live_gate_is_told_something_before_any_traffic() -> None:
    found = told()
    assert list(found) == [
        "closed-alpha/error_rate-1",
        "production/exposure-1",
        "production/doubled",
        "production/bound",
        "production/feedback_rate-1",
        "production/latency-1",
        "production/cost-1",
        "production/preference-1",
    ]
    for name in ("exposure-1", "doubled", "feedback_rate-1"):
        assert "no traffic yet to tell" in found[f"production/{name}"][0]
    assert "assumed" in found["production/bound"][0]
    assert "none were seen yet" in found["production/latency-1"][0]


def test_traffic_so_far_turns_events_into_days() -> None:
    with frozen(SINCE):
        called(requests=2000, failed=100)
        found = told()
    sentence, numbers = found["production/doubled"]
    assert numbers["events"] == pytest.approx(69, abs=1)
    # 5% of the units fail, a thousand a day: 69 failures take about 1,400 units.
    assert numbers["units"] == pytest.approx(1400, rel=0.03)
    assert numbers["days"] == pytest.approx(numbers["units"] / (2000 / (47 / 24)), rel=0.01)
    assert re.search(
        r"at 5\.00% of units so far that is 1,\d{3} units or 1,\d{3} requests", sentence
    )
    exposure, numbers = found["production/exposure-1"]
    assert "of 1 partners" in exposure
    assert numbers["takes_days"] == pytest.approx(20000 / (2000 / (47 / 24)), rel=0.01)
    assert found["closed-alpha/error_rate-1"][1]["days"] > 0


def test_a_rate_without_an_event_so_far_takes_long() -> None:
    with frozen(SINCE):
        called(requests=100, failed=0)
        sentence, numbers = told()["production/doubled"]
    assert "there were none" in sentence
    assert "days" not in numbers


def test_a_bound_that_the_rate_so_far_is_above_is_told() -> None:
    with frozen(SINCE):
        called(requests=100, failed=50)
        sentence, _ = told()["production/bound"]
    assert "are not below 20.00%" in sentence


def test_a_guardrail_is_told_by_the_share_that_a_candidate_starts_with() -> None:
    text = FILE.replace(
        "    holdback: 50\n",
        "    ramp: [{percent: 10, for: 2h}, {percent: 90}]\n    holdback: 10\n",
    )
    found = told(text)
    assert found["closed-alpha/error_rate-1"][1]["candidate_share"] == pytest.approx(0.1)
    assert found["production/doubled"][1]["candidate_share"] == pytest.approx(0.9)


def test_votes_are_planned_without_any_stage_to_read() -> None:
    sentence, numbers = told()["production/preference-1"]
    assert numbers["votes"] == 1527
    assert sentence == "1,527 votes settle 3 win-score points (assumed: 30% of them ties)."


def test_a_gate_without_a_stage_to_read_is_told_so() -> None:
    text = FILE[: FILE.index("      - {kind: error_rate, id: doubled")].replace(
        "    after: {all: [{stage: closed-alpha}]}\n", ""
    )
    assert "There is no stage to read" in told(text)["production/exposure-1"][0]
