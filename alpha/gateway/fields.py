"""What a field of a request must be, said to the caller where it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alpha.gateway.errors import Refusal

# Field -> what it must be (said to the caller), its check.
Fields = Mapping[str, tuple[str, Callable[[Any], bool]]]
FETCHABLE = ("https://", "data:")


def checked(body: Mapping[str, Any], known: Fields, required: Sequence[str]) -> dict[str, Any]:
    """The fields sent, without those that are null; Refusal 400 that names the field in `param`."""
    given = {}
    for name, value in body.items():
        if name not in known:
            raise Refusal(
                400,
                "unknown_parameter",
                f"Unknown or unsupported parameter: '{name[:100]}'.",
                param=name[:100],
            )
        if value is None:
            continue
        wanted, fits = known[name]
        if not fits(value):
            raise invalid(name, f"'{name}' must be {wanted}.")
        given[name] = value
    for name in required:
        if name not in given:
            raise Refusal(400, "missing_required_parameter", f"'{name}' is required.", param=name)
    return given


def invalid(param: str, message: str) -> Refusal:
    return Refusal(400, "invalid_value", message, param=param)


def check_addresses(part: Mapping[str, Any], where: str) -> None:
    """Refusal where a part names an address that an upstream would fetch from inside."""
    for name, value in part.items():
        if not name.endswith("url"):
            continue
        address = value.get("url") if isinstance(value, dict) else value
        # An upstream would fetch it: nothing but public https and inline data.
        if not isinstance(address, str) or not address.lower().startswith(FETCHABLE):
            raise invalid(f"{where}.{name}", f"'{where}.{name}' must be an https: or data: URL.")


def include_usage(options: Mapping[str, Any] | None, stream: bool) -> bool:
    """Whether a stream's client asked for its usage; Refusal for options that nobody knows."""
    if options is None:
        return False
    if not stream:
        raise invalid("stream_options", "'stream_options' needs 'stream': true.")
    wanted = options.get("include_usage")
    if set(options) - {"include_usage", "include_obfuscation"} or not (
        wanted is None or isinstance(wanted, bool)
    ):
        raise invalid("stream_options", "'stream_options' takes 'include_usage': true or false.")
    return bool(wanted)


def is_int(low: int, high: int) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def is_number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, int | float) and not isinstance(v, bool) and low <= v <= high


def is_a(kind: type) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, kind)


def is_one_of(*values: str) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, str) and v in values


def is_stop(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, list) and len(value) <= 16 and all(isinstance(s, str) for s in value)


def is_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def is_choice(value: Any) -> bool:
    return isinstance(value, str | dict)


def is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 512


def is_text_or_texts(value: Any) -> bool:
    """One text or a list of one to 2,048."""
    if not isinstance(value, list):
        return isinstance(value, str)
    return 0 < len(value) <= 2048 and all(isinstance(text, str) for text in value)


# What every endpoint takes and keeps here.
WHO: Fields = {
    "model": ("the name of a model", is_name),
    "user": ("a string of up to 512 characters", is_name),
    "safety_identifier": ("a string of up to 512 characters", is_name),
}
# What every endpoint that generates text takes and keeps here.
KEPT_HERE: Fields = {
    **WHO,
    "stream": ("true or false", is_a(bool)),
    "stream_options": ("an object", is_a(dict)),
    "prompt_cache_key": ("a string", is_name),
    "store": ("false: nothing is stored", lambda v: v is False),
    "service_tier": ("`auto` or `default`", is_one_of("auto", "default")),
}
SAMPLING: Fields = {
    "temperature": ("a number from 0 to 2", is_number(0, 2)),
    "top_p": ("a number from 0 to 1", is_number(0, 1)),
}
PENALTIES: Fields = {
    "n": ("a whole number from 1 to 128", is_int(1, 128)),
    "stop": ("a string or a list of up to 16 strings", is_stop),
    "max_tokens": ("a whole number of at least 1", is_int(1, 2**31 - 1)),
    "presence_penalty": ("a number from -2 to 2", is_number(-2, 2)),
    "frequency_penalty": ("a number from -2 to 2", is_number(-2, 2)),
    "logit_bias": ("an object", is_a(dict)),
    "seed": ("a whole number", is_int(-(2**63), 2**63 - 1)),
}
