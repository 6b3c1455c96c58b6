"""What commands read from their arguments."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from infra.errors import InvalidInput


def uuid_of(text: str, what: str) -> UUID:
    """The id in `text`; InvalidInput for something else."""
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput("bad_id", f"{text!r} is not the id of a {what}.") from error


def moment_of(text: str) -> datetime:
    """The moment in `text`, ISO 8601; without an offset it is in UTC. InvalidInput otherwise."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a moment: write such as 2026-03-01T09:00Z."
        raise InvalidInput("bad_moment", message) from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
