"""Time-ordered identifiers (UUIDv7, RFC 9562) for rows and requests."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """A new UUIDv7; its first 48 bits are the Unix time in milliseconds."""
    return _uuid7()


def created_at(identifier: UUID) -> datetime:
    """The moment a UUIDv7 was made, to the millisecond; ValueError for another version."""
    if identifier.version != 7:
        raise ValueError(f"{identifier} is not a UUIDv7")
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)


def first_of(moment: datetime) -> UUID:
    """The least UUIDv7 of a moment's millisecond: every one made from then on is at or above it."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62)
