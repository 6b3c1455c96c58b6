"""What blind votes on two checkpoints say. Pure but for NumPy.

Methods: section 3 of the statistics; win score clustered by rater and by prompt, Bradley-Terry
with the sandwich clustered by rater, style and position as covariates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from releases.statistics.bradley_terry import Ratings

STYLES = ("length", "headers", "lists", "bold")
# Where the first place wins outside this share of decided votes, and hardly by chance, it counts.
FAIR_SHARES = (0.45, 0.55)
POSITION_P = 0.01
ONE_SIDED_P = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """One blind vote, turned from places to checkpoints."""

    y: float
    """1 for the candidate, 0 for the baseline, 0.5 for a tie or both bad."""
    is_both_bad: bool
    rater: str
    group: str
    prompt: str
    candidate_is_a: bool
    style: tuple[float, ...]
    """Each of STYLES, candidate against baseline: (a - b) / (a + b), 0 where neither has any."""

    @property
    def a_won(self) -> bool | None:
        """Whether place A was chosen; None for neither."""
        return None if self.y == 0.5 else (self.y == 1) == self.candidate_is_a


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its ends; None where there is too little for them."""

    estimate: float
    lo: float | None
    hi: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How often the first place was chosen of the decided votes; `p` two-sided, of a half."""

    n_a: int
    n_decided: int
    share: Interval | None
    p: float | None

    @property
    def is_flagged(self) -> bool:
        """Whether it has to be held equal like a style."""
        low, high = FAIR_SHARES
        known = self.share is not None and self.p is not None
        return known and self.p < POSITION_P and not low <= self.share.estimate <= high  # type: ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The win score among raters of one kind."""

    name: str
    n_votes: int
    n_raters: int
    score: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSided:
    """A rater who chose one place far too often; only a person leaves such votes out."""

    rater: str
    n_a: int
    n_decided: int
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything about one pair; intervals at one confidence, two-sided."""

    n_votes: int
    n_raters: int
    n_ties: int
    """Ties and both bad."""
    n_both_bad: int
    n_repeats: int
    """Later votes of one rater on one prompt, which are left out."""
    score: Interval
    difference: Interval | None
    """Bradley-Terry, in log odds; None below two raters."""
    controlled: Interval | None
    """The same with the style of both answers, and a flagged position, held equal."""
    length: Interval | None
    """Coefficient of the length difference, per root mean square, in log odds."""
    position: Position
    groups: Sequence[Group]
    one_sided: Sequence[OneSided]
    problem: str
    """Why nothing is held equal; empty: it is, or there are too few votes."""

    @property
    def tie_share(self) -> float:
        return self.n_ties / self.n_votes

    @property
    def controlled_score(self) -> Interval | None:
        """The win score that the controlled difference amounts to, in 0..1."""
        if self.controlled is None:
            return None
        lo, hi = self.controlled.lo, self.controlled.hi
        return Interval(
            estimate=_win_score(self.controlled.estimate),
            lo=None if lo is None else _win_score(lo),
            hi=None if hi is None else _win_score(hi),
        )


def _win_score(difference: float) -> float:
    """The inverse logit, in 0..1."""
    from scipy import special  # heavy: only where numbers are made

    return float(special.expit(difference))


def style_differences(candidate: Sequence[int], baseline: Sequence[int]) -> tuple[float, ...]:
    """(a - b) / (a + b) of each count; 0 where both are 0."""
    return tuple(
        (a - b) / (a + b) if a + b else 0.0 for a, b in zip(candidate, baseline, strict=True)
    )


def first_votes(ballots: Iterable[Ballot]) -> list[Ballot]:
    """The first vote of each rater on each prompt, in the order given."""
    found: dict[tuple[str, str], Ballot] = {}
    for ballot in ballots:
        found.setdefault((ballot.rater, ballot.prompt), ballot)
    return list(found.values())


def results_of(ballots: Sequence[Ballot], confidence: float = 0.95) -> Results:
    """What the votes say, in the order in which they were given; ValueError without any."""
    kept = first_votes(ballots)
    if not kept:
        raise ValueError("ballots: nobody has voted")
    position = _position(kept, confidence)
    held = [(1.0 if b.candidate_is_a else -1.0,) if position.is_flagged else () for b in kept]
    raw, _ = _fit(kept, held)
    controlled, columns, problem = _controlled(kept, held)
    return Results(
        n_votes=len(kept),
        n_raters=len({ballot.rater for ballot in kept}),
        n_ties=sum(ballot.y == 0.5 for ballot in kept),
        n_both_bad=sum(ballot.is_both_bad for ballot in kept),
        n_repeats=len(ballots) - len(kept),
        score=_score(kept, confidence),
        difference=_difference(raw, confidence),
        controlled=_difference(controlled, confidence),
        length=_length(controlled, columns, len(held[0]), confidence),
        position=position,
        groups=_groups(kept, confidence),
        one_sided=_one_sided(kept),
        problem=problem,
    )


def _score(ballots: Sequence[Ballot], confidence: float) -> Interval:
    from releases.statistics.preferences import win_score  # SciPy

    found = win_score(
        [ballot.y for ballot in ballots],
        [ballot.rater for ballot in ballots],
        [ballot.prompt for ballot in ballots],
        confidence=confidence,
    )
    return Interval(estimate=found.score, lo=found.lo, hi=found.hi)


def _fit(
    ballots: Sequence[Ballot], columns: Sequence[Sequence[float]]
) -> tuple[Ratings | None, str]:
    """The candidate's rating against the baseline's; None and why not."""
    from releases.statistics.bradley_terry import bradley_terry  # SciPy

    n = len(ballots)
    if len({ballot.rater for ballot in ballots}) < 2:
        return None, "one rater alone can't be told from the checkpoints"
    try:
        ratings = bradley_terry(
            [1] * n,
            [0] * n,
            [ballot.y for ballot in ballots],
            2,
            cluster=[ballot.rater for ballot in ballots],
            style=[list(row) for row in columns] if columns[0] else None,
        )
    except ValueError as error:
        return None, str(error)
    return ratings, ""


def _controlled(
    ballots: Sequence[Ballot], held: Sequence[Sequence[float]]
) -> tuple[Ratings | None, list[int], str]:
    """The fit with every style that differs somewhere, and which styles those are."""
    from releases.statistics.preferences import MIN_RATERS, MIN_VOTES  # SciPy

    raters = {ballot.rater for ballot in ballots}
    if len(ballots) < MIN_VOTES or len(raters) < MIN_RATERS:
        return None, [], ""
    wanted = [at for at in range(len(STYLES)) if any(b.style[at] for b in ballots)]
    columns = [
        [*beside, *(b.style[at] for at in wanted)] for beside, b in zip(held, ballots, strict=True)
    ]
    found, problem = _fit(ballots, columns)
    return found, wanted, problem


def _difference(ratings: Ratings | None, confidence: float) -> Interval | None:
    if ratings is None:
        return None
    estimate, lo, hi = ratings.contrast(1, 0, confidence)
    return Interval(estimate=estimate, lo=lo, hi=hi)


def _length(
    ratings: Ratings | None, columns: list[int], n_held: int, confidence: float
) -> Interval | None:
    if ratings is None or STYLES.index("length") not in columns:
        return None
    at = n_held + columns.index(STYLES.index("length"))
    estimate, lo, hi = ratings.style_effect(at, confidence)
    return Interval(estimate=estimate, lo=lo, hi=hi)


def _position(ballots: Sequence[Ballot], confidence: float) -> Position:
    decided = [ballot.a_won for ballot in ballots if ballot.a_won is not None]
    n_a, n = sum(decided), len(decided)
    if not n:
        return Position(n_a=0, n_decided=0, share=None, p=None)
    from releases.statistics.mean_score import wilson  # SciPy

    lo, hi = wilson(n_a, n, confidence)
    p = _chance(n_a, n)
    share = Interval(estimate=n_a / n, lo=lo, hi=hi)
    return Position(n_a=n_a, n_decided=n, share=share, p=p)


def _groups(ballots: Sequence[Ballot], confidence: float) -> list[Group]:
    found = []
    for name in sorted({ballot.group for ballot in ballots}):
        mine = [ballot for ballot in ballots if ballot.group == name]
        raters = {ballot.rater for ballot in mine}
        score = _score(mine, confidence)
        found.append(Group(name=name, n_votes=len(mine), n_raters=len(raters), score=score))
    return found


def _one_sided(ballots: Sequence[Ballot]) -> list[OneSided]:
    decided = Counter(b.rater for b in ballots if b.a_won is not None)
    chose_a = Counter(b.rater for b in ballots if b.a_won)
    found = []
    for rater in sorted(decided):
        n_a, n = chose_a[rater], decided[rater]
        p = _chance(n_a, n)
        if p < ONE_SIDED_P:
            found.append(OneSided(rater=rater, n_a=n_a, n_decided=n, p=p))
    return found


def _chance(n_a: int, n: int) -> float:
    """Exact two-sided p of that many choices of the first place, where both are as likely."""
    from scipy import stats  # heavy: only where numbers are made

    return float(stats.binomtest(n_a, n).pvalue)
