"""The formulas of `multi`: numbers, names, `+ - * / ^` and eight functions; never run as code.

sum     = product (("+" | "-") product)*
product = signed (("*" | "/") signed)*
signed  = ("-" | "+") signed | power
power   = atom ["^" signed]
atom    = number | name | name "(" sum ("," sum)* ")" | "(" sum ")"
"""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
LONGEST = 2000
DEEPEST = 50
TOKEN = re.compile(r"\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|([^\W\d]\w*)|([-+*/^(),]))")
ONE_VALUE: Mapping[str, Callable[[float], float]] = {
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}
MANY_VALUES: Mapping[str, Callable[..., float]] = {"min": min, "max": max}
FUNCTIONS = frozenset({*ONE_VALUE, *MANY_VALUES})
OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": math.pow,
}
Variables = Mapping[str, float]
Value = Callable[[Variables], float]


class FormulaError(Exception):
    """A text that is no formula, with the place where it stops being one."""


class NoValue(Exception):
    """A formula that has no value for these variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A formula that was read."""

    text: str
    names: frozenset[str]
    """The variables it needs."""
    compute: Value

    def value(self, variables: Variables) -> float:
        """The finite number; NoValue for a division by zero, a root of less than zero and such."""
        try:
            found = float(self.compute(variables))
        except (ValueError, ZeroDivisionError, OverflowError) as error:
            given = ", ".join(f"{name}={variables[name]:g}" for name in sorted(self.names))
            raise NoValue(f"{self.text!r} has no value for {given or 'itself'}: {error}") from error
        if not math.isfinite(found):
            raise NoValue(f"{self.text!r} is {found}")
        return found


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Formula:
    """The formula; FormulaError says what was expected where."""
    if len(text) > LONGEST:
        raise FormulaError(f"is longer than {LONGEST:,} characters")
    parser = _Parser(text)
    compute = parser.sum()
    parser.end()
    return Formula(text=text, names=frozenset(parser.names), compute=compute)


class _Parser:
    """Recursive descent; each rule is named as in the module's grammar."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self.names: set[str] = set()

    def sum(self) -> Value:
        return self._chain("+-", self._product)

    def end(self) -> None:
        if self._shown():
            raise self._expected("the end or an operator")

    def _product(self) -> Value:
        return self._chain("*/", self._signed)

    def _signed(self) -> Value:
        with_sign = self._take("-", "+")
        if not with_sign:
            return self._power()
        inner = self._deeper(self._signed)
        return inner if with_sign == "+" else lambda variables: -inner(variables)

    def _power(self) -> Value:
        base = self._atom()
        if not self._take("^"):
            return base
        return _chained(base, [(OPERATORS["^"], self._deeper(self._signed))])

    def _atom(self) -> Value:
        part, place = self._shown(), self._at
        self._at += 1
        if part == "(":
            return self._closed(self._deeper(self.sum))
        if part[:1].isdecimal() or part[:1] == ".":
            number = float(part)
            return lambda variables: number
        if not part or not (part[0].isalpha() or part[0] == "_"):
            self._at = place
            raise self._expected("a number, a name or a bracket")
        if self._take("("):
            return self._function(part)
        self.names.add(part)
        return lambda variables: variables[part]

    def _function(self, name: str) -> Value:
        if name not in FUNCTIONS:
            known = ", ".join(sorted(FUNCTIONS))
            raise FormulaError(f"has no function {name!r}; there are {known}")
        given = [self._deeper(self.sum)]
        while self._take(","):
            given.append(self._deeper(self.sum))
        values = self._closed(tuple(given))
        if name in MANY_VALUES:
            return lambda variables: MANY_VALUES[name]([value(variables) for value in values])
        if len(values) != 1:
            raise FormulaError(f"gives {name} {len(values)} values: it takes one")
        return lambda variables: ONE_VALUE[name](values[0](variables))

    def _chain(self, marks: str, operand: Callable[[], Value]) -> Value:
        first, rest = operand(), []
        while mark := self._take(*marks):
            rest.append((OPERATORS[mark], operand()))
        return _chained(first, rest) if rest else first

    def _closed(self, inner: T) -> T:
        if not self._take(")"):
            raise self._expected("')'")
        return inner

    def _deeper(self, rule: Callable[[], Value]) -> Value:
        self._depth += 1
        if self._depth > DEEPEST:
            raise FormulaError(f"is nested deeper than {DEEPEST} levels")
        found = rule()
        self._depth -= 1
        return found

    def _take(self, *marks: str) -> str:
        part = self._shown()
        if part not in marks:
            return ""
        self._at += 1
        return part

    def _shown(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _expected(self, wanted: str) -> FormulaError:
        if not self._shown():
            return FormulaError(f"ends where {wanted} is expected")
        part, column = self._tokens[self._at]
        return FormulaError(f"has {part!r} at character {column + 1} where {wanted} is expected")


def _chained(first: Value, rest: Sequence[tuple[Callable[[float, float], float], Value]]) -> Value:
    def compute(variables: Variables) -> float:
        value = first(variables)
        for apply, operand in rest:
            value = apply(value, operand(variables))
        return value

    return compute


def _tokens(text: str) -> list[tuple[str, int]]:
    found, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None:
            stray = len(text) - len(text[at:].lstrip())
            raise FormulaError(f"has {text[stray]!r} at character {stray + 1}, which means nothing")
        found.append((match[match.lastindex or 0], match.start(match.lastindex or 0)))
        at = match.end()
    return found
