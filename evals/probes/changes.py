"""What a hypothesis changes about a prompt: one thing, and nothing else. Pure.

A change takes what was asked and gives what is asked instead; None where it has nothing to change,
so that no pair of equal prompts is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

_PARAGRAPHS = re.compile(r"\n\s*\n")
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_FORMAT = re.compile(
    r"\b(json|ya?ml|xml|csv|html|markdown|tables?|bullets?|bulleted|numbered|headings?|format(ted)?)\b",
    re.IGNORECASE,
)
_SYSTEM = ("system", "developer")
CLOCK_TOOL: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "current_time",
        "description": "The time of day, now, in UTC.",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request of a probe, before the checkpoint's own text and defaults are composed in."""

    messages: Sequence[Mapping[str, Any]]
    """Chat messages, the last one the user's."""
    tools: Sequence[Mapping[str, Any]] = ()
    request: Mapping[str, Any] = field(default_factory=dict)
    """Request settings: temperature, max_tokens and the like."""
    serving: Mapping[str, Any] = field(default_factory=dict)
    """What replaces the checkpoint's own serving defaults: `{"system_prompt": ""}`."""

    def as_json(self) -> dict[str, Any]:
        """The four parts, as they are kept."""
        return {
            "messages": [dict(message) for message in self.messages],
            "tools": [dict(tool) for tool in self.tools],
            "request": dict(self.request),
            "serving": dict(self.serving),
        }


