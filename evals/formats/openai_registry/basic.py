"""Graders of the registry's basic classes, from Match to JsonValidator."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from evals.formats.documents import Placed
from evals.formats.openai_registry.refusals import NotExpressibleError

BASIC = "evals.elsuite.basic."
FUZZY = """\
import re
import string

IDEALS = {ideals!r}

def normalize(text):
    text = "".join(one for one in text.lower() if one not in string.punctuation)
    return " ".join(re.sub(r"\\b(a|an|the)\\b", " ", text).split())

def grade(sample, item):
    answer = normalize(sample["output_text"])
    for ideal in map(normalize, IDEALS):
        if answer == ideal or (answer and ideal and (answer in ideal or ideal in answer)):
            return 1.0
    return 0.0
"""


def basic(kind: str, args: Placed) -> Callable[[Placed], dict[str, Any]]:
    """Makes the grader of a row for a class of that name; NotExpressibleError for another."""
    make = _BASIC.get(kind.removeprefix(BASIC))
    if make is None:
        raise NotExpressibleError(f"there is nothing like {kind} here")
    ignores_case = bool(args.at("ignore_case").value)
    return lambda row: make(row, ignores_case)


def _ideals(row: Placed) -> list[str]:
    place = row.at("ideal")
    given = place.value if isinstance(place.value, list) else [place.value]
    if not given or not all(isinstance(one, str) for one in given):
        raise place.wrong("must be a text or a list of texts")
    return given


def _match(row: Placed, ignores_case: bool) -> dict[str, Any]:
    several = "|".join(re.escape(one) for one in _ideals(row))
    return {"type": "regex", "pattern": rf"\A(?:{several})"}


def _includes(row: Placed, ignores_case: bool) -> dict[str, Any]:
    several = "|".join(re.escape(one) for one in _ideals(row))
    spec: dict[str, Any] = {"type": "regex", "pattern": several or r"\A"}
    return {**spec, "ignore_case": True} if ignores_case else spec


def _fuzzy(row: Placed, ignores_case: bool) -> dict[str, Any]:
    return {"type": "python", "source": FUZZY.format(ideals=_ideals(row))}


def _json_match(row: Placed, ignores_case: bool) -> dict[str, Any]:
    try:
        values = [json.loads(one) for one in _ideals(row)]
    except ValueError as error:
        raise row.at("ideal").wrong(f"is not JSON: {error}") from error
    return {"type": "json_schema", "schema": {"enum": values}}


def _json_validator(row: Placed, ignores_case: bool) -> dict[str, Any]:
    return {"type": "json_schema", "schema": True}


_BASIC: Mapping[str, Callable[[Placed, bool], dict[str, Any]]] = {
    "match:Match": _match,
    "includes:Includes": _includes,
    "fuzzy_match:FuzzyMatch": _fuzzy,
    "json_match:JsonMatch": _json_match,
    "json_validator:JsonValidator": _json_validator,
}
