"""Rules about shape: length, format, required content, first and last words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from evals.graders.ifeval.wording import compares

OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
PLACEHOLDER = re.compile(r"\[[^\[\]\n]*\]")
HIGHLIGHT = re.compile(r"\*[^\n*]*\*")
DOUBLE_HIGHLIGHT = re.compile(r"\*\*[^\n*]*\*\*")
PARAGRAPH_RULE = re.compile(r"\s?\*\*\*\s?")
JSON_FENCE = re.compile(r"^```(?:json)?", re.IGNORECASE)
SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s|$)|[。！？]+")
ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|jr|sr|vs|e\.g|i\.e|inc|ltd|co|[a-z])\.$", re.IGNORECASE
)
POSTSCRIPTS = {"P.P.S": re.compile(r"p\.\s?p\.\s?s"), "P.S.": re.compile(r"p\.\s?s\.")}


def sentences(text: str) -> int:
    """Sentences by their closing marks; an abbreviation's dot closes none."""
    found, start = 0, 0
    for end in SENTENCE_END.finditer(text):
        sentence = text[start : end.end()].strip()
        if end[0] == "." and ABBREVIATION.search(sentence[-12:]) and end.end() < len(text.rstrip()):
            continue
        found += any(character.isalnum() for character in sentence)
        start = end.end()
    return found + any(character.isalnum() for character in text[start:])


def has_sentences(text: str, *, num_sentences: int, relation: str) -> bool:
    """The number of sentences against the bound."""
    return compares(sentences(text), relation, num_sentences)


def has_words(text: str, *, num_words: int, relation: str) -> bool:
    r"""The number of words (runs of `\w`) against the bound."""
    return compares(len(re.findall(r"\w+", text)), relation, num_words)


def has_paragraphs(text: str, *, num_paragraphs: int) -> bool:
    """Exactly this many paragraphs parted by `***`; an empty one between two rules fails."""
    parts = [part.strip() for part in PARAGRAPH_RULE.split(text)]
    inner = parts[1:-1]
    return all(inner) and sum(bool(part) for part in parts) == num_paragraphs


def nth_paragraph_starts(
    text: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str
) -> bool:
    """Exactly this many paragraphs parted by blank lines, the nth opening with the word."""
    parts = text.split("\n\n")
    filled = sum(bool(part.strip()) for part in parts)
    if filled != num_paragraphs or nth_paragraph > len(parts):
        return False
    words = parts[nth_paragraph - 1].split()
    if not words:
        return False
    opening = re.match(r"[^\s.,?!'\"]*", words[0].lstrip("'\""))
    return opening is not None and opening[0].lower() == first_word.lower()


def has_placeholders(text: str, *, num_placeholders: int) -> bool:
    """At least this many `[placeholders]`."""
    return len(PLACEHOLDER.findall(text)) >= num_placeholders


def has_postscript(text: str, *, postscript_marker: str) -> bool:
    """The marker occurs; P.S. and P.P.S may be spaced."""
    pattern = POSTSCRIPTS.get(postscript_marker)
    if pattern is not None:
        return pattern.search(text.lower()) is not None
    return postscript_marker.lower() in text.lower()


def has_bullets(text: str, *, num_bullets: int) -> bool:
    """Exactly this many lines that open with `*` (not `**`) or `-`."""
    lines = [line.lstrip() for line in text.splitlines()]
    stars = sum(line.startswith("*") and len(line) > 1 and line[1] != "*" for line in lines)
    return stars + sum(line.startswith("-") for line in lines) == num_bullets


def is_constrained(text: str) -> bool:
    """One of the three fixed answers occurs."""
    return any(option in text for option in OPTIONS)


def has_highlights(text: str, *, num_highlights: int) -> bool:
    """At least this many `*highlights*`, single or double."""
    found = HIGHLIGHT.findall(text) + DOUBLE_HIGHLIGHT.findall(text)
    return sum(bool(one.strip("*").strip()) for one in found) >= num_highlights


def has_sections(text: str, *, section_spliter: str, num_sections: int) -> bool:
    """At least this many headings such as `Section 1`."""
    headings = re.findall(rf"{re.escape(section_spliter.strip())}\s?\d+", text)
    return len(headings) >= num_sections


def is_json(text: str) -> bool:
    """The whole answer is JSON, a Markdown fence around it allowed."""
    body = JSON_FENCE.sub("", text.strip()).strip().removesuffix("```").strip()
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def has_title(text: str) -> bool:
    """A line holds a `<<title>>` that is not blank."""
    for line in text.splitlines():
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start < end and line[start:end].lstrip("<").rstrip(">").strip():
            return True
    return False


def has_two_responses(text: str) -> bool:
    """Two different answers parted by `******`; blanks only before the first and after the last."""
    parts = text.split("******")
    filled = [part.strip() for part in parts if part.strip()]
    return all(part.strip() for part in parts[1:-1]) and len(filled) == 2 and len(set(filled)) == 2


def repeats_prompt(text: str, *, prompt_to_repeat: str) -> bool:
    """The answer opens with the request, in any case."""
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def ends_with(text: str, *, end_phrase: str) -> bool:
    """The answer closes with the phrase, in any case; quotation marks around it are ignored."""
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def is_quoted(text: str) -> bool:
    """Double quotation marks around the whole answer."""
    body = text.strip()
    return len(body) > 1 and body[0] == body[-1] == '"'


def loosely(text: str, check: Callable[[str], bool]) -> bool:
    """IFEval's loose reading: as written, or without asterisks, first or last line."""
    lines = text.split("\n")
    trimmed = ["\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])]
    variants = [text, *trimmed]
    variants += [variant.replace("*", "") for variant in variants]
    return any(variant.strip() and check(variant) for variant in variants)
