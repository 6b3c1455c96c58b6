"""How alike two texts are, by the field's measures; each in 0..1.

BLEU is Papineni et al. 2002 for one sentence, smoothed exponentially and at most to the shorter
text's own n-grams, as sacreBLEU does; GLEU is Wu et al. 2016; ROUGE is Lin 2004, as F1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import regex  # type: ignore[import-untyped]
from rapidfuzz import fuzz
from rapidfuzz.distance import LCSseq

LONGEST_N = 4
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = rf"[{_UNSPACED}]\p{{M}}*+|[\p{{L}}\p{{M}}\p{{N}}--[{_UNSPACED}]]+"
WORDS = regex.compile(WORD, regex.V1)
WORDS_AND_MARKS = regex.compile(rf"{WORD}|[^\s\p{{L}}\p{{M}}\p{{N}}]", regex.V1)


def words(text: str) -> list[str]:
    """Words without case or punctuation; scripts without spaces count each character."""
    return WORDS.findall(text.lower())  # type: ignore[no-any-return]


def words_and_marks(text: str) -> list[str]:
    """Words as written, and each punctuation mark."""
    return WORDS_AND_MARKS.findall(text)  # type: ignore[no-any-return]


def fuzzy(text: str, reference: str) -> float:
    """The share of characters that stay when one text is edited into the other (Indel)."""
    return fuzz.ratio(text, reference) / 100


def bleu(text: str, reference: str) -> float:
    """BLEU-4 of one sentence over words and punctuation marks, case counted."""
    given, wanted = words_and_marks(text), words_and_marks(reference)
    if not given or not wanted:
        return 0.0
    logs, halved = [], 1.0
    for n in range(1, min(LONGEST_N, len(given)) + 1):
        shared = _n_shared(given, wanted, n)
        if n == 1 and not shared:
            return 0.0
        if not shared:
            halved *= 2
        logs.append(math.log((shared or 1 / halved) / (len(given) - n + 1)))
    brevity = min(1.0, math.exp(1 - len(wanted) / len(given)))
    return min(1.0, brevity * math.exp(sum(logs) / len(logs)))


def gleu(text: str, reference: str) -> float:
    """The lower of precision and recall over all runs of one to four words and marks."""
    given, wanted = words_and_marks(text), words_and_marks(reference)
    sizes = range(1, LONGEST_N + 1)
    shared = sum(_n_shared(given, wanted, n) for n in sizes)
    most = max(sum(max(0, len(side) - n + 1) for n in sizes) for side in (given, wanted))
    return shared / most if most else 0.0


def rouge_n(n: int) -> Callable[[str, str], float]:
    """F1 of runs of n words."""

    def score(text: str, reference: str) -> float:
        given, wanted = words(text), words(reference)
        n_given, n_wanted = len(given) - n + 1, len(wanted) - n + 1
        if n_given < 1 or n_wanted < 1:
            return 0.0
        return 2 * _n_shared(given, wanted, n) / (n_given + n_wanted)

    return score


def rouge_l(text: str, reference: str) -> float:
    """F1 of the longest run of words that both have in order, gaps allowed."""
    given, wanted = words(text), words(reference)
    if not given or not wanted:
        return 0.0
    return 2 * LCSseq.similarity(given, wanted) / (len(given) + len(wanted))


def _n_shared(given: Sequence[str], wanted: Sequence[str], n: int) -> int:
    """How many runs of n both have, each at most as often as in the text with fewer of it."""
    sought = Counter(_runs(wanted, n))
    return (Counter(filter(sought.__contains__, _runs(given, n))) & sought).total()


def _runs(tokens: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(islice(tokens, start, None) for start in range(n)), strict=False)


MEASURES: Mapping[str, Callable[[str, str], float]] = {
    "fuzzy_match": fuzzy,
    "bleu": bleu,
    "gleu": gleu,
    "rouge_l": rouge_l,
    **{f"rouge_{n}": rouge_n(n) for n in range(1, 6)},
}
