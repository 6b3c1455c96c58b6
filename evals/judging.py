"""What people's labels say of an output, and when a judge is fit to gate. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from infra.errors import InvalidInput

DEFAULT_FLOOR = 0.4
DEFAULT_LABELS = 50
DEFAULT_RATERS = 2
LABELS_LAST = timedelta(days=90)
DOUBLE_SHARE = 0.10
HUMAN_ALPHA = 0.67
# A choice from here upwards counts as positive in true and false positive rates.
POSITIVE = 0.5
# Raters answer by one digit.
MOST_CHOICES = 9
LONGEST_CHOICE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """What the raters of one item say together."""

    choice: str | None
    """The choice of most; None when there is a tie."""
    score: float
    """Mean of the raters' scores, in 0..1."""
    n_labels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """The numbers that decide whether a version of a judge may gate."""

    reference: str
    """`tone@3`."""
    floor: float
    min_labels: int
    n_items: int
    n_double: int
    kappa: float | None
    kappa_lo: float | None
    kappa_hi: float | None
    human_alpha: float | None
    true_pos: int
    positives: int
    true_neg: int
    negatives: int
    oldest_label_at: datetime | None


def consensus(choices: Sequence[str], scores: Mapping[str, float]) -> Consensus:
    """Of at least one rater's choice."""
    counted = Counter(choices).most_common()
    is_tied = len(counted) > 1 and counted[0][1] == counted[1][1]
    return Consensus(
        choice=None if is_tied else counted[0][0],
        score=sum(scores[choice] for choice in choices) / len(choices),
        n_labels=len(choices),
    )


def is_settled(choices: Sequence[str], n_raters: int) -> bool:
    """Whether nobody further is asked: enough raters, and most of them agree."""
    if len(choices) < n_raters:
        return False
    counted = Counter(choices).most_common()
    return len(counted) == 1 or counted[0][1] > counted[1][1]


def checked_choices(choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`{choice: score}` as rows; InvalidInput naming the choice that is wrong."""
    if not isinstance(choices, Mapping) or not 2 <= len(choices) <= MOST_CHOICES:
        message = f"`choices` maps 2 to {MOST_CHOICES} choices to scores, such as good: 1, bad: 0."
        raise InvalidInput("judge_choices", message)
    rows = [{"choice": name, "score": _score(name, score)} for name, score in choices.items()]
    if len({row["score"] for row in rows}) < len(rows):
        message = "Each choice needs a score of its own, so that a score tells the choice."
        raise InvalidInput("judge_choices", message)
    positive = [row for row in rows if row["score"] >= POSITIVE]
    if not 0 < len(positive) < len(rows):
        message = f"Some choice must score {POSITIVE:g} or more, and some other less."
        raise InvalidInput("judge_choices", message)
    return rows


def _score(name: object, score: object) -> float:
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_CHOICE:
        message = f"choice {name!r}: write text of up to {LONGEST_CHOICE} characters."
        raise InvalidInput("judge_choices", message)
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise InvalidInput("judge_choices", f"choice {name!r} scores {score!r}: write 0 to 1.")
    return float(score)


def unfit(found: Fitness, now: datetime) -> list[str]:
    """Why the version may not gate, a clause a reason; empty when it may."""
    clauses = []
    if found.n_items < found.min_labels:
        needed = f"{found.min_labels} are needed before it can pass or block"
        clauses.append(f"it was held against {found.n_items} human labels; {needed}")
    if found.kappa is None or found.kappa_lo is None or found.kappa_hi is None:
        clauses.append("its agreement with people is undefined: everyone chose one and the same")
    elif found.kappa_lo < found.floor:
        interval = f"95% CI {found.kappa_lo:.2f} to {found.kappa_hi:.2f}"
        clauses.append(
            f"it agrees with people at kappa {found.kappa:.2f} ({interval}), below its floor of "
            f"{found.floor:.2f}"
        )
    return clauses + _about_people(found, now)


def _about_people(found: Fitness, now: datetime) -> list[str]:
    """What keeps the labels themselves from carrying a gate."""
    clauses = []
    if found.n_items and found.n_double < DOUBLE_SHARE * found.n_items:
        share = f"{found.n_double} of {found.n_items} cases were labelled by two people"
        clauses.append(f"{share}; {DOUBLE_SHARE:.0%} are needed to see whether people agree")
    elif found.human_alpha is not None and found.human_alpha < HUMAN_ALPHA:
        clauses.append(
            f"people themselves agree at alpha {found.human_alpha:.2f}, below {HUMAN_ALPHA}: "
            "the question is not one that a judge can answer"
        )
    oldest = found.oldest_label_at
    if oldest is not None and now - oldest > LABELS_LAST:
        days = (now - oldest).days
        clauses.append(f"its oldest label is {days} days old; {LABELS_LAST.days} are the most")
    return clauses


def unfit_sentence(reference: str, clauses: Sequence[str]) -> str:
    """One sentence of those clauses."""
    return f"Judge {reference} can't gate: {'; '.join(clauses)}."
