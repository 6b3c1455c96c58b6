"""The first page: sections that each app brings, named by dotted path in settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from infra.console.sections import sections_of
from infra.people import actor_of_login


def with_sections(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The index page's context with every section of `settings.BRIEF_SECTIONS`."""
    actor = actor_of_login(request.user)  # type: ignore[arg-type]
    return {
        **context,
        "title": "Brief",
        "crumbs": [("Brief", "")],
        "actor": actor,
        "sections": sections_of(settings.BRIEF_SECTIONS, actor=actor),
    }
