"""What makes a reinforcement job useless, told from its items before it is paid for. Pure.

The guide of OpenAI asks for it: scores strictly between the least and the most, some success, and
a grader that tells a good answer from a bad one. How many items are few is this project's own word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from evals.training.contract import MOST_RFT_ROWS, Split

FEW_ITEMS: Mapping[Split, int] = {Split.TRAIN: 50, Split.VALIDATION: 10}
USED_TO: Mapping[Split, str] = {Split.TRAIN: "train on", Split.VALIDATION: "validate on"}
LEAST_TRIED = 5
"""Fewer graded items tell nothing about a grader."""


class Concern(StrEnum):
    """What stands against a reinforcement export."""

    TOO_MANY = "over_the_most_rows"
    """The job takes no more: the rest would be left out."""
    FEW_ITEMS = "few_items"
    GRADER_FAILS = "grader_fails"
    """It gave no score to some items."""
    GRADER_CONSTANT = "grader_constant"
    """Good and bad answers have the same score."""
    NEVER_RIGHT = "baseline_at_0"
    """No recorded answer has any score: there is no success to learn from."""
    ALWAYS_RIGHT = "baseline_at_100"
    """Every recorded answer has the best score: nothing is left to learn."""
    REWARDS_WRONG = "correction_not_better"
    """What partners corrected scores no less than their corrections."""
    NOT_TRIED = "grader_not_tried"
    """It asks a model, or too few items have an answer to grade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The grader's scores of one item, in 0..1; None where it gave none."""

    answered: float | None
    """Of what was answered when the partner corrected it: the baseline."""
    wanted: float | None
    """Of the correction itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing that stands against it, in a sentence for a person."""

    concern: Concern
    sentence: str


def notes_on(
    n_rows: Mapping[Split, int], n_over: int, tried: Sequence[Tried], not_tried: str = ""
) -> list[Note]:
    """Everything that stands against the export, by its rows and the graded items.

    `n_over` are rows beyond the most; `not_tried` says why the grader was not asked.
    """
    found = [*_of_size(n_rows, n_over)]
    graded = [one for one in tried if one.answered is not None and one.wanted is not None]
    if len(graded) < len(tried):
        n = len(tried) - len(graded)
        sentence = f"The grader gave no score to {n} of {len(tried)} items that were tried."
        found.append(Note(concern=Concern.GRADER_FAILS, sentence=sentence))
    if not_tried or len(graded) < LEAST_TRIED:
        why = not_tried or f"only {len(graded)} items have an answer that it could grade"
        sentence = f"What the grader gives was not tried: {why}."
        return [*found, Note(concern=Concern.NOT_TRIED, sentence=sentence)]
    return [*found, *_of_scores(graded)]


def _of_size(n_rows: Mapping[Split, int], n_over: int) -> Iterator[Note]:
    if n_over:
        most = " and ".join(f"{n:,} to {USED_TO[split]}" for split, n in MOST_RFT_ROWS.items())
        sentence = f"{n_over:,} rows are beyond what a job takes ({most}) and would be left out."
        yield Note(concern=Concern.TOO_MANY, sentence=sentence)
    for split, few in FEW_ITEMS.items():
        if n_rows[split] < few:
            sentence = f"{n_rows[split]} items to {USED_TO[split]}: fewer than {few} tell little."
            yield Note(concern=Concern.FEW_ITEMS, sentence=sentence)


def _of_scores(graded: Sequence[Tried]) -> Iterator[Note]:
    answered = [one.answered for one in graded if one.answered is not None]
    wanted = [one.wanted for one in graded if one.wanted is not None]
    if len({*answered, *wanted}) == 1:
        sentence = (
            f"The grader gives {answered[0]:g} to every answer and to every correction of "
            f"{len(graded)} items: it can teach nothing."
        )
        yield Note(concern=Concern.GRADER_CONSTANT, sentence=sentence)
        return
    if max(answered) == 0:
        sentence = f"The grader gives 0 to all {len(graded)} recorded answers: no success to learn"
        yield Note(concern=Concern.NEVER_RIGHT, sentence=f"{sentence} from.")
    if min(answered) == 1:
        sentence = f"The grader gives 1 to all {len(graded)} recorded answers: nothing is left to"
        yield Note(concern=Concern.ALWAYS_RIGHT, sentence=f"{sentence} learn.")
    means = sum(answered) / len(graded), sum(wanted) / len(graded)
    if means[1] <= means[0]:
        sentence = (
            f"Corrections score {means[1]:.2f} and what they correct {means[0]:.2f} on average: "
            "the grader rewards what was wrong."
        )
        yield Note(concern=Concern.REWARDS_WRONG, sentence=sentence)