Change = Callable[[Asked], Asked | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One kind of hypothesis."""

    name: str
    component: str
    """What is isolated when the change makes the failures go away."""
    sentence: str
    """What the changed prompt does differently, for a person."""
    change: Change


def shorter_context(asked: Asked) -> Asked | None:
    """Leave out earlier turns; of a single long turn, all but its first and last paragraph."""
    told = [message for message in asked.messages if message["role"] in _SYSTEM]
    turns = [message for message in asked.messages if message["role"] not in _SYSTEM]
    if len(turns) > 1:
        return replace(asked, messages=[*told, turns[-1]]) if _is_users(turns[-1]) else None
    return _with_paragraphs(asked, lambda parts: [parts[0], parts[-1]] if len(parts) > 2 else None)


def instruction_first(asked: Asked) -> Asked | None:
    """Put the last paragraph of the last turn before the others."""
    return _with_paragraphs(asked, lambda parts: [parts[-1], *parts[:-1]])


def instruction_last(asked: Asked) -> Asked | None:
    """Put the first paragraph of the last turn after the others; with two it is another order."""
    # With two paragraphs this is what `instruction_first` does.
    moved = lambda parts: [*parts[1:], parts[0]] if len(parts) > 2 else None  # noqa: E731
    return _with_paragraphs(asked, moved)


def format_not_asked(asked: Asked) -> Asked | None:
    """Drop `response_format` and every sentence of the last turn that asks for a format."""
    settings = {key: value for key, value in asked.request.items() if key != "response_format"}
    text = _last_text(asked) or ""
    kept = " ".join(part for part in _SENTENCES.split(text) if not _FORMAT.search(part))
    if not kept.strip() or (kept == text and settings == asked.request):
        return replace(asked, request=settings) if settings != asked.request else None
    spoken = _with_last_text(asked, kept) if _FORMAT.search(text) else asked
    return replace(spoken, request=settings)


def format_asked(asked: Asked) -> Asked | None:
    """Ask for plain text in the last turn."""
    return _with_addition(asked, "Answer in plain text, without lists, headings or tables.")


def system_prompt_off(asked: Asked) -> Asked | None:
    """Leave the checkpoint's own system text out."""
    if "system_prompt" in asked.serving:
        return None
    return replace(asked, serving={**asked.serving, "system_prompt": ""})


def system_message_off(asked: Asked) -> Asked | None:
    """Leave the conversation's own system and developer messages out."""
    kept = [message for message in asked.messages if message["role"] not in _SYSTEM]
    return replace(asked, messages=kept) if 0 < len(kept) < len(asked.messages) else None


def temperature_zero(asked: Asked) -> Asked | None:
    """Sample at temperature 0."""
    return _with_setting(asked, "temperature", 0.0)


def temperature_one(asked: Asked) -> Asked | None:
    """Sample at temperature 1."""
    return _with_setting(asked, "temperature", 1.0)


def more_tokens(asked: Asked) -> Asked | None:
    """Let the answer be four times as long, where the request limits it."""
    for name in ("max_completion_tokens", "max_tokens"):
        if isinstance(asked.request.get(name), int):
            return _with_setting(asked, name, 4 * asked.request[name])
    return None


def answer_in_english(asked: Asked) -> Asked | None:
    """Ask for an answer in English."""
    return _with_addition(asked, "Answer in English.")


def reasoning_asked(asked: Asked) -> Asked | None:
    """Ask for the steps before the answer."""
    return _with_addition(asked, "Think step by step before you answer.")


def tools_off(asked: Asked) -> Asked | None:
    """Offer no tools."""
    if not asked.tools:
        return None
    about = ("tool_choice", "parallel_tool_calls")
    settings = {key: value for key, value in asked.request.items() if key not in about}
    return replace(asked, tools=(), request=settings)


def tool_present(asked: Asked) -> Asked | None:
    """Offer one tool that has nothing to do with the question."""
    return None if asked.tools else replace(asked, tools=(CLOCK_TOOL,))


def _template(change: Change, component: str, sentence: str) -> Template:
    return Template(name=change.__name__, component=component, sentence=sentence, change=change)  # type: ignore[attr-defined]


TEMPLATES: Mapping[str, Template] = {
    template.name: template
    for template in (
        _template(shorter_context, "long context", "Earlier turns, or middle paragraphs, are out."),
        _template(instruction_first, "instruction at the end", "The last paragraph comes first."),
        _template(instruction_last, "instruction at the start", "The first paragraph comes last."),
        _template(format_not_asked, "asked-for format", "No format is asked for."),
        _template(format_asked, "free format", "Plain text is asked for."),
        _template(
            system_prompt_off,
            "checkpoint's system text",
            "The checkpoint's own system text is out.",
        ),
        _template(
            system_message_off,
            "conversation's system message",
            "The conversation's own system message is out.",
        ),
        _template(temperature_zero, "sampling temperature", "The temperature is 0."),
        _template(temperature_one, "low temperature", "The temperature is 1."),
        _template(more_tokens, "length limit", "The answer may be four times as long."),
        _template(answer_in_english, "language", "An answer in English is asked for."),
        _template(
            reasoning_asked, "answer without steps", "Steps before the answer are asked for."
        ),
        _template(tools_off, "tools", "No tools are offered."),
        _template(tool_present, "absence of tools", "A tool that is beside the point is offered."),
    )
}


def _is_users(message: Mapping[str, Any]) -> bool:
    return message["role"] == "user" and isinstance(message.get("content"), str)


def _last_text(asked: Asked) -> str | None:
    """The text of the last turn; None where it is not the user's, or not text alone."""
    last = asked.messages[-1]
    return str(last["content"]) if _is_users(last) else None


def _with_last_text(asked: Asked, text: str) -> Asked:
    last = {**asked.messages[-1], "content": text}
    return replace(asked, messages=[*asked.messages[:-1], last])


def _with_paragraphs(
    asked: Asked, arranged: Callable[[list[str]], list[str] | None]
) -> Asked | None:
    text = _last_text(asked)
    parts = _PARAGRAPHS.split(text.strip()) if text else []
    if len(parts) < 2:
        return None
    found = arranged(parts)
    return _with_last_text(asked, "\n\n".join(found)) if found and found != parts else None


def _with_addition(asked: Asked, sentence: str) -> Asked | None:
    text = _last_text(asked)
    if text is None or sentence in text:
        return None
    return _with_last_text(asked, f"{text.rstrip()}\n\n{sentence}")


def _with_setting(asked: Asked, name: str, value: float) -> Asked | None:
    if asked.request.get(name) == value:
        return None
    return replace(asked, request={**asked.request, name: value})
