"""Guardrails read the same numbers as gates, and act on them differently."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from releases.gates.guarding import GUARDRAIL_KINDS, needs_baseline, shared_confidence
from releases.gates.live_options import live_terms
from releases.states import Watch
from tests.releases.gates.live_shapes import (
    alike,
    better,
    costs,
    early,
    harmed,
    harmed_early,
    nothing_yet,
    rate,
    slow,
    watched,
    worse,
)

TWICE = {"ratio_at_most": 2.0}


@pytest.mark.parametrize(
    ("kind", "options", "observed", "seen", "words"),
    [
        ("error_rate", TWICE, alike(), Watch.SAFE, "within the 2x limit: safe."),
        ("error_rate", TWICE, better(), Watch.SAFE, "within the 2x limit: safe."),
        (
            "error_rate",
            TWICE,
            harmed(),
            Watch.HARM,
            "error rate: 12.2x the incumbent's so far (95% anytime range 2.81..53.2; 20 of 100 "
            "units against 20 of 1,000 on rc-1), beyond the 2x limit: stopped after 1,100 units.",
        ),
        ("error_rate", {"ratio_at_most": 1.25}, harmed_early(), Watch.HARM, "stopped after 100"),
        ("error_rate", {**TWICE, "min_units": 5000}, harmed(), Watch.HARM, "stopped"),
        ("error_rate", {**TWICE, "min_units": 5000}, alike(), Watch.WATCHING, "5,000 needed"),
        # Worse for sure, but not beyond the limit: neither safe nor harm.
        ("error_rate", TWICE, worse(), Watch.WATCHING, "not settled against the 2x limit"),
        ("error_rate", TWICE, early(), Watch.WATCHING, "more events, 24 days at this traffic: wat"),
        ("error_rate", TWICE, nothing_yet(), Watch.WATCHING, "nothing to compare yet"),
        ("error_rate", TWICE, alike(baseline_arm=None), Watch.WATCHING, "no incumbent serves"),
        ("error_rate", TWICE, harmed(unit="partner", n_partners=4), Watch.WATCHING, "4 partners"),
        (
            "error_rate",
            TWICE,
            harmed(split={"counts": [1000, 100], "expected_share": [0.5, 0.5]}),
            Watch.INVALID,
            "error rate: traffic split is 90.9 / 9.1 where 50 / 50 was set (p below 0.0001): "
            "numbers not used.",
        ),
        ("error_rate", TWICE, alike(running={"lo": 3, "hi": 4}), Watch.INVALID, "contradict"),
        ("error_rate", TWICE, alike(strata=None), Watch.INVALID, "strata is None, not a list"),
        ("error_rate", {}, alike(), Watch.INVALID, "crashed"),
        ("error_rate", {"at_most": 0.02}, rate(200, 4000, 0.036, 0.067), Watch.HARM, "stopped af"),
        ("feedback_rate", {"counts": "thumbs_down", **TWICE}, harmed(), Watch.HARM, "thumbs-down"),
        ("latency", TWICE, slow(harmed()), Watch.HARM, "slower than 1,600 ms against 800 ms"),
        ("cost", TWICE, costs(0.8, 0.048), Watch.HARM, "stopped after 4,000 units"),
        ("cost", TWICE, costs(0.0, 0.048), Watch.SAFE, "safe"),
        ("soak", TWICE, alike(), Watch.INVALID, "No guardrail watches 'soak'; known: cost"),
    ],
)
def test_a_look(kind: str, options: dict[str, Any], observed: Any, seen: Watch, words: str) -> None:
    look = watched(kind, options, observed)
    assert (look.watch, words in look.sentence) == (seen, True), look.sentence


def test_no_evidence_is_watched_on_and_a_failing_source_says_so() -> None:
    assert watched("error_rate", TWICE, None).watch is Watch.WATCHING
    assert watched("error_rate", TWICE, None, missing="no traffic yet.").sentence.endswith("yet.")
    failed = watched("error_rate", TWICE, alike(), problem="timed out.")
    assert (failed.watch, failed.code) == (Watch.INVALID, "evidence_failed")


@pytest.mark.parametrize(
    ("kind", "options", "good"),
    [
        ("error_rate", TWICE, True),
        ("error_rate", {"at_most": 0.02, "expected_units": 9000, "per": "request"}, True),
        ("error_rate", {"margin": 0.01, "reference_rate": 0.02}, True),
        ("error_rate", {"margin": 0.01}, False),
        ("error_rate", {**TWICE, "at_most": 0.02}, False),
        ("error_rate", {**TWICE, "expected_units": 9000}, False),
        ("error_rate", {**TWICE, "stage": "alpha"}, False),
        ("error_rate", {**TWICE, "block_on": "worse"}, False),
        ("error_rate", {"ratio_at_most": 0.9}, False),
        ("error_rate", {}, False),
        ("feedback_rate", {"counts": "thumbs_down", **TWICE}, True),
        ("feedback_rate", TWICE, False),
        ("feedback_rate", {"counts": "confirmed_findings", **TWICE}, False),
        ("latency", {"at_most_ms": 900, "quantile": 0.99}, True),
        ("latency", {"at_most": 0.1}, False),
        ("cost", {"at_most_micros": 120, "min_units": 400}, True),
        ("cost", {"ratio_at_most": 1}, False),
    ],
)
def test_options_are_checked(kind: str, options: dict[str, Any], good: bool) -> None:
    assert Draft202012Validator(GUARDRAIL_KINDS[kind]).is_valid(options) is good


def test_schemas_are_schemas() -> None:
    for schema in GUARDRAIL_KINDS.values():
        Draft202012Validator.check_schema(schema)


def test_several_guardrails_share_the_risk_of_a_false_halt() -> None:
    assert shared_confidence(1) == pytest.approx(0.95)
    assert shared_confidence(5) == pytest.approx(0.99)
    assert shared_confidence(0) == pytest.approx(0.95)


def test_what_an_option_leaves_out_has_a_default() -> None:
    terms = live_terms({})
    found = (terms.per, terms.min_units, terms.expected_units, terms.confidence, terms.quantile)
    assert found == ("unit", 100, 4000, 0.95, 0.95)
    assert needs_baseline(TWICE) and not needs_baseline({"at_most": 0.1})
