"""What is shown of two answers so that nothing but their words tells them apart. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MASK = "[name masked]"
# A shorter name would mask ordinary words.
SHORTEST_NAME = 4
_BETWEEN = re.compile(r"[-_./: ]+")
_HEADER = re.compile(r"^#{1,6}\s", re.MULTILINE)
_LIST_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d{1,3}[.)])\s", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
# Places that a reader does not see, by which an answer could be known again.
_UNSEEN = re.compile("[\u00ad\u200b\u2060-\u2064\ufeff]")


def masked(text: str, names: Iterable[str]) -> str:
    """The text without the names, however their parts are joined and spelled."""
    patterns = [
        r"[-_./: ]*".join(map(re.escape, _BETWEEN.split(name)))
        for name in sorted(set(names), key=len, reverse=True)
        if len(name) >= SHORTEST_NAME
    ]
    if not patterns:
        return text
    return re.sub(f"(?i)(?:{'|'.join(patterns)})", MASK, text)


def shown_answer(message: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """An assistant's message as both places show it: `{"content", "tool_calls"}`.

    A refusal is text like any other; ids, unseen characters and space at either end are left out,
    since how a server sets them would tell it.
    """
    wanted, text = list(names), message.get("content") or message.get("refusal") or ""
    called = [call.get("function") or {} for call in message.get("tool_calls") or ()]
    return {
        "content": masked(_UNSEEN.sub("", text).strip(), wanted),
        "tool_calls": [
            {"name": str(of.get("name", "")), "arguments": masked(_arguments(of), wanted)}
            for of in called
        ],
    }


def _arguments(function: Mapping[str, Any]) -> str:
    """Written one way: how a server spaces its JSON is its own."""
    text = str(function.get("arguments", ""))
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text.strip()


def style_of(answer: Mapping[str, Any]) -> list[int]:
    """Characters, headers, list items and bold spans: what votes are controlled for."""
    text = answer["content"]
    n_chars = len(text) + sum(len(call["arguments"]) for call in answer["tool_calls"])
    return [n_chars, *(len(found.findall(text)) for found in (_HEADER, _LIST_ITEM, _BOLD))]


def prompt_digest(secret: bytes, asked: Mapping[str, Any]) -> str:
    """32 hex digits, keyed: equal for equal messages and tools, and nothing can be read off."""
    told = {name: asked[name] for name in ("messages", "tools") if asked.get(name)}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(
        text.encode(), digest_size=16, key=secret[:64], person=b"prompt"
    ).hexdigest()


def in_places(first_is_a: bool, pair: Sequence[Any]) -> tuple[Any, Any]:
    """A pair as places A and B hold it."""
    return (pair[0], pair[1]) if first_is_a else (pair[1], pair[0])
