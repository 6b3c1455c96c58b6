"""What a client may send to `/v1/responses`: the part of OpenAI's API that keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpha.gateway.errors import Refusal
from alpha.gateway.fields import (
    KEPT_HERE,
    SAMPLING,
    Fields,
    check_addresses,
    checked,
    invalid,
    is_a,
    is_choice,
    is_int,
    is_objects,
    is_one_of,
)

ROLES = frozenset({"system", "developer", "user", "assistant"})
ITEM_TYPES = frozenset({"message", "function_call", "function_call_output"})
PART_TYPES = frozenset({"input_text", "input_image", "input_file", "output_text", "refusal"})
LOGPROBS = "message.output_text.logprobs"
STATELESS = "left out: nothing is stored here, so send the whole conversation in `input`"


def _never(value: Any) -> bool:
    return False


def _is_input(value: Any) -> bool:
    return bool(value) and (isinstance(value, str) or is_objects(value))


def _is_metadata(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= 16
        and all(isinstance(text, str) and len(text) <= 512 for text in value.values())
    )


def _is_include(value: Any) -> bool:
    return isinstance(value, list) and all(name == LOGPROBS for name in value)


FORWARDED: Fields = {
    "input": ("text or a list of items", _is_input),
    "instructions": ("a string", is_a(str)),
    "max_output_tokens": ("a whole number of at least 1", is_int(1, 2**31 - 1)),
    **SAMPLING,
    "tools": ("a list of objects", is_objects),
    "tool_choice": ("a string or an object", is_choice),
    "parallel_tool_calls": ("true or false", is_a(bool)),
    "text": ("an object", is_a(dict)),
    "reasoning": ("an object", is_a(dict)),
    "truncation": ("`auto` or `disabled`", is_one_of("auto", "disabled")),
    "include": (f"a list of nothing but `{LOGPROBS}`", _is_include),
    "top_logprobs": ("a whole number from 0 to 20", is_int(0, 20)),
}
KNOWN: Fields = {
    **FORWARDED,
    **KEPT_HERE,
    "metadata": ("an object of up to 16 strings of up to 512 characters", _is_metadata),
    "background": ("false: a response is awaited", lambda value: value is False),
    "previous_response_id": (STATELESS, _never),
    "conversation": (STATELESS, _never),
    "prompt": ("left out: no prompts are stored here; send `instructions` and `input`", _never),
}


def response_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """The checked fields; Refusal 400 that names the field in `param`."""
    given = checked(body, KNOWN, ("model", "input"))
    _check_options(given.get("stream_options"), given.get("stream", False))
    for at, tool in enumerate(given.get("tools", ())):
        if tool.get("type") != "function":
            raise _unsupported(
                f"tools[{at}].type",
                "Only tools of type `function`, which the client runs, are supported.",
            )
    choice = given.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") not in ("function", "allowed_tools"):
        raise _unsupported("tool_choice.type", "Only functions can be chosen.")
    if not isinstance(given["input"], str):
        for at, item in enumerate(given["input"]):
            _check_item(item, f"input[{at}]")
    return given


def _check_options(options: Mapping[str, Any] | None, stream: bool) -> None:
    if options is None:
        return
    if not stream:
        raise invalid("stream_options", "'stream_options' needs 'stream': true.")
    if set(options) - {"include_obfuscation"}:
        raise invalid("stream_options", "'stream_options' takes 'include_obfuscation' alone here.")


def _check_item(item: Mapping[str, Any], where: str) -> None:
    kind = item.get("type", "message")
    if not isinstance(kind, str) or kind not in ITEM_TYPES:
        raise _unsupported(
            f"{where}.type", f"'{where}.type' must be one of {sorted(ITEM_TYPES)} here."
        )
    if kind == "message":
        role = item.get("role")
        if not isinstance(role, str) or role not in ROLES:
            raise invalid(f"{where}.role", f"'{where}.role' must be one of {sorted(ROLES)}.")
        _check_content(item.get("content"), f"{where}.content")
    elif kind == "function_call_output":
        _check_content(item.get("output"), f"{where}.output")


def _check_content(content: Any, where: str) -> None:
    if isinstance(content, str):
        return
    if not is_objects(content):
        raise invalid(where, f"'{where}' must be text or a list of parts.")
    for at, part in enumerate(content):
        place, kind = f"{where}[{at}]", part.get("type")
        if not isinstance(kind, str) or kind not in PART_TYPES:
            raise invalid(f"{place}.type", f"'{place}.type' must be one of {sorted(PART_TYPES)}.")
        if part.get("file_id") is not None:
            raise _unsupported(f"{place}.file_id", "No files are stored here: send the data.")
        check_addresses({name: value for name, value in part.items() if value is not None}, place)


def _unsupported(param: str, message: str) -> Refusal:
    return Refusal(400, "unsupported_value", message, param=param)
