"""Headers that announce the end of a codename before it comes: RFC 9745 and RFC 8594."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from alpha.routing import CodenameEntry

AHEAD = timedelta(days=30)


def lifetime_headers(codename: CodenameEntry, now: datetime) -> tuple[tuple[bytes, bytes], ...]:
    """`Deprecation` and `Sunset`, from 30 days before the end on; before, none.

    A codename counts as deprecated since those 30 days began, or since it opened.
    """
    ends_at = codename.ends_at
    if ends_at is None or ends_at - AHEAD > now:
        return ()
    since = int(max(codename.opens_at, ends_at - AHEAD).timestamp())
    sunset = format_datetime(ends_at.astimezone(UTC), usegmt=True)
    return ((b"deprecation", b"@%d" % since), (b"sunset", sunset.encode()))
