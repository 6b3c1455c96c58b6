"""What the console and the API can do, from their addresses down to the services they call."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from types import FunctionType
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from infra.console.pages import Page

# Where the shells are; what they call beyond is asked no further.
_SHELLS = (".console", ".api")
METHODS = ("get", "post", "put", "patch", "delete")
# How a page is shown again after an action is none of what the action does.
_SHOWS = frozenset({"shown", "context"})


def views(prefix: str) -> dict[str, type]:
    """The view class behind every address that begins so, by its route."""
    return {
        route: pattern.callback.view_class
        for route, pattern in _patterns(get_resolver())
        if route.startswith(prefix) and hasattr(pattern.callback, "view_class")
    }


def _patterns(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _patterns(one, route)
        else:
            yield route, one


def console_actions() -> dict[str, set[str]]:
    """The services behind each form of each page: `Page.form` -> their dotted names."""
    pages = {view for view in views("console/").values() if issubclass(view, Page)}
    return {
        f"{page.__name__}.{name}": services(getattr(page, f"do_{name}"), page)
        for page in sorted(pages, key=lambda page: page.__name__)
        for name in page.forms
    }


def api_actions() -> dict[str, set[str]]:
    """The services behind each method of each resource: `METHOD route` -> their dotted names."""
    return {
        f"{method.upper()} {route}": services(getattr(view, method), view)
        for route, view in views("api/").items()
        for method in METHODS
        if hasattr(view, method)
    }


def services(start: Callable[..., Any], owner: type) -> set[str]:
    """The services that `start`, a method of `owner`, calls itself or by functions of its shell."""
    found: set[str] = set()
    met: set[FunctionType] = set()
    waiting = [inspect.unwrap(start)]
    while waiting:
        function = waiting.pop()
        if function in met:
            continue
        met.add(function)
        for called in _named_in(function, owner):
            if _is_shell(called):
                waiting.append(called)
            elif _is_service(called):
                found.add(f"{called.__module__}.{called.__qualname__}")
    return found


def _is_shell(function: FunctionType) -> bool:
    return any(part in function.__module__ for part in _SHELLS)


def _is_service(function: FunctionType) -> bool:
    """What takes an actor by name, as every change does; or is public in a module of services."""
    kinds = inspect.signature(function).parameters
    if "actor" in kinds and kinds["actor"].kind is inspect.Parameter.KEYWORD_ONLY:
        return True
    module = function.__module__
    is_home = ".services" in module or module in {"infra.audit", "infra.webhooks"}
    return is_home and not function.__name__.startswith(("_", "must_"))


def _named_in(function: FunctionType, owner: type) -> Iterator[FunctionType]:
    for chain in _chains(function):
        if chain[-1] in _SHOWS:
            continue
        found = _resolved(chain, function, owner)
        if isinstance(found, type) and any(part in found.__module__ for part in _SHELLS):
            found = getattr(found, "__init__", None)
        found = inspect.unwrap(found) if callable(found) else found
        if isinstance(found, FunctionType):
            yield found


@cache
def _chains(function: FunctionType) -> tuple[tuple[str, ...], ...]:
    """Every dotted name in the function's source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return tuple(
        chain
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and (chain := _chain(node))
    )


def _chain(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute) and (before := _chain(node.value)):
        return (*before, node.attr)
    return ()


def _resolved(chain: tuple[str, ...], function: FunctionType, owner: type) -> Any:
    first, *rest = chain
    at: Any = owner if first in {"self", "cls"} else function.__globals__.get(first)
    for name in rest:
        at = (
            inspect.getattr_static(at, name, None)
            if isinstance(at, type)
            else getattr(at, name, None)
        )
        if isinstance(at, staticmethod | classmethod):
            at = at.__func__
    return at
