"""Every number of a live gate comes out of the statistics command again, from what it recorded."""

from __future__ import annotations

import copy
import io
import json
from datetime import timedelta
from typing import Any

import pytest

from alpha.services.batches import close_batches
from releases.digests import plain_json
from releases.evidence import inputs_behind
from releases.gates.contract import Gate
from releases.gates.facts import GateFact
from releases.promotions import decide
from releases.replay.deep import deepened
from releases.replay.judge import replay
from releases.statistics.__main__ import main as statistics
from tests.alpha.test_evidence import NOW, Story
from tests.alpha.traffic import FAILED, ship
from tests.releases.replay import records

pytestmark = pytest.mark.django_db
GATES: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "error_rate",
        {"ratio_at_most": 2.0, "confidence": 0.9},
        ["odds_ratio_sequence", "odds_ratio_looks", "traffic_split"],
    ),
    ("error_rate", {"margin": 0.1, "reference_rate": 0.02}, ["odds_ratio_sequence"]),
    ("error_rate", {"at_most": 0.05, "expected_units": 900}, ["rate_sequence"]),
    ("latency", {"at_most_ms": 500, "quantile": 0.9}, ["rate_sequence"]),
    ("cost", {"ratio_at_most": 1.5}, ["mean_difference_sequence"]),
    ("cost", {"at_most_micros": 90}, ["mean_sequence"]),
    ("feedback_rate", {"counts": "thumbs_down", "ratio_at_most": 2.0}, ["odds_ratio_sequence"]),
    (
        "feedback_rate",
        {"counts": "confirmed_findings", "ratio_at_most": 2.0},
        ["feedback_rate_ratio"],
    ),
    ("feedback_rate", {"counts": "confirmed_findings", "at_most_per_1000": 5}, ["feedback_rate"]),
]


def traffic_of(story: Story) -> None:
    """Sixteen rounds in which the candidate fails nine of thirty, at prices that differ."""
    for number in range(16):
        name = f"r{number}-"
        for release, n_bad in ((story.incumbent, 1), (story.candidate, 9)):
            calls = story.traffic.calls
            for part in range(2):
                n_good = (30 - n_bad + part) // 2
                micros = 40 + 3 * part + number % 5
                ship(calls(release, n_good, prefix=f"{name}{part}", cost_micros=micros))
            ship(calls(release, n_bad, prefix=f"{name}x", **FAILED))
        close_batches(NOW - timedelta(minutes=50 - number))


def numbers(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value


def test_every_live_interval_is_made_again_and_replayed() -> None:
    story = Story()
    traffic_of(story)
    for kind, options, methods in GATES:
        gate = Gate(id=f"{kind}-1", kind=kind, options=options)
        evidence = story.gather(kind, **options)
        observed: Any = evidence.observed
        assert observed is not None, (kind, options)
        calls = inputs_behind(gate, observed)
        assert {call.method for call in calls} >= set(methods), (kind, options)
        for call in calls:
            out, err = io.StringIO(), io.StringIO()
            text = json.dumps(plain_json(dict(call.given)))
            assert statistics([call.method], io.StringIO(text), out, err) == 0, err.getvalue()
            answer, recorded = json.loads(out.getvalue()), observed
            for step in call.at:
                recorded = recorded[step]
            for field, shown in call.fields.items():
                assert numbers(answer[field]) == pytest.approx(numbers(recorded[shown])), (
                    kind,
                    options,
                    field,
                )
        told = records.facts(gates=(GateFact(gate=gate, evidence=evidence), *records.GATES))
        document = json.loads(json.dumps(records.document(told, decide(told, NOW))))
        document["evaluated_at"] = document["decided_at"] = NOW.isoformat()
        assert not [d for d in replay(document).differences if kind in d.where], kind
        deep = deepened(document)
        assert (deep.n_computed, deep.differences) == (len(calls), ())
        forged = copy.deepcopy(document)
        forged["gates"][0]["evidence"]["interval"]["lo"] = 0.123
        (first, *_) = deepened(forged).differences
        assert f"{calls[0].method} gives" in first.sentence
