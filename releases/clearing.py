"""What would clear a gate that does not admit, in one sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from releases.promotions import NEVER_WAIVED, GateReason
from releases.states import ADMITTING, Outcome

_BY_OUTCOME: Mapping[Outcome, str] = {
    Outcome.FAIL: "Waiting does not clear it: it takes another checkpoint",
    Outcome.INCONCLUSIVE: "More evidence clears it",
    Outcome.ERROR: "The gate itself failed: repair what the sentence names, then evaluate again",
    Outcome.STALE: "An input changed: evaluate again",
}
_NO_WAIVER = NEVER_WAIVED | {"evaluation"}
_MEASURED = "another checkpoint, or a run that measures it anew"
_BY_KIND: Mapping[tuple[str, Outcome], str] = {
    ("artifact", Outcome.FAIL): "Only the files that were registered clear it: restore them",
    ("eval_floor", Outcome.INCONCLUSIVE): "A complete run of the suite, or more cases, clears it",
    ("eval_floor", Outcome.FAIL): f"A score above the floor clears it: {_MEASURED}",
    ("eval_no_regression", Outcome.INCONCLUSIVE): "Runs of both checkpoints on more cases clear it",
    ("eval_no_regression", Outcome.FAIL): "A checkpoint without the regression clears it",
    ("eval_improvement", Outcome.INCONCLUSIVE): "Runs of both checkpoints on more cases clear it",
    (
        "eval_improvement",
        Outcome.FAIL,
    ): "A checkpoint that is better on a named component clears it",
    ("eval_fresh", Outcome.FAIL): "The suite's owner clears it: renew it, or publish fresh cases",
    ("eval_fresh", Outcome.INCONCLUSIVE): "The suite's owner clears it: renew it",
    ("soak", Outcome.INCONCLUSIVE): "Time in the stage before clears it",
    ("exposure", Outcome.INCONCLUSIVE): "More partners, days or requests in the alpha clear it",
    ("exposure", Outcome.FAIL): "More partners, days or requests in the alpha clear it",
    ("feedback_rate", Outcome.INCONCLUSIVE): "More users of the alpha clear it",
    ("open_findings", Outcome.FAIL): "Closing the findings that it names clears it",
    ("latency", Outcome.INCONCLUSIVE): "More live calls clear it",
    ("error_rate", Outcome.INCONCLUSIVE): "More live calls clear it",
    ("cost", Outcome.INCONCLUSIVE): "More live calls clear it",
    ("preference", Outcome.INCONCLUSIVE): "More blind votes clear it",
    ("evaluation", Outcome.INCONCLUSIVE): "It is judged within seconds",
    ("ungated", Outcome.ERROR): "A gate in the stage's file clears it",
    ("replay", Outcome.INCONCLUSIVE): "A replay of more conversations clears it",
}


def what_clears(reason: GateReason) -> str:
    """Who or what makes the gate admit; empty when nothing has to, or when time alone does."""
    if reason.outcome in ADMITTING or reason.clears_at is not None:
        return ""
    if reason.shadow:
        return "Counts for nothing here."
    if reason.human:
        return _answer(reason)
    said = _BY_KIND.get((reason.kind, reason.outcome)) or _BY_OUTCOME[reason.outcome]
    return f"{said}." if reason.kind in _NO_WAIVER else f"{said}; or a waiver by two persons."


def _answer(reason: GateReason) -> str:
    if not reason.owner:
        return ""
    if reason.outcome is Outcome.FAIL:
        return f"A yes of {reason.owner} takes the no back."
    return f"An answer of {reason.owner} clears it."
