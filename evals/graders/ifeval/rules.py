"""The 25 rules of IFEval (Zhou et al. 2023) with their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evals.graders.ifeval import shape, wording

TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1}
TEXTS: Mapping[str, Any] = {"type": "array", "items": TEXT, "minItems": 1}
COUNT: Mapping[str, Any] = {"type": "integer", "minimum": 0}
PLACE: Mapping[str, Any] = {"type": "integer", "minimum": 1}
RELATION: Mapping[str, Any] = {"enum": ["less than", "at least"]}
CHARACTER: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One verifiable rule: whether a text follows it, given its arguments, all required."""

    follows: Callable[..., bool]
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


FAMILIES: Mapping[str, str] = {
    "change_case": "case",
    "combination": "combination",
    "detectable_content": "content",
    "detectable_format": "format",
    "keywords": "keywords",
    "language": "language",
    "length_constraints": "length",
    "punctuation": "punctuation",
    "startend": "startend",
}
"""What a family of rules is called in the component tree."""

RULES: Mapping[str, Rule] = {
    "change_case:capital_word_frequency": Rule(
        follows=wording.has_capital_words,
        arguments={"capital_frequency": COUNT, "capital_relation": RELATION},
    ),
    "change_case:english_capital": Rule(follows=wording.is_english_capital),
    "change_case:english_lowercase": Rule(follows=wording.is_english_lowercase),
    "combination:repeat_prompt": Rule(
        follows=shape.repeats_prompt, arguments={"prompt_to_repeat": TEXT}
    ),
    "combination:two_responses": Rule(follows=shape.has_two_responses),
    "detectable_content:number_placeholders": Rule(
        follows=shape.has_placeholders, arguments={"num_placeholders": COUNT}
    ),
    "detectable_content:postscript": Rule(
        follows=shape.has_postscript, arguments={"postscript_marker": TEXT}
    ),
    "detectable_format:constrained_response": Rule(follows=shape.is_constrained),
    "detectable_format:json_format": Rule(follows=shape.is_json),
    "detectable_format:multiple_sections": Rule(
        follows=shape.has_sections, arguments={"section_spliter": TEXT, "num_sections": COUNT}
    ),
    "detectable_format:number_bullet_lists": Rule(
        follows=shape.has_bullets, arguments={"num_bullets": COUNT}
    ),
    "detectable_format:number_highlighted_sections": Rule(
        follows=shape.has_highlights, arguments={"num_highlights": COUNT}
    ),
    "detectable_format:title": Rule(follows=shape.has_title),
    "keywords:existence": Rule(follows=wording.has_keywords, arguments={"keywords": TEXTS}),
    "keywords:forbidden_words": Rule(
        follows=wording.avoids_words, arguments={"forbidden_words": TEXTS}
    ),
    "keywords:frequency": Rule(
        follows=wording.has_keyword_often,
        arguments={"keyword": TEXT, "frequency": COUNT, "relation": RELATION},
    ),
    "keywords:letter_frequency": Rule(
        follows=wording.has_letter_often,
        arguments={"letter": CHARACTER, "let_frequency": COUNT, "let_relation": RELATION},
    ),
    "language:response_language": Rule(
        follows=wording.is_in_language, arguments={"language": TEXT}
    ),
    "length_constraints:nth_paragraph_first_word": Rule(
        follows=shape.nth_paragraph_starts,
        arguments={"num_paragraphs": COUNT, "nth_paragraph": PLACE, "first_word": TEXT},
    ),
    "length_constraints:number_paragraphs": Rule(
        follows=shape.has_paragraphs, arguments={"num_paragraphs": COUNT}
    ),
    "length_constraints:number_sentences": Rule(
        follows=shape.has_sentences, arguments={"num_sentences": COUNT, "relation": RELATION}
    ),
    "length_constraints:number_words": Rule(
        follows=shape.has_words, arguments={"num_words": COUNT, "relation": RELATION}
    ),
    "punctuation:no_comma": Rule(follows=wording.has_no_comma),
    "startend:end_checker": Rule(follows=shape.ends_with, arguments={"end_phrase": TEXT}),
    "startend:quotation": Rule(follows=shape.is_quoted),
}


def family(rule_id: str) -> str:
    """The component part of a rule's family."""
    return FAMILIES[rule_id.partition(":")[0]]
