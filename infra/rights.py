"""Who may do what, read from the code that refuses: the calls of `must` in the services.

There is no second list: the source of every app is parsed for `actor.must(…)`,
`actor.must_administer(…)` and `actor.must_be_person(…)`, and the roles and scopes named there are
looked up in the module that names them.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from infra.roles import Role, Scope

PROJECT = Path(__file__).resolve().parent.parent
APPS = ("infra", "releases", "alpha", "evals")
RULES = ("must", "must_administer", "must_be_person")
_OWN = PROJECT / "infra" / "actors.py"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One thing that somebody may do, with everybody who may; persons in `roles`, keys by scope."""

    app: str
    area: str
    action: str
    roles: frozenset[Role]
    scopes: frozenset[Scope]
    is_for_administrators: bool
    # No role is asked: the case says which person may, such as an owner or a group that votes.
    is_by_case: bool
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """One call that refuses, where it stands."""

    path: Path
    call: ast.Call
    function: Function


@cache
def rights() -> tuple[Right, ...]:
    """Every right, by app, area and action; ValueError names a rule that can't be read."""
    found: dict[tuple[Any, ...], list[tuple[str, str]]] = defaultdict(list)
    for app in APPS:
        texts = _texts(app)
        for rule in _rules(texts):
            place = f"{rule.path.relative_to(PROJECT)}:{rule.call.lineno}"
            stem = rule.path.stem
            area = (rule.path.parent.name if stem == "__init__" else stem).replace("_", " ")
            for who in _read(app, rule, texts):
                found[who].append((area, place))
    made = [_right(who, sorted(places)) for who, places in found.items()]
    return tuple(sorted(made, key=lambda right: (APPS.index(right.app), right.area, right.action)))


def _right(who: tuple[Any, ...], places: list[tuple[str, str]]) -> Right:
    app, action, roles, scopes, for_administrators, by_case = who
    return Right(
        app=app,
        area=places[0][0],
        action=action,
        roles=roles,
        scopes=scopes,
        is_for_administrators=for_administrators,
        is_by_case=by_case,
        places=tuple(place for _, place in places),
    )


def _texts(app: str) -> dict[Path, str]:
    paths = sorted((PROJECT / app).rglob("*.py"))
    kept = [path for path in paths if path != _OWN and "migrations" not in path.parts]
    return {path: path.read_text(encoding="utf-8") for path in kept}


@cache
def _tree(path: Path, text: str) -> ast.Module:
    return ast.parse(text)


def _rules(texts: dict[Path, str]) -> Iterator[_Rule]:
    for path, text in texts.items():
        if ".must" not in text:
            continue
        nodes = ast.walk(_tree(path, text))
        for function in (node for node in nodes if isinstance(node, Function)):
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            kept = [call for call in calls if _name_of(call) in RULES]
            asks_for_roles = any(_name_of(call) != "must_be_person" for call in kept)
            for call in kept:
                # Where roles are asked too, that only a person may is told by the missing scope.
                if not (asks_for_roles and _name_of(call) == "must_be_person"):
                    yield _Rule(path=path, call=call, function=function)


def _name_of(call: ast.Call) -> str:
    """The name after the dot of `….must(…)`; "" for a call of a bare name."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _read(app: str, rule: _Rule, texts: dict[Path, str]) -> Iterator[tuple[Any, ...]]:
    module = _module(rule.path)
    name = _name_of(rule.call)
    roles: set[Role] = set()
    by_case = name == "must_be_person"
    for argument in rule.call.args[1:] if name == "must" else ():
        named = _roles(argument, module, rule)
        roles |= set(named or ())
        by_case = by_case or named is None
    given = [keyword.value for keyword in rule.call.keywords if keyword.arg == "scope"]
    scopes = frozenset(Scope(_value(node, module)) for node in given)
    for action in _actions(rule, texts):
        yield (app, action, frozenset(roles), scopes, name == "must_administer", by_case)


def _module(path: Path) -> ModuleType:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return import_module(".".join(part for part in parts if part != "__init__"))


def _value(node: ast.expr, module: ModuleType) -> Any:
    """What a constant, a name or a dotted name of the module stands for."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return getattr(module, node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, module), node.attr)
    raise ValueError(f"{module.__name__}:{node.lineno}: {ast.unparse(node)} can't be read here.")


def _roles(node: ast.expr, module: ModuleType, rule: _Rule) -> tuple[Role, ...] | None:
    """The roles an argument stands for; None when a row says which."""
    if isinstance(node, ast.Call):
        return None
    if not isinstance(node, ast.Starred):
        return (Role(_value(node, module)),)
    if isinstance(node.value, ast.Name) and not hasattr(module, node.value.id):
        listed = _assigned(node.value.id, rule.function)
        return tuple(Role(_value(item, module)) for item in listed)
    return tuple(Role(role) for role in _value(node.value, module))


def _assigned(name: str, function: Function) -> list[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
                return node.value.elts
    raise ValueError(f"{function.name}: where `{name}` comes from can't be read.")


def _actions(rule: _Rule, texts: dict[Path, str]) -> list[str]:
    """What is refused, in words; of a function that is told it, what its callers tell."""
    node = rule.call.args[0]
    if isinstance(node, ast.JoinedStr):
        named = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        first = named[0].value
        if isinstance(node.values[0], ast.FormattedValue) and isinstance(first, ast.Name):
            node = first
        else:
            return [_spelt(node)]
    if isinstance(node, ast.Name) and node.id in _parameters(rule.function):
        told = sorted(set(_told(rule.function, node.id, texts)))
        if not told:
            raise ValueError(f"{rule.function.name} is told no action that can be read.")
        return told
    return [str(_value(node, _module(rule.path)))]


def _spelt(node: ast.JoinedStr) -> str:
    parts = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            parts.append(f"‹{ast.unparse(part.value).replace('_', ' ')}›")
        elif isinstance(part, ast.Constant):
            parts.append(str(part.value))
    return "".join(parts)


def _parameters(function: Function) -> list[str]:
    return [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]


def _told(function: Function, name: str, texts: dict[Path, str]) -> Iterator[str]:
    """The texts that calls of `function` give for its parameter `name`."""
    position = _parameters(function).index(name)
    callers = {path: text for path, text in texts.items() if f"{function.name}(" in text}
    for path, text in callers.items():
        nodes = ast.walk(_tree(path, text))
        for call in (node for node in nodes if isinstance(node, ast.Call)):
            called = call.func.id if isinstance(call.func, ast.Name) else _name_of(call)
            if called != function.name:
                continue
            given = {keyword.arg: keyword.value for keyword in call.keywords}.get(name)
            if given is None and position < len(call.args):
                given = call.args[position]
            if given is not None:
                yield str(_value(given, _module(path)))
