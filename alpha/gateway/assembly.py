"""Puts the chunks of a stream together again, for a transcript that was consented to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any


class Assembly:
    """The messages that a client has been sent so far, by choice."""

    def __init__(self) -> None:
        self._texts: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._calls: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take one chunk as it was sent."""
        for choice in chunk["choices"]:
            index, delta = choice["index"], choice["delta"]
            texts = self._texts[index]
            for name in ("content", "refusal"):
                if delta.get(name):
                    texts[name].append(delta[name])
            for call in delta.get("tool_calls", ()):
                self._add_call(self._calls[index], call)

    def _add_call(self, calls: dict[int, dict[str, Any]], piece: Mapping[str, Any]) -> None:
        empty = {"type": "function", "function": {"name": "", "arguments": ""}}
        call = calls.setdefault(piece["index"], empty)
        if "id" in piece:
            call["id"] = piece["id"]
        for name, text in piece["function"].items():
            call["function"][name] += text

    def messages(self) -> list[dict[str, Any]]:
        """One assistant message a choice."""
        return [self._message(index) for index in sorted(self._texts)]

    def _message(self, index: int) -> dict[str, Any]:
        texts = {name: "".join(pieces) for name, pieces in self._texts[index].items()}
        message: dict[str, Any] = {"role": "assistant", "content": None, **texts}
        if calls := self._calls.get(index):
            message["tool_calls"] = [calls[place] for place in sorted(calls)]
        return message
