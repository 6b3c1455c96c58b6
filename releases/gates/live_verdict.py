"""What live numbers say, as a gate's verdict or as a guardrail's watch. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from releases.gates.contract import Verdict as GateVerdict
from releases.gates.live import Interval, Unusable
from releases.states import Outcome, Watch
from releases.statistics.verdicts import PASSING, Verdict, verdict_of
from releases.statistics.wording import about

# Beyond this ratio, either way, an interval's end says nothing yet.
_FAR = 55
HOPELESS_FACTOR = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """One kind's reading of the numbers, before it is a gate's or a guardrail's."""

    verdict: Verdict
    code: str
    text: str
    """Numbers and what they mean, without the last word on what is done."""
    n_seen: str = ""
    """How much was seen: `4,950 units`."""
    observed: Mapping[str, Any] = field(default_factory=dict)
    required: Mapping[str, Any] = field(default_factory=dict)

    def as_gate(self, block_on: str = "regression") -> GateVerdict:
        """The verdict of a gate: only a proven pass admits, only proven harm fails."""
        outcome, action = _OUTCOMES[self.verdict]
        if self.verdict is Verdict.WORSE and block_on == "worse":
            outcome, action = Outcome.FAIL, ": blocks"
        return GateVerdict(
            outcome=outcome,
            code=self.code,
            sentence=f"{self.text}{action}.",
            observed=dict(self.observed),
            required=dict(self.required),
        )

    @property
    def watch(self) -> Watch:
        """What a guardrail has seen."""
        if self.verdict in PASSING:
            return Watch.SAFE
        if self.verdict is Verdict.REGRESSION:
            return Watch.HARM
        return Watch.INVALID if self.verdict is Verdict.INVALID else Watch.WATCHING

    def watch_sentence(self) -> str:
        """The sentence of a guardrail, with what it does."""
        seen = f" after {self.n_seen}" if self.n_seen else ""
        ends = {
            Watch.SAFE: ": safe",
            Watch.HARM: f": stopped{seen}",
            Watch.WATCHING: ": watching",
            Watch.INVALID: "",
        }
        return f"{self.text}{ends[self.watch]}."


_OUTCOMES = {
    Verdict.REGRESSION: (Outcome.FAIL, ": blocks"),
    Verdict.BETTER: (Outcome.PASS, ": passes"),
    Verdict.NON_INFERIOR: (Outcome.PASS, ": passes"),
    Verdict.WORSE: (Outcome.INCONCLUSIVE, ": holds"),
    Verdict.INCONCLUSIVE: (Outcome.INCONCLUSIVE, ": holds"),
    Verdict.INSUFFICIENT: (Outcome.INCONCLUSIVE, ": holds"),
    Verdict.INVALID: (Outcome.ERROR, ""),
}
_CODES = {
    Verdict.REGRESSION: "beyond_limit",
    Verdict.BETTER: "within_limit",
    Verdict.NON_INFERIOR: "within_limit",
    Verdict.WORSE: "limit_not_settled",
    Verdict.INCONCLUSIVE: "limit_not_settled",
    Verdict.INSUFFICIENT: "too_few",
}


def reading_of(
    verdict: Verdict,
    text: str,
    *,
    code: str = "",
    n_seen: str = "",
    observed: Mapping[str, Any] | None = None,
    required: Mapping[str, Any] | None = None,
) -> Live:
    """A reading with the verdict's own code, unless another is given."""
    return Live(
        verdict=verdict,
        code=code or _CODES[verdict],
        text=text,
        n_seen=n_seen,
        observed={name: _plain(value) for name, value in (observed or {}).items()},
        required=required or {},
    )


def _plain(value: Any) -> Any:
    """The value as JSON has it: an infinite number is its name."""
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def unusable(name: str, why: Unusable) -> Live:
    """Numbers that don't speak about the checkpoint."""
    return Live(verdict=Verdict.INVALID, code=why.code, text=f"{name}: {why.sentence}")


def ratio_verdict(interval: Interval, limit: float) -> Verdict:
    """The verdict of a ratio of which less is better: the table of differences, on logarithms."""
    return verdict_of(-_log(interval.hi), -_log(interval.lo), math.log(limit))


def bound_verdict(interval: Interval, limit: float) -> Verdict:
    """The verdict of a number that has to stay below a limit; touching it clears nothing."""
    if interval.lo > limit:
        return Verdict.REGRESSION
    return Verdict.NON_INFERIOR if interval.hi < limit else Verdict.INCONCLUSIVE


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def ratio_clause(verdict: Verdict, limit: str, rest: str) -> str:
    """What a ratio means against its `2x limit`; `rest` is what more data it would take."""
    return {
        Verdict.REGRESSION: f"beyond the {limit}",
        Verdict.BETTER: f"better than the incumbent, within the {limit}",
        Verdict.NON_INFERIOR: f"within the {limit}",
        Verdict.WORSE: f"worse, and not settled against the {limit}{rest}",
        Verdict.INCONCLUSIVE: f"too early to tell against the {limit}{rest}",
    }[verdict]


def bound_clause(verdict: Verdict, limit: str, rest: str) -> str:
    """The same for a number below a fixed limit."""
    return {
        Verdict.REGRESSION: f"beyond the limit of {limit}",
        Verdict.NON_INFERIOR: f"within the limit of {limit}",
        Verdict.INCONCLUSIVE: f"too early to tell against the limit of {limit}{rest}",
    }[verdict]


def ratio_range(lo: float, hi: float, confidence: float, kind: str = "anytime range") -> str:
    """`95% anytime range 1.3..2.8`; an end beyond 1/55..55 is not one yet."""
    level = f"{100 * confidence:.4g}% {kind}"
    low, high = lo >= 1 / _FAR, hi <= _FAR
    if low and high:
        return f"{level} {shown(lo)}..{shown(hi)}"
    if low:
        return f"{level} at least {shown(lo)}"
    return f"{level} at most {shown(hi)}" if high else f"{level} none yet"


def more_of(needed: float, have: float, what: str, pace: str) -> str:
    """`; about 150 more events, 2 days at this traffic`; or that it won't settle here."""
    if not math.isfinite(needed) or needed > HOPELESS_FACTOR * max(have, 100):
        return "; won't settle here"
    rest = max(needed - have, 1, 0.1 * have)
    return f"; about {about(rest)} more {what}{pace}"


def counted(n: int, what: str) -> str:
    """`4,950 units`."""
    return f"{n:,} {what}{'s' * (n != 1)}"


def shown(value: float) -> str:
    """A number above 0 with three digits, never as a power of ten: `0.583`, `1,234`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
