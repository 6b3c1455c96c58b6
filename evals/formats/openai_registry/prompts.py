"""Prompts of the registry: chats, and texts in Python's braces."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

from evals.formats.documents import Placed

OUTPUT = "{{sample.output_text}}"


def asked(place: Placed, examples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is asked, worked examples before the last message."""
    messages = messages_of(place)
    return [*messages[:-1], *examples, *messages[-1:]]


def messages_of(place: Placed) -> list[dict[str, Any]]:
    if isinstance(place.value, str):
        return [{"role": "user", "content": place.value}]
    found = []
    for one in place.items():
        one.at("role").text()
        one.at("content").text()
        found.append(dict(one.value))
    if not found:
        raise place.wrong("asks nothing")
    return found


def _parts(text: str, place: Placed) -> list[tuple[str, str | None]]:
    try:
        return [(literal, name) for literal, name, _, _ in string.Formatter().parse(text)]
    except ValueError as error:
        raise place.wrong(f"its braces do not fit: {error}") from error


def names_in(text: str, place: Placed) -> set[str]:
    """What a prompt in Python's braces fills in."""
    return {name for _, name in _parts(text, place) if name is not None}


def template_of(text: str, outputs: set[str], place: Placed) -> str:
    """A prompt in Python's braces as one of a grader; chats stand in it as JSON."""
    shown = []
    for literal, name in _parts(text, place):
        shown.append(literal)
        if name is not None:
            shown.append(OUTPUT if name in outputs else f"{{{{item.{name}}}}}")
    return "".join(shown)
