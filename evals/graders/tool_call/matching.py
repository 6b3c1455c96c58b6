"""Which given call answers which expected one, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.graders.tool_call import values
from evals.graders.tool_call.reading import Call, plain_name

SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An expected call and what was given for it."""

    expected: Call
    given: Call | None
    problems: Mapping[str, str]
    """Each expected argument with what is wrong with it; empty text: nothing."""
    unexpected: Sequence[str] = ()
    """Arguments that no one asked for."""

    @property
    def n_problems(self) -> int:
        return sum(bool(problem) for problem in self.problems.values()) + len(self.unexpected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """All expected calls, and the given ones that answer none."""

    matches: Sequence[Match]
    unexpected: Sequence[Call]


def matched(
    expected: Sequence[Call],
    given: Sequence[Call],
    types: Mapping[tuple[str, str], str],
    *,
    exact: bool,
    in_order: bool,
) -> Matched:
    """Expected calls with given ones of the same name, so that the fewest arguments are wrong."""
    offers = [[_match(want, call, types, exact) for call in given] for want in expected]
    chosen = _in_order(offers) if in_order else _cheapest(offers)
    matches = [
        offers[row][chosen[row]] or _missing(want) if row in chosen else _missing(want)
        for row, want in enumerate(expected)
    ]
    taken = set(chosen.values())
    return Matched(
        matches=matches,
        unexpected=[call for place, call in enumerate(given) if place not in taken],
    )


def _match(
    want: Call, call: Call, types: Mapping[tuple[str, str], str], exact: bool
) -> Match | None:
    """None when another function is called; a dot in a name is as good as an underscore."""
    if plain_name(want.name) != plain_name(call.name):
        return None
    problems = {
        name: _problem(
            name, accepted, call.arguments, types.get((plain_name(want.name), name)), exact
        )
        for name, accepted in want.arguments.items()
    }
    extra = [name for name in call.arguments if name not in want.arguments]
    return Match(expected=want, given=call, problems=problems, unexpected=extra)


def _problem(
    name: str,
    accepted: Sequence[Any],
    arguments: Mapping[str, Any],
    declared: str | None,
    exact: bool,
) -> str:
    if name not in arguments:
        return "" if values.is_optional(accepted) else f"{name} is left out"
    value = arguments[name]
    if not values.fits_type(value, declared):
        return f"{name} is {_short(value)}, and not an integer"
    if values.is_accepted(value, accepted, exact=exact):
        return ""
    wanted = " or ".join(_short(one) for one in accepted if one != values.LEFT_OUT)
    return f"{name} is {_short(value)}, not {wanted or 'left out'}"


def _missing(want: Call) -> Match:
    said = f"{want.name} is not called"
    return Match(expected=want, given=None, problems=dict.fromkeys(want.arguments, said))


def _in_order(offers: Sequence[Sequence[Match | None]]) -> dict[int, int]:
    return {row: row for row, line in enumerate(offers) if row < len(line) and line[row]}


def _cheapest(offers: Sequence[Sequence[Match | None]]) -> dict[int, int]:
    """The place of each expected call's answer: as many as possible, then the fewest problems."""
    if len(offers) == 1:
        found = [(match.n_problems, place) for place, match in enumerate(offers[0]) if match]
        return {0: min(found)[1]} if found else {}
    if not offers or not offers[0]:
        return {}
    from scipy.optimize import linear_sum_assignment  # only where several calls are expected

    worst = 1 + sum(match.n_problems for line in offers for match in line if match)
    costs = [[match.n_problems if match else worst for match in line] for line in offers]
    rows, places = linear_sum_assignment(costs)
    pairs = zip(rows.tolist(), places.tolist(), strict=True)
    return {row: place for row, place in pairs if offers[row][place]}


def _short(value: Any) -> str:
    try:
        shown = repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} too large to show"
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
