"""The first page: sections that each app brings, named by dotted path in settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from infra.console.sections import Section
from infra.people import actor_of_login

SectionMaker = Callable[..., Section]


def with_sections(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The index page's context with every section, in the order of `settings.BRIEF_SECTIONS`."""
    actor = actor_of_login(request.user)  # type: ignore[arg-type]
    makers: list[SectionMaker] = [import_string(path) for path in settings.BRIEF_SECTIONS]
    sections = [make(actor=actor) for make in makers]
    return {
        **context,
        "title": "Brief",
        "crumbs": [("Brief", "")],
        "actor": actor,
        "sections": [section for section in sections if section.column == "main"],
        "asides": [section for section in sections if section.column == "side"],
    }
