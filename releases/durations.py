"""Spans of time as people write them in files: 30s, 90m, 24h, 7d. Pure."""

from __future__ import annotations

import re
from datetime import timedelta

_FORM = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=3650)


def duration(text: str) -> timedelta:
    """The span that `text` writes; ValueError says how one is written."""
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    span = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if span is None or span > LONGEST:
        raise ValueError(
            f"{text!r} is not a duration: write a whole number and s, m, h or d, such as 90m, 24h "
            f"or 7d (at most {LONGEST.days}d)"
        )
    return span
