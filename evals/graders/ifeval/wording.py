"""Rules about words: keywords, letters, case, commas, language."""

from __future__ import annotations

import re
from collections.abc import Sequence

from langdetect import DetectorFactory, LangDetectException, detect  # type: ignore[import-untyped]

# Without a seed the detector's answer on a short text changes from call to call.
DetectorFactory.seed = 0

ENGLISH = "en"
WORD = re.compile(r"\w+(?:[-'’.]\w+)*")


def compares(number: int, relation: str, bound: int) -> bool:
    """`less than` or `at least`, the only two relations of IFEval."""
    return number < bound if relation == "less than" else number >= bound


def has_keywords(text: str, *, keywords: Sequence[str]) -> bool:
    """Every keyword occurs, in any case, inside a word too."""
    lowered = text.lower()
    return all(keyword.lower() in lowered for keyword in keywords)


def has_keyword_often(text: str, *, keyword: str, frequency: int, relation: str) -> bool:
    """The keyword's count, in any case, against the bound."""
    return compares(text.lower().count(keyword.lower()), relation, frequency)


def avoids_words(text: str, *, forbidden_words: Sequence[str]) -> bool:
    """None of the words occurs as a whole word, in any case."""
    return not any(
        re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in forbidden_words
    )


def has_letter_often(text: str, *, letter: str, let_frequency: int, let_relation: str) -> bool:
    """One character's count, in any case, against the bound."""
    return compares(text.lower().count(letter.lower()), let_relation, let_frequency)


def has_capital_words(text: str, *, capital_frequency: int, capital_relation: str) -> bool:
    """How many words are all capitals, against the bound."""
    shouted = sum(word.isupper() for word in WORD.findall(text))
    return compares(shouted, capital_relation, capital_frequency)


def is_english_capital(text: str) -> bool:
    """English, all capitals."""
    return text.isupper() and is_in_language(text, language=ENGLISH)


def is_english_lowercase(text: str) -> bool:
    """English, no capital."""
    return text.islower() and is_in_language(text, language=ENGLISH)


def has_no_comma(text: str) -> bool:
    """No comma anywhere."""
    return "," not in text


def is_in_language(text: str, *, language: str) -> bool:
    """The detected language is this one; a text without any (only digits, say) follows."""
    try:
        return str(detect(text)) == language
    except LangDetectException:
        return True
