"""`python -m releases.statistics METHOD < in.json`: reproduces any number the product shows."""

import json
import math
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from releases.statistics.methods import METHODS

USAGE = "usage: python -m releases.statistics METHOD < in.json, or --list for the methods"

MAX_DIGITS = 4_000


def main(arguments: Sequence[str], source: TextIO, out: TextIO, err: TextIO) -> int:
    """Run one method from `source` to `out`; 0 when done, 2 with one sentence on bad input."""
    if list(arguments) == ["--list"]:
        out.writelines(f"{name}: {method.describe()}\n" for name, method in METHODS.items())
        return 0
    if len(arguments) != 1 or arguments[0].startswith("-"):
        err.write(f"{USAGE}\n")
        return 2
    if arguments[0] not in METHODS:
        err.write(f"METHOD: there is no {arguments[0]!r}; --list prints the methods\n")
        return 2
    try:
        answer = METHODS[arguments[0]].call(_read(source))
        text = json.dumps({name: _plain(name, value) for name, value in answer.items()})
    except ValueError as error:
        err.write(f"{error}\n")
        return 2
    out.write(f"{text}\n")
    return 0


def _read(source: TextIO) -> dict[str, Any]:
    try:
        given = json.load(source, object_pairs_hook=_unique, parse_int=_whole)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"input: is not one JSON object: {error}") from error
    if not isinstance(given, dict):
        raise ValueError("input: must be one JSON object")
    return given


def _whole(digits: str) -> int:
    # Python refuses more digits, in words for its own users.
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"input: holds a whole number of more than {MAX_DIGITS} digits")
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            raise ValueError(f"{name}: is given twice")
        result[name] = value
    return result


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(name, each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            raise ValueError(f"{name}: the input gives no number")
        return "inf" if value > 0 else "-inf"
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin, sys.stdout, sys.stderr))
