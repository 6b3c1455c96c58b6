"""Catalogues of failure modes: what may go wrong in a reply, and who says that it did."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals import graders
from evals.formats.contract import sha256_of
from evals.graders.contract import GraderSpecError
from infra.errors import InvalidInput
from releases.gates.severity import Severity

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
KEYS = frozenset({"mode", "sentence", "severity", "grader"})
MOST_MODES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way in which a reply may fail."""

    name: str
    sentence: str
    severity: Severity
    grader: Mapping[str, Any]
    """A grader that scores 0 where the mode shows and 1 where it does not."""

    def as_json(self) -> dict[str, Any]:
        return {
            "mode": self.name,
            "sentence": self.sentence,
            "severity": self.severity.value,
            "grader": dict(self.grader),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Failure modes in the order of their file."""

    modes: Sequence[Mode]

    def as_json(self) -> list[dict[str, Any]]:
        return [mode.as_json() for mode in self.modes]

    def digest(self) -> str:
        """SHA-256 of all that decides whether a mode shows; the order does not."""
        return sha256_of(sorted([m.name, sha256_of(m.grader)] for m in self.modes))

    def graders(self) -> list[dict[str, Any]]:
        """Each mode's grader, scoring a component of the mode's name."""
        return [
            {**mode.grader, "name": mode.name, "components": [mode.name]} for mode in self.modes
        ]


def catalogue_of(document: Any, place: str = "catalogue") -> Catalogue:
    """The catalogue in a parsed YAML or JSON document `{"modes": [...]}`.

    InvalidInput naming the mode and the field that is wrong.
    """
    rows = document.get("modes") if isinstance(document, Mapping) else None
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_MODES:
        raise _refusal(place, f"write `modes:` with 1 to {MOST_MODES} failure modes")
    found = [_mode(f"{place}, modes[{at}]", row) for at, row in enumerate(rows)]
    names = [mode.name for mode in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _refusal(place, f"the mode {twice!r} is there twice")
    return Catalogue(modes=found)


def _mode(place: str, row: Any) -> Mode:
    if not isinstance(row, Mapping) or set(row) != KEYS:
        raise _refusal(place, f"a mode has exactly the keys {', '.join(sorted(KEYS))}")
    name, sentence = row["mode"], row["sentence"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise _refusal(place, f"{name!r} is no name of a mode: use a-z, 0-9, '-' and '_'")
    if not isinstance(sentence, str) or not sentence.strip():
        raise _refusal(place, "`sentence` says what goes wrong; it is empty")
    try:
        severity = Severity(row["severity"])
    except ValueError:
        known = ", ".join(one.value for one in Severity)
        raise _refusal(place, f"severity {row['severity']!r} is none of {known}") from None
    return Mode(name=name, sentence=sentence, severity=severity, grader=_grader(place, row))


def _grader(place: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
    grader = row["grader"]
    own = {"components", "name"} & set(grader) if isinstance(grader, Mapping) else set()
    if own:
        raise _refusal(place, f"grader.{min(own)}: the mode names its own component")
    try:
        graders.check_spec(grader)
        graders.check_spec({**grader, "components": [row["mode"]]})
    except GraderSpecError as error:
        where = f"{place}, grader.{error.field_name}".rstrip(".")
        raise _refusal(where, error.problem) from error
    return dict(grader)


def _refusal(place: str, message: str) -> InvalidInput:
    return InvalidInput("bad_catalogue", f"{place}: {message}.")
