"""The order in which a run's items are called: shuffled by its seed, the same for ever. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
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
    return _digest(f"{seed}\x00{item.repeat}\x00{item.case_id}")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def ordered_units(cases: Iterable[tuple[str, str]], seed: str) -> list[tuple[str, ...]]:
    """The (case id, cluster) pairs as units, shuffled by the seed.

    A unit is the case ids of a cluster, or of one case that names none ("").
    """
    units: dict[tuple[str, str], list[str]] = {}
    for case_id, cluster in cases:
        units.setdefault(("cluster", cluster) if cluster else ("case", case_id), []).append(case_id)
    ranked = sorted(units, key=lambda key: _digest(f"{seed}\x00{key[0]}\x00{key[1]}"))
    return [tuple(sorted(units[key])) for key in ranked]


def dealt(units: Sequence[tuple[str, ...]], n_parts: int) -> list[list[tuple[str, ...]]]:
    """The units dealt out in turn, so that the parts go through the order side by side."""
    return [list(units[part::n_parts]) for part in range(n_parts)]


def unit_items(units: Sequence[tuple[str, ...]], repeats: int) -> list[Item]:
    """Every (case, repeat) of the units, each unit whole."""
    return [
        Item(case_id=case, repeat=repeat)
        for unit in units
        for case in unit
        for repeat in range(repeats)
    ]


def unit_slices(parts: Sequence[Sequence[tuple[str, ...]]], repeats: int) -> list[Slice]:
    """The positions of each part in the order of all of them; none is empty, no unit is cut."""
    found, first = [], 0
    for part in parts:
        end = first + repeats * sum(len(unit) for unit in part)
        if first < end:
            found.append(Slice(first=first, last=end - 1))
        first = end
    return found


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
