"""`preference`: do people who don't know which is which prefer the candidate? Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releases.gates import options, reading
from releases.gates.contract import Evidence, Gate
from releases.gates.contract import Verdict as GateVerdict
from releases.gates.live_verdict import counted
from releases.states import Outcome
from releases.statistics.verdicts import Verdict, verdict_of
from releases.statistics.votes import elo, votes_needed
from releases.statistics.wording import about

MIN_VOTES = 30
MIN_RATERS = 5
DEFAULT_MARGIN = 0.03
MANY_TIES = 0.6
_HOPELESS_FACTOR = 20
_METHODS = ("win_score", "bradley_terry")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Score:
    """A win score with its interval, all in 0..1; 0.5 is no preference."""

    score: float
    lo: float
    hi: float

    def __str__(self) -> str:
        return f"{100 * self.score:.3g}% ({100 * self.lo:.3g}..{100 * self.hi:.3g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the votes say."""

    raw: _Score
    controlled: _Score | None
    n_votes: int
    n_raters: int
    tie_share: float


class Preference:
    """The win score, or the Bradley-Terry difference as one, against a baseline."""

    kind = "preference"
    human = False
    schema = options.options_schema(
        {
            "baseline": options.BASELINE,
            "method": {"enum": list(_METHODS)},
            "prove": {"enum": ["non_inferior", "better"]},
            "margin": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
            "min_votes": {"type": "integer", "minimum": MIN_VOTES, "maximum": 10**9},
            "style_controlled": {"type": "boolean"},
            "confidence": options.CONFIDENCE,
            "block_on": options.BLOCK_ON,
        },
        required=["baseline"],
    )

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> GateVerdict:
        """By the interval of the win score; `style_controlled` by the one with style held equal."""
        seen = _seen(gate, evidence.observed or {})
        margin = float(gate.options.get("margin", DEFAULT_MARGIN))
        least = int(gate.options.get("min_votes", MIN_VOTES))
        required = {"margin": margin, "min_votes": least, "min_raters": MIN_RATERS}
        if seen is None or seen.n_votes < least or seen.n_raters < MIN_RATERS:
            sentence = _too_few(evidence.observed or {}, least)
            return GateVerdict(
                outcome=Outcome.INCONCLUSIVE,
                code="too_few_votes",
                sentence=sentence,
                required=required,
            )
        judged = seen.controlled if gate.options.get("style_controlled") else seen.raw
        if judged is None:
            raise reading.BadEvidence("controlled is None, but the gate judges with style equal")
        verdict = verdict_of(judged.lo - 0.5, judged.hi - 0.5, margin)
        outcome, code, clause = _clause(gate, verdict, judged, margin, seen)
        return GateVerdict(
            outcome=outcome,
            code=code,
            sentence=f"{_numbers(gate, seen)}; {clause}.",
            observed={"score": judged.score, "lo": judged.lo, "hi": judged.hi},
            required=required,
        )


def _seen(gate: Gate, observed: Mapping[str, Any]) -> _Seen | None:
    """None where there are too few votes for an interval."""
    method = reading.text(observed, "method")
    wanted = gate.options.get("method", _METHODS[0])
    if method != wanted:
        raise reading.BadEvidence(f"method is {method!r}, the gate asks for {wanted}")
    n_votes, n_raters = reading.count(observed, "n_votes"), reading.count(observed, "n_raters")
    ties = reading.number(observed, "tie_share")
    if not 0 <= ties <= 1 or n_raters > n_votes:
        raise reading.BadEvidence(f"{n_votes} votes of {n_raters} raters, {ties:g} of them ties")
    if "controlled" not in observed:
        raise reading.BadEvidence("controlled is not there; it is null without style control")
    if n_votes < MIN_VOTES or n_raters < MIN_RATERS:
        return None
    controlled = observed["controlled"]
    if controlled is not None:
        controlled = _score(reading.table(observed, "controlled"), method)
    return _Seen(
        raw=_score(observed, method),
        controlled=controlled,
        n_votes=n_votes,
        n_raters=n_raters,
        tie_share=ties,
    )


