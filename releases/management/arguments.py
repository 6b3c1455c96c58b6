"""What commands read from their arguments."""

from __future__ import annotations

from uuid import UUID

from infra.errors import InvalidInput


def uuid_of(text: str, what: str) -> UUID:
    """The id in `text`; InvalidInput for something else."""
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput("bad_id", f"{text!r} is not the id of a {what}.") from error
