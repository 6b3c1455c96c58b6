"""What a file of another tool carries of Slipway's own, under its `slipway` key.

Each format has a free field that its tool hands through untouched. What the tool has no word for
rides there, so that a suite comes back as it went. What the tool does have a word for is read from
the tool's own field: whoever edits the file edits the suite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evals.formats import slipway
from evals.formats.contract import CaseSpec, FormatError, SuiteSpec, canonical_json
from evals.formats.documents import Placed

KEY = "slipway"


class _NoLines:
    """A head inside another document: its own lines are not known."""

    def of(self, path: Sequence[str | int]) -> None:
        return None


def suite_at(place: Placed) -> SuiteSpec:
    """The suite, without cases, that a file carries; FormatError names the field in that file."""
    try:
        return slipway.head_of(place.value, _NoLines())
    except FormatError as error:
        raise _moved(error, place) from error


def case_at(place: Placed) -> CaseSpec:
    """The case that a file carries; FormatError names the field in that file."""
    try:
        return slipway.case_of(place.value, place.line or 0)
    except FormatError as error:
        raise _moved(error, place) from error


def _moved(error: FormatError, place: Placed) -> FormatError:
    where = place.at(error.field_name) if error.field_name else place
    return where.wrong(error.problem)


def same(left: object, right: object) -> bool:
    """Whether two values have one canonical form."""
    return canonical_json(left) == canonical_json(right)


def split(whole: Mapping[str, Any], native: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that the tool has a place for, and the rest."""
    mine = {key: value for key, value in whole.items() if key in native}
    return mine, {key: value for key, value in whole.items() if key not in native}


def counted(names: Sequence[str], most: int = 5) -> str:
    """The names, the later ones only counted: `a, b and 3 more`."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
