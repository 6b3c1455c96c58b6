"""System checks: what would silently weaken the product if it were wrong."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from infra.database_roles import unknown_tables


@register("slipway")
def written_once_tables_exist(**_: Any) -> list[CheckMessage]:
    """A renamed table must not lose its protection."""
    return [
        Error(
            f"WRITTEN_ONCE names {table!r}, and no such table exists.",
            hint="Correct infra/database_roles.py, or the table can be rewritten by the app.",
            id="slipway.E001",
        )
        for table in unknown_tables()
    ]


@register("slipway")
def evidence_sources_load(**_: Any) -> list[CheckMessage]:
    """A gate whose source can't be imported would never get evidence."""
    found: list[CheckMessage] = []
    for path in settings.EVIDENCE_SOURCES:
        try:
            import_string(path)
        except ImportError as error:
            found.append(
                Error(
                    f"EVIDENCE_SOURCES names {path!r}, which can't be imported: {error}.",
                    id="slipway.E002",
                )
            )
    return found
