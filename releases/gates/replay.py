"""`replay`: how often would real conversations have gone wrong in each known way? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releases.gates import options, reading
from releases.gates.contract import Evidence, Gate, Verdict
from releases.gates.live_verdict import counted
from releases.states import Outcome
from releases.statistics.wording import about

MIN_CONVERSATIONS = 30
DEFAULT_MIN_CONVERSATIONS = 100
_HOPELESS_FACTOR = 20
_SET = r"^[a-z0-9][a-z0-9_-]{0,79}(@[1-9][0-9]{0,8})?$"
"""A replay set, its newest version or a pinned one; without it the newest replay of any counts."""
_RATE: options.Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mode:
    """One failure mode against its limit."""

    name: str
    outcome: Outcome
    code: str
    sentence: str


class Replay:
    """Every failure mode's predicted rate lies below its limit."""

    kind = "replay"
    human = False
    schema: options.Schema = {
        **options.options_schema(
            {
                "at_most": _RATE,
                "modes": {
                    "type": "object",
                    "propertyNames": {"minLength": 1, "maxLength": 200},
                    "additionalProperties": _RATE,
                    "minProperties": 1,
                },
                "min_conversations": {
                    "type": "integer",
                    "minimum": MIN_CONVERSATIONS,
                    "maximum": 10**9,
                },
                "set": {"type": "string", "pattern": _SET},
                "confidence": options.CONFIDENCE,
            }
        ),
        "anyOf": [{"required": ["at_most"]}, {"required": ["modes"]}],
    }

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """The worst mode counts; a mode that is named and was not replayed is an error."""
        rows = _rows(evidence.observed or {})
        limits = _limits(gate.options, rows)
        judged = [_judged(gate, name, rows[name], limit) for name, limit in limits.items()]
        ranked = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)
        worst = min(judged, key=lambda mode: ranked.index(mode.outcome))
        return Verdict(
            outcome=worst.outcome,
            code=worst.code,
            sentence=f"{'; '.join(mode.sentence for mode in judged)}.",
            observed={name: row["predicted_rate"] for name, row in rows.items()},
            required={"at_most": limits},
        )


def _rows(observed: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    rows: dict[str, Mapping[str, Any]] = {}
    for row in reading.rows(observed, "modes"):
        name = reading.text(row, "mode")
        if name in rows:
            raise reading.BadEvidence(f"the mode {name} is there twice")
        rows[name] = row
    return rows


def _limits(given: Mapping[str, Any], rows: Mapping[str, Any]) -> dict[str, float]:
    """The limit of each mode that is judged; the named ones first."""
    limits = {name: float(limit) for name, limit in given.get("modes", {}).items()}
    if "at_most" in given:
        limits |= {name: float(given["at_most"]) for name in rows if name not in limits}
    absent = [name for name in limits if name not in rows]
    if absent or not limits:
        known = ", ".join(sorted(rows)) or "none"
        what = f"the mode {absent[0]!r}" if absent else "any mode"
        raise reading.BadEvidence(f"{what} was not replayed; replayed: {known}")
    return limits


def _judged(gate: Gate, name: str, row: Mapping[str, Any], limit: float) -> _Mode:
    n = reading.count(row, "n")
    lo, rate, hi = (reading.number(row, key) for key in ("lo", "predicted_rate", "hi"))
    if not 0 <= lo <= rate <= hi <= 1:
        raise reading.BadEvidence(f"{name}: {lo:g}..{hi:g} around {rate:g} is no interval of rates")
    confidence = float(gate.options.get("confidence", options.DEFAULT_CONFIDENCE))
    numbers = (
        f"{name}: predicted in {100 * rate:.3g}% of conversations ({100 * confidence:.4g}% CI "
        f"{100 * lo:.3g}..{100 * hi:.3g}, {n:,} replayed), limit {100 * limit:.4g}%"
    )
    outcome, code, clause = _clause(gate, (lo, rate, hi), n, limit)
    return _Mode(name=name, outcome=outcome, code=code, sentence=f"{numbers}: {clause}")


def _clause(
    gate: Gate, interval: tuple[float, float, float], n: int, limit: float
) -> tuple[Outcome, str, str]:
    lo, rate, hi = interval
    least = int(gate.options.get("min_conversations", DEFAULT_MIN_CONVERSATIONS))
    if n < least:
        rest = counted(least - n, "more conversation")
        text = f"too few to judge, {rest} needed: holds"
        return Outcome.INCONCLUSIVE, "too_few_conversations", text
    if lo > limit:
        return Outcome.FAIL, "beyond_limit", "beyond the limit: blocks"
    if hi < limit:
        return Outcome.PASS, "within_limit", "within the limit: passes"
    return Outcome.INCONCLUSIVE, "limit_not_settled", f"can't tell{_advice(interval, n, limit)}"


def _advice(interval: tuple[float, float, float], n: int, limit: float) -> str:
    lo, rate, hi = interval
    if rate == limit:
        return "; won't settle here: holds"
    reach, distance = (hi - rate, limit - rate) if rate < limit else (rate - lo, rate - limit)
    # The half width shrinks with the square root of the number of conversations.
    needed = max(n * (reach / distance) ** 2, 1.1 * n)
    if needed > _HOPELESS_FACTOR * n:
        return "; won't settle here: holds"
    return f"; about {about(needed)} conversations in all would settle it: holds"
