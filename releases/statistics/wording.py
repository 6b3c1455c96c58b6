"""Plain sentences for comparisons and means; standard library only, importable by pure code.

Numbers come in score units (shares of 1) and are shown in points or per cent with one decimal.
"""

import math
from dataclasses import dataclass

from releases.statistics.verdicts import MIN_CASES, PASSING, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFacts:
    """What the sentence of one compared node is made of."""

    name: str
    """Name to show; the suite's name for the root."""
    n: int
    """Compared cases."""
    n_clusters: int
    """Clusters of the compared cases."""
    delta: float | None
    """Candidate minus baseline; None without a case."""
    lo: float | None
    """Lower end of the interval; None when there is none."""
    hi: float | None
    """Upper end of the interval; None when there is none."""
    margin: float
    """Margin of the comparison, at least 0."""
    verdict: Verdict
    """The verdict to put in words."""
    confidence: float = 0.95
    """Two-sided confidence of the interval."""
    cases_to_settle: int | None = None
    """Cases in all that would settle the comparison; None when it is not known."""
    is_hopeless: bool = False
    """Whether no reasonable number of cases would settle it."""
    doubt: str | None = None
    """Why the verdict is weaker than the interval, as a clause; None when it is not."""
    note: str | None = None
    """Where the numbers come from when they are not the scores alone; None when they are."""
    is_anytime: bool = False
    """Whether the interval is that of a run which was stopped by looking at it."""


def comparison_sentence(facts: ComparedFacts, action: str | None = None) -> str:
    """Return the sentence of one node; `action` replaces the verdict's default last word."""
    if facts.verdict == Verdict.INVALID:
        return f"{facts.name}: {facts.doubt or 'the data cannot be compared'}: numbers not used"
    if facts.verdict == Verdict.INSUFFICIENT:
        return f"{facts.name}: {_too_few(facts)}, too few to judge"
    done = action or default_action(facts.verdict)
    note = f" [{facts.note}]" if facts.note else ""
    return f"{facts.name}: {_numbers(facts)}{note}, {_clause(facts)}: {done}"


def default_action(verdict: Verdict) -> str:
    """Return what a gate does with the verdict when its rule says nothing else."""
    if verdict in PASSING:
        return "passes"
    return "blocks" if verdict == Verdict.REGRESSION else "holds"


def slices_sentence(n_slices: int, n_regressions: int, n_worse: int) -> str:
    """Return the sentence over all slices that were checked together under Holm."""
    regressions = "1 regression" if n_regressions == 1 else f"{n_regressions} regressions"
    slices = "1 slice checked" if n_slices == 1 else f"{n_slices} slices checked together (Holm)"
    return f"{slices}: {regressions}, {n_worse} more called worse"


def mean_sentence(
    name: str, mean: float, lo: float | None, hi: float | None, n: int, confidence: float = 0.95
) -> str:
    """Return `name: 71.2% (95% CI 60.1..80.3, 60 cases)`; without the interval when unknown."""
    if lo is None or hi is None:
        return f"{name}: {100 * mean:.1f}% ({_cases(n)}, too few for an interval)"
    interval = f"{_level(confidence)} CI {100 * lo:.1f}..{100 * hi:.1f}"
    return f"{name}: {100 * mean:.1f}% ({interval}, {_cases(n)})"


def points(value: float) -> str:
    """Return a difference in points with its sign and one decimal; zero has no sign."""
    if math.isinf(value):
        return "+inf" if value > 0 else "-inf"
    shown = f"{100 * value:+.1f}"
    return "0.0" if shown in ("+0.0", "-0.0") else shown


def about(n: float) -> str:
    """Return a number of cases rounded to two significant digits, with thousands separated."""
    digits = max(0, len(str(math.ceil(n))) - 2)
    return f"{round(n, -digits):,.0f}"


def _numbers(facts: ComparedFacts) -> str:
    if facts.delta is None or facts.lo is None or facts.hi is None:
        raise ValueError(f"lo: the verdict {facts.verdict} of {facts.name} needs an interval")
    counted = "" if facts.verdict == Verdict.INCONCLUSIVE else f", {_cases(facts.n)}"
    kind = "anytime CI" if facts.is_anytime else "CI"
    interval = f"{_level(facts.confidence)} {kind} {points(facts.lo)}..{points(facts.hi)}"
    return f"{points(facts.delta)} pts ({interval}{counted})"


def _clause(facts: ComparedFacts) -> str:
    clause = {
        Verdict.REGRESSION: _regression,
        Verdict.BETTER: _better,
        Verdict.NON_INFERIOR: _non_inferior,
        Verdict.WORSE: _worse,
        Verdict.INCONCLUSIVE: _inconclusive,
    }[facts.verdict](facts)
    settled_otherwise = facts.verdict != Verdict.INCONCLUSIVE and facts.doubt
    return f"{clause}; {facts.doubt}" if settled_otherwise else clause


def _regression(facts: ComparedFacts) -> str:
    if facts.margin == 0:
        return "worse than the baseline"
    return f"regression beyond the {_margin(facts)} margin"


def _better(facts: ComparedFacts) -> str:
    return "better than the baseline"


def _non_inferior(facts: ComparedFacts) -> str:
    if facts.hi is not None and facts.hi < 0:
        return f"slightly worse but inside the {_margin(facts)} margin"
    return f"no worse than the baseline by the {_margin(facts)} margin"


def _worse(facts: ComparedFacts) -> str:
    if facts.delta is not None and facts.delta < -facts.margin:
        return f"worse, and probably but not surely beyond the {_margin(facts)} margin"
    return f"worse, and possibly beyond the {_margin(facts)} margin"


def _inconclusive(facts: ComparedFacts) -> str:
    start = f"can't tell at {_cases(facts.n)}"
    if facts.doubt:
        return f"{start}: {facts.doubt}"
    if facts.is_hopeless:
        return f"{start}; won't settle here"
    if facts.cases_to_settle is not None:
        return f"{start}; about {about(facts.cases_to_settle)} would settle it"
    return start


def _too_few(facts: ComparedFacts) -> str:
    if facts.n < MIN_CASES:
        return _cases(facts.n)
    clusters = "1 cluster" if facts.n_clusters == 1 else f"{facts.n_clusters} clusters"
    return f"{_cases(facts.n)} in {clusters}"


def _cases(n: int) -> str:
    return "1 case" if n == 1 else f"{n:,} cases"


def _level(confidence: float) -> str:
    return f"{100 * confidence:.6g}%"


def _margin(facts: ComparedFacts) -> str:
    return f"{100 * facts.margin:.4g}-pt"
