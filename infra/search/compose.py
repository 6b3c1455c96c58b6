"""The one search: palette, page and API ask here, and find the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from infra.actors import Actor
from infra.search.contract import Hit, Sought, closeness
from infra.search.kinds import HitKind

MOST_OF_A_KIND = 6
LONGEST = 200
# What people paste around a name: quotes, and the marks that lists and chats put beside it.
_AROUND = " \t\r\n\"'“”‘’`<>()[],;"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All hits, the nearest first."""

    text: str
    hits: tuple[Hit, ...]

    @property
    def groups(self) -> list[tuple[HitKind, list[Hit]]]:
        """The hits by kind, the group of the nearest hit first."""
        by_kind: dict[HitKind, list[Hit]] = {}
        for hit in self.hits:
            by_kind.setdefault(hit.kind, []).append(hit)
        return list(by_kind.items())


def search(actor: Actor, text: str, most: int = MOST_OF_A_KIND) -> Found:
    """What that person may see of what was typed; pages and actions before anything was.

    At most `most` hits of a kind, from `settings.SEARCH_SOURCES`; a query or two a kind.
    """
    sought = sought_of(actor, text, most)
    makers: list[Callable[[Sought], Iterable[Hit]]] = [
        import_string(path) for path in settings.SEARCH_SOURCES
    ]
    hits = [hit for make in makers for hit in make(sought)]
    if sought.text:
        hits.sort(key=lambda hit: closeness(sought, hit))
    return Found(text=sought.text, hits=tuple(_at_most(hits, most)))


def sought_of(actor: Actor, text: str, most: int) -> Sought:
    """The text without what was pasted around it; a NUL, which no row holds, is a blank."""
    plain = text[:LONGEST].replace("\x00", " ").strip(_AROUND).lower()
    return Sought(text=plain, words=tuple(plain.split()), id=_id_of(plain), actor=actor, most=most)


def _id_of(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) >= 32 else None
    except ValueError:
        return None


def _at_most(hits: Iterable[Hit], most: int) -> Iterable[Hit]:
    for kind_hits in _by_kind(hits).values():
        yield from islice(kind_hits, most)


def _by_kind(hits: Iterable[Hit]) -> dict[HitKind, list[Hit]]:
    found: dict[HitKind, list[Hit]] = {}
    for hit in hits:
        found.setdefault(hit.kind, []).append(hit)
    return found
