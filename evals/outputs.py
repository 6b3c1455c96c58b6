"""Outputs of results, as they are kept: zstd of {text, tool_calls, finish_reason} as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import zstandard

LARGEST_BYTES = 64 * 1024 * 1024


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
    return zstandard.compress(json.dumps(whole).encode())


def unpack(kept: bytes | memoryview) -> Output | None:
    """The output again; None when nothing was answered."""
    if not kept:
        return None
    content = zstandard.decompress(bytes(kept), max_output_size=LARGEST_BYTES)
    return Output(**json.loads(content))