def _score(values: Mapping[str, Any], method: str) -> _Score:
    lo, score, hi = (reading.number(values, key) for key in ("lo", "score", "hi"))
    if method == "bradley_terry":
        lo, score, hi = (_logistic(value) for value in (lo, score, hi))
    # The interval of a win score near an end may reach beyond it.
    if not lo <= score <= hi or not 0 <= score <= 1:
        raise reading.BadEvidence(f"{lo:g}..{hi:g} around {score:g} is no interval of a win score")
    return _Score(score=score, lo=lo, hi=hi)


def _logistic(value: float) -> float:
    if value < -700:
        return 0.0
    return 1 / (1 + math.exp(-value))


def _too_few(observed: Mapping[str, Any], least: int) -> str:
    n_votes, n_raters = reading.count(observed, "n_votes"), reading.count(observed, "n_raters")
    needed = [
        counted(least - n_votes, "more vote") * (n_votes < least),
        counted(MIN_RATERS - n_raters, "more rater") * (n_raters < MIN_RATERS),
    ]
    return (
        f"{counted(n_votes, 'blind vote')} of {counted(n_raters, 'rater')}, too few to judge: "
        f"{' and '.join(filter(None, needed))} needed: holds."
    )


def _numbers(gate: Gate, seen: _Seen) -> str:
    raw = seen.raw
    level = f"{100 * float(gate.options.get('confidence', options.DEFAULT_CONFIDENCE)):.4g}% CI"
    text = (
        f"preferred in {100 * raw.score:.3g}% of {seen.n_votes:,} blind votes "
        f"({level} {100 * raw.lo:.3g}..{100 * raw.hi:.3g}){_elo(raw.score)}"
    )
    if seen.controlled is not None:
        text += f"; with style held equal {seen.controlled}"
        if raw.lo > 0.5 >= seen.controlled.lo:
            text += ": the gain may be style alone"
    if seen.tie_share > MANY_TIES:
        text += f"; {100 * seen.tie_share:.0f}% were ties"
    return text


def _elo(score: float) -> str:
    return f", {elo(score).elo:+.0f} Elo" if 0 < score < 1 else ""


def _clause(
    gate: Gate, verdict: Verdict, judged: _Score, margin: float, seen: _Seen
) -> tuple[Outcome, str, str]:
    points = f"{100 * margin:.4g}"
    if verdict is Verdict.BETTER:
        return Outcome.PASS, "preferred", "better than the baseline: passes"
    if verdict is Verdict.REGRESSION:
        text = f"worse than the baseline by more than {points} points: blocks"
        return Outcome.FAIL, "not_preferred", text
    if verdict is Verdict.NON_INFERIOR:
        both = judged.hi < 0.5 + margin
        text = (
            f"no preference either way, inside {points} points"
            if both
            else (f"no worse than the baseline by {points} points")
        )
        if gate.options.get("prove") != "better":
            return Outcome.PASS, "no_worse", f"{text}: passes"
        text += f", but not shown to be better{_advice(judged.score - 0.5, seen, gate)}: holds"
        return Outcome.INCONCLUSIVE, "not_shown_better", text
    if verdict is Verdict.WORSE:
        text = f"worse, and not settled against {points} points"
        if gate.options.get("block_on") == "worse":
            return Outcome.FAIL, "worse", f"{text}: blocks"
        text += _advice(judged.score - 0.5 + margin, seen, gate)
        return Outcome.INCONCLUSIVE, "margin_not_settled", f"{text}: holds"
    better = gate.options.get("prove") == "better"
    edge = judged.score - 0.5 + (0 if better else margin)
    text = f"can't tell{_advice(edge, seen, gate)}: holds"
    return Outcome.INCONCLUSIVE, "margin_not_settled", text


def _advice(edge: float, seen: _Seen, gate: Gate) -> str:
    confidence = float(gate.options.get("confidence", options.DEFAULT_CONFIDENCE))
    if edge == 0 or seen.tie_share == 1:
        return "; won't settle here"
    needed = votes_needed(min(edge, 0.5), seen.tie_share, confidence).n
    if needed > _HOPELESS_FACTOR * seen.n_votes:
        return "; won't settle here"
    return f"; about {about(max(needed, 1.1 * seen.n_votes))} votes in all would settle it"
