"""Outputs of results, as they are kept: zstd of {text, tool_calls, finish_reason} as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import zstandard

LARGEST_BYTES = 64 * 1024 * 1024
SEALED = b"\x01"
SEALED_TEXT = "(sealed: the reply to a partner's conversation; read it on the replay's page)"
# A compressor is made once a thread: making one costs ten times as much as a short text.
_OWN = threading.local()


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What the checkpoint answered."""

    text: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    finish_reason: str | None = None


def pack(output: Output) -> bytes:
    """The bytes to keep."""
    whole = {
        "text": output.text,
        "tool_calls": list(output.tool_calls),
        "finish_reason": output.finish_reason,
    }
    return _compressor().compress(_encoded(whole))


def _compressor() -> zstandard.ZstdCompressor:
    try:
        return _OWN.compressor  # type: ignore[no-any-return]
    except AttributeError:
        _OWN.compressor = zstandard.ZstdCompressor()
        return _OWN.compressor


def _encoded(whole: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(whole)
    except TypeError:
        # Halves of surrogate pairs, which orjson refuses.
        return json.dumps(whole).encode()


def storable(text: str) -> str:
    """The text as PostgreSQL holds it: no NUL, and as UTF-8 no half of a surrogate pair."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def storable_json(value: Any) -> Any:
    """JSON whose every text, keys included, is `storable`."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): storable_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(inner) for inner in value]
    return value


def is_sealed(kept: bytes | memoryview) -> bool:
    """Whether it is sealed under a partner's key, and no zstd frame."""
    return bytes(kept[:1]) == SEALED


def unpack(kept: bytes | memoryview) -> Output | None:
    """The output again; None when nothing was answered.

    That of a partner's conversation opens with its partner's key alone: its text says so.
    """
    if not kept:
        return None
    if is_sealed(kept):
        return Output(text=SEALED_TEXT)
    content = zstandard.decompress(bytes(kept), max_output_size=LARGEST_BYTES)
    return Output(**json.loads(content))
