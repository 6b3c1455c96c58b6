"""Rows into training and validation: a conversation is never on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from evals.training.contract import Split

_WHOLE = 2**64


def conversation_key(partner_id: UUID, asked: Sequence[Mapping[str, Any]]) -> bytes:
    """What all calls of one conversation share: how it opens, up to the user's first message.

    Every later call repeats the opening, so no session has to be known. Two conversations of a
    partner that open with the same words count as one.
    """
    opening: list[Any] = []
    for message in asked:
        opening.append([message.get("role"), message.get("content")])
        if message.get("role") == "user":
            break
    return hashlib.sha256(partner_id.bytes + orjson.dumps(opening)).digest()


def split_of(conversation: bytes, validation_share: float, seed: int) -> Split:
    """The side of a conversation: the same for the same seed, and independent of all others."""
    drawn = hashlib.sha256(f"slipway split {seed} ".encode() + conversation).digest()
    place = int.from_bytes(drawn[:8], "big") / _WHOLE
    return Split.VALIDATION if place < validation_share else Split.TRAIN
