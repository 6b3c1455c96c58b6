"""Whether a value is one of the accepted ones, by the rules of BFCL's checker.

Patil et al., Berkeley Function-Calling Leaderboard: texts are compared without case, spaces and
the characters `,./-_*^`, and with one kind of quotes; everything else must be equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

LEFT_OUT = ""
"""Among the accepted values: the argument may be left out."""
IGNORED = re.compile(r"[ ,./\-_*^]")
INTEGER_TYPES = frozenset({"integer", "int", "long"})


def is_accepted(value: Any, accepted: Sequence[Any], *, exact: bool) -> bool:
    """Whether the value equals one of the accepted; `exact` compares texts as they are."""
    return any(_same(value, one, exact) for one in accepted)


def is_optional(accepted: Sequence[Any]) -> bool:
    """Whether the argument may be left out."""
    return any(isinstance(one, str) and one == LEFT_OUT for one in accepted)


def _same(value: Any, wanted: Any, exact: bool) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and _same_object(value, wanted, exact)
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(wanted)
            and all(_same(one, other, exact) for one, other in zip(value, wanted, strict=True))
        )
    if isinstance(wanted, str):
        return isinstance(value, str) and (
            value == wanted if exact else _plain(value) == _plain(wanted)
        )
    # True is no 1: a boolean equals a boolean alone.
    return isinstance(value, bool) is isinstance(wanted, bool) and bool(value == wanted)


def _same_object(value: Mapping[str, Any], wanted: Mapping[str, Any], exact: bool) -> bool:
    """Each key of an accepted object holds the list of its own accepted values."""
    if not value.keys() <= wanted.keys():
        return False
    for key, accepted in wanted.items():
        choices = accepted if isinstance(accepted, list) else [accepted]
        if key in value and not is_accepted(value[key], choices, exact=exact):
            return False
        if key not in value and not is_optional(choices):
            return False
    return True


def _plain(text: str) -> str:
    return IGNORED.sub("", text).lower().replace("'", '"')


def fits_type(value: Any, declared: str | None) -> bool:
    """False for a fraction, even 5.0, where the tool declares an integer."""
    return declared not in INTEGER_TYPES or not isinstance(value, float)
