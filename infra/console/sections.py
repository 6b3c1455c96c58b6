"""Parts that an app brings to a page which does not know that app."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from django.utils.module_loading import import_string


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A titled part of a page: its template and what that template shows."""

    title: str
    template: str
    column: Literal["main", "side"] = "main"
    link: str = ""
    link_text: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One sentence at the head of every page, and where it leads."""

    text: str
    link: str
    link_text: str
    tone: Literal["good", "bad", "warn", "info"] = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """A page's sections, by column."""

    main: list[Section]
    side: list[Section]


def sections_of(paths: Iterable[str], **subject: Any) -> Sections:
    """What the functions at those dotted paths make of the subject, in their order."""
    makers: list[Callable[..., Section]] = [import_string(path) for path in paths]
    made = [make(**subject) for make in makers]
    return Sections(
        main=[section for section in made if section.column == "main"],
        side=[section for section in made if section.column == "side"],
    )
