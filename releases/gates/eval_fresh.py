"""`eval_fresh`: can the suite still tell checkpoints apart, and was it looked at lately? Pure."""

from __future__ import annotations

from datetime import datetime

from releases.gates import options, suites
from releases.gates.contract import Evidence, Gate, Verdict
from releases.gates.suites import SuiteHealth
from releases.states import Outcome

_ANSWERS = {
    SuiteHealth.FRESH: (Outcome.PASS, "is fresh"),
    SuiteHealth.AGEING: (Outcome.PASS, "is ageing, and may still gate: plan its successor"),
    SuiteHealth.SATURATED: (
        Outcome.FAIL,
        "is saturated: it can't tell checkpoints apart any more; publish a harder version",
    ),
    SuiteHealth.EXPIRED: (
        Outcome.INCONCLUSIVE,
        "has expired: its owner renews it, or this gate is waived",
    ),
}


class EvalFresh:
    """The suite is fresh or ageing."""

    kind = "eval_fresh"
    human = False
    schema = options.options_schema({"suite": options.SUITE}, required=["suite"])

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """By the suite's state alone."""
        observed = evidence.observed or {}
        health = suites.suite_health(observed)
        outcome, clause = _ANSWERS[health]
        why = observed.get("reason")
        because = f" ({why})" if isinstance(why, str) and why else ""
        return Verdict(
            outcome=outcome,
            code=f"suite_{health.value}",
            sentence=f"Suite {suites.suite_name(observed)} {clause}{because}.",
            observed={"suite_state": health.value},
            required={"suite_state": [SuiteHealth.FRESH.value, SuiteHealth.AGEING.value]},
        )
