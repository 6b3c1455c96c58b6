"""What two texts have in common, word by word. Pure.

Longest matching runs by `difflib.SequenceMatcher` (Ratcliff and Obershelp, 1988), which is
quadratic where words repeat: longer texts are compared by lines, and what is longer still is shown
as wholly different, so that a page's time has a bound whatever a model answers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

MOST_PAIRS = 60_000
"""Pairs of equal words (or lines) that are looked at; about 0.1 s."""
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A run of one text; `changed`: the other text does not have it there."""

    text: str
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WordDiff:
    """Both texts in pieces; the pieces of each, joined, are that text again."""

    old: Sequence[Piece]
    new: Sequence[Piece]

    @property
    def is_equal(self) -> bool:
        return not any(piece.changed for piece in (*self.old, *self.new))


def word_diff(old: str, new: str) -> WordDiff:
    """Where the texts differ, as finely as their length allows."""
    for grain in (_WORD, _LINE):
        ours, theirs = grain.findall(old), grain.findall(new)
        if _n_pairs(ours, theirs) <= MOST_PAIRS:
            return _compared(ours, theirs)
    same = old == new
    return WordDiff(old=_whole(old, not same), new=_whole(new, not same))


def _n_pairs(old: Sequence[str], new: Sequence[str]) -> int:
    """How many times a word of one text stands in the other, over all words."""
    ours = Counter(word for word in old if not word.isspace())
    theirs = Counter(word for word in new if not word.isspace())
    return sum(count * theirs[word] for word, count in ours.items())


def _compared(old: Sequence[str], new: Sequence[str]) -> WordDiff:
    left, right = list[Piece](), list[Piece]()
    # Blanks join what matches around them; alone, they would match everywhere.
    for tag, i, j, k, n in SequenceMatcher(str.isspace, old, new, autojunk=False).get_opcodes():
        changed = tag != "equal"
        left += _whole("".join(old[i:j]), changed)
        right += _whole("".join(new[k:n]), changed)
    return WordDiff(old=left, new=right)


def _whole(text: str, changed: bool) -> list[Piece]:
    return [Piece(text=text, changed=changed)] if text else []
