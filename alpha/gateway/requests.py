"""What a client may send: allow-listed fields of `/v1/chat/completions`, each of its type.

Nested values go upstream untouched, but for addresses that an upstream would fetch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from alpha.gateway.errors import Refusal

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
PART_TYPES = frozenset({"text", "image_url", "input_audio", "file", "refusal"})
FETCHABLE = ("https://", "data:")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A checked request: what goes upstream, and what stays here."""

    codename: str
    forwarded: Mapping[str, Any]
    stream: bool
    include_usage: bool
    wants_logprobs: bool
    safety_identifier: str | None
    user: str | None

    @property
    def starts_with_system(self) -> bool:
        return bool(self.forwarded["messages"][0]["role"] == "system")

    @property
    def max_tokens(self) -> int | None:
        return self.forwarded.get("max_tokens")

    @property
    def n_choices(self) -> int:
        return int(self.forwarded.get("n", 1))


def _is_int(low: int, high: int) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def _is_number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, int | float) and not isinstance(v, bool) and low <= v <= high


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, kind)


def _is_stop(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, list) and len(value) <= 16 and all(isinstance(s, str) for s in value)


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _is_choice(value: Any) -> bool:
    return isinstance(value, str | dict)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 512


# Field, what it must be (said to the caller), its check.
FORWARDED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "messages": ("a list of messages", _is_objects),
    "temperature": ("a number from 0 to 2", _is_number(0, 2)),
    "top_p": ("a number from 0 to 1", _is_number(0, 1)),
    "n": ("a whole number from 1 to 128", _is_int(1, 128)),
    "stop": ("a string or a list of up to 16 strings", _is_stop),
    "max_tokens": ("a whole number of at least 1", _is_int(1, 2**31 - 1)),
    "max_completion_tokens": ("a whole number of at least 1", _is_int(1, 2**31 - 1)),
    "presence_penalty": ("a number from -2 to 2", _is_number(-2, 2)),
    "frequency_penalty": ("a number from -2 to 2", _is_number(-2, 2)),
    "logit_bias": ("an object", _is(dict)),
    "logprobs": ("true or false", _is(bool)),
    "top_logprobs": ("a whole number from 0 to 20", _is_int(0, 20)),
    "seed": ("a whole number", _is_int(-(2**63), 2**63 - 1)),
    "tools": ("a list of objects", _is_objects),
    "tool_choice": ("a string or an object", _is_choice),
    "parallel_tool_calls": ("true or false", _is(bool)),
    "functions": ("a list of objects", _is_objects),
    "function_call": ("a string or an object", _is_choice),
    "response_format": ("an object", _is(dict)),
    "reasoning_effort": ("a string", _is_name),
}
KEPT_HERE: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "model": ("the name of a model", _is_name),
    "stream": ("true or false", _is(bool)),
    "stream_options": ("an object", _is(dict)),
    "user": ("a string of up to 512 characters", _is_name),
    "safety_identifier": ("a string of up to 512 characters", _is_name),
    "prompt_cache_key": ("a string", _is_name),
    "store": ("false: nothing is stored", lambda v: v is False),
    "service_tier": ("`auto` or `default`", lambda v: v in ("auto", "default")),
}
KNOWN = {**FORWARDED, **KEPT_HERE}


def chat_request(body: Mapping[str, Any]) -> ChatRequest:
    """The checked request; Refusal 400 that names the field in `param`."""
    given = {}
    for name, value in body.items():
        if name not in KNOWN:
            raise Refusal(
                400,
                "unknown_parameter",
                f"Unknown or unsupported parameter: '{name[:100]}'.",
                param=name[:100],
            )
        if value is None:
            continue
        wanted, fits = KNOWN[name]
        if not fits(value):
            raise _invalid(name, f"'{name}' must be {wanted}.")
        given[name] = value
    for name in ("model", "messages"):
        if name not in given:
            raise Refusal(400, "missing_required_parameter", f"'{name}' is required.", param=name)
    _check_messages(given["messages"])
    stream = given.get("stream", False)
    forwarded = {name: value for name, value in given.items() if name in FORWARDED}
    return ChatRequest(
        codename=given["model"],
        forwarded=_one_limit(forwarded),
        stream=stream,
        include_usage=_include_usage(given.get("stream_options"), stream),
        wants_logprobs=given.get("logprobs", False),
        safety_identifier=given.get("safety_identifier"),
        user=given.get("user"),
    )


def _invalid(param: str, message: str) -> Refusal:
    return Refusal(400, "invalid_value", message, param=param)


def _one_limit(forwarded: dict[str, Any]) -> dict[str, Any]:
    """`max_completion_tokens` under the name that every OpenAI-compatible server knows."""
    newer = forwarded.pop("max_completion_tokens", None)
    if newer is None:
        return forwarded
    if "max_tokens" in forwarded:
        raise _invalid(
            "max_completion_tokens", "Send 'max_tokens' or 'max_completion_tokens', not both."
        )
    return {**forwarded, "max_tokens": newer}


def _include_usage(options: Mapping[str, Any] | None, stream: bool) -> bool:
    if options is None:
        return False
    if not stream:
        raise _invalid("stream_options", "'stream_options' needs 'stream': true.")
    wanted = options.get("include_usage")
    if set(options) - {"include_usage", "include_obfuscation"} or not (
        wanted is None or isinstance(wanted, bool)
    ):
        raise _invalid("stream_options", "'stream_options' takes 'include_usage': true or false.")
    return bool(wanted)


def _check_messages(messages: list[dict[str, Any]]) -> None:
    if not messages:
        raise _invalid("messages", "'messages' must hold at least one message.")
    for at, message in enumerate(messages):
        where = f"messages[{at}]"
        role = message.get("role")
        if not isinstance(role, str) or role not in ROLES:
            raise _invalid(f"{where}.role", f"'{where}.role' must be one of {sorted(ROLES)}.")
        content = message.get("content")
        if content is None or isinstance(content, str):
            continue
        if not _is_objects(content):
            raise _invalid(f"{where}.content", f"'{where}.content' must be text or parts.")
        for number, part in enumerate(content):
            _check_part(part, f"{where}.content[{number}]")


def _check_part(part: Mapping[str, Any], where: str) -> None:
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in PART_TYPES:
        raise _invalid(f"{where}.type", f"'{where}.type' must be one of {sorted(PART_TYPES)}.")
    for name, value in part.items():
        if not name.endswith("url"):
            continue
        address = value.get("url") if isinstance(value, dict) else value
        # An upstream would fetch it: nothing but public https and inline data.
        if not isinstance(address, str) or not address.lower().startswith(FETCHABLE):
            raise _invalid(f"{where}.{name}", f"'{where}.{name}' must be an https: or data: URL.")
