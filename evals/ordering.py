"""The order in which a run's items are called: shuffled by its seed, the same for ever. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One (case, repeat) of a run."""

    case_id: str
    repeat: int
    """From 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Positions `first` to `last` of the order, both included."""

    first: int
    last: int


def ordered_items(case_ids: Sequence[str], repeats: int, seed: int) -> list[Item]:
    """Every (case, repeat), shuffled: no shard holds only long or only hard cases.

    Sorted by a digest of seed, case and repeat, so that neither the order of the rows nor the
    Python version changes it.
    """
    items = [Item(case_id=case, repeat=repeat) for case in case_ids for repeat in range(repeats)]
    return sorted(items, key=lambda item: _rank(item, seed))


def _rank(item: Item, seed: int) -> bytes:
    return hashlib.blake2b(
        f"{seed}\x00{item.repeat}\x00{item.case_id}".encode(), digest_size=16
    ).digest()


def slices(n_items: int, n_slices: int) -> list[Slice]:
    """The positions in that many parts of nearly equal length; none is empty."""
    bounds = [n_items * part // n_slices for part in range(n_slices + 1)]
    return [
        Slice(first=first, last=end - 1)
        for first, end in zip(bounds, bounds[1:], strict=False)
        if first < end
    ]


def share_of(total: int, part: int, n_parts: int) -> int:
    """What one of n_parts gets of a total that is split as evenly as whole numbers allow."""
    return total // n_parts + (part < total % n_parts)
