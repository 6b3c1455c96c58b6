"""promptfoo's templates: Nunjucks, which Jinja reads, in a sandbox with the vars alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateError, Undefined, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

from evals.formats.documents import Placed

LONGEST = 1_000_000
"""Characters of a text that a template may grow to."""


class _Missing(Undefined):
    """A variable without value is empty, as in Nunjucks, and so is what lies below it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, name: Any) -> Any:
        return self


def _shown(value: Any) -> Any:
    """As JavaScript writes it: `true`, nothing for null, JSON for the rest."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Mapping | list):
        return _dump(value)
    return value


def _dump(value: Any, indent: int | None = None) -> str:
    separators = (",", ":") if indent is None else None
    return json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)


class _Bounded(ImmutableSandboxedEnvironment):
    """Without products of texts: `'a' * 10**9` in a file must not fill the memory."""

    intercepted_binops = frozenset({"*", "**"})

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        raise SecurityError(f"{attribute!r} may not be used in a template")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if not numbers or operator == "**" or abs(left) > LONGEST or abs(right) > LONGEST:
            raise TemplateError(f"{left!r} {operator} {right!r} is not reckoned in a template")
        return super().call_binop(context, operator, left, right)


ENVIRONMENT = _Bounded(
    autoescape=False,  # noqa: S701  prompts are no HTML
    undefined=_Missing,
    keep_trailing_newline=True,
    finalize=_shown,
)
ENVIRONMENT.filters["dump"] = _dump


def render(template: str, variables: Mapping[str, Any], place: Placed) -> str:
    """The text with its variables filled in; FormatError when it is no template."""
    if "{{" not in template and "{%" not in template and "{#" not in template:
        return template
    try:
        text = ENVIRONMENT.from_string(template).render(**variables)
    except (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise place.wrong(f"its template can't be filled: {error}") from error
    if len(text) > LONGEST:
        raise place.wrong(f"its template grows beyond {LONGEST:,} characters")
    return text


def render_all(value: Any, variables: Mapping[str, Any], place: Placed) -> Any:
    """The value with every text in it rendered."""
    if isinstance(value, str):
        return render(value, variables, place)
    if isinstance(value, Mapping):
        return {
            render(str(key), variables, place): render_all(inner, variables, place)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [render_all(inner, variables, place) for inner in value]
    return value


def names_in(template: str) -> set[str]:
    """Variables that the template uses and does not set; empty when it is no template."""
    try:
        return set(meta.find_undeclared_variables(ENVIRONMENT.parse(template)))
    except (TemplateError, RecursionError):
        return set()
