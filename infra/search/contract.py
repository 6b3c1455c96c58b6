"""What a search asks and finds."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from infra.actors import Actor
from infra.search.kinds import HitKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What somebody typed, taken apart once for every source."""

    text: str
    """Without blanks around it, in lower case; empty: nothing was typed yet."""
    words: tuple[str, ...]
    """A hit has all of them."""
    id: UUID | None
    """The text as an id, where it is a whole one."""
    actor: Actor
    most: int
    """Hits of a kind that are wanted."""

    def within(self, *fields: str) -> Q:
        """Rows in which each word is part of one of these fields."""
        found = Q()
        for word in self.words:
            found &= Q(*((f"{field}__icontains", word) for field in fields), _connector=Q.OR)
        return found

    def by_name_or_id(self, *fields: str) -> Q:
        """Rows of that id where an id was typed, else those `within` the fields."""
        return Q(pk=self.id) if self.id else self.within(*fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing, and where it is looked at."""

    kind: HitKind
    title: str
    detail: str
    address: str
    """Path within the console."""


def closeness(sought: Sought, hit: Hit) -> tuple[int, int]:
    """The nearer the smaller: the title itself, its beginning, a word's beginning, any part."""
    title = hit.title.lower()
    if title == sought.text or sought.id is not None:
        near = 0
    elif title.startswith(sought.text):
        near = 1
    elif any(part.startswith(sought.words[0]) for part in _parts(title)):
        near = 2
    else:
        near = 3
    return near, hit.kind.rank


def _parts(title: str) -> list[str]:
    return title.replace("-", " ").replace("/", " ").replace(".", " ").split()
