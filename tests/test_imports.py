"""Imports point one way: evals -> alpha -> releases -> infra; pure modules stay pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("infra", "releases", "alpha", "evals")
# The composition layer of infra may import anything; nothing imports it.
COMPOSITION = (
    "infra/urls.py",
    "infra/asgi.py",
    "infra/gateway_asgi.py",
    "infra/celery.py",
    "infra/demo/",
    "infra/supervisor/",
    "infra/console/",
    "infra/management/",
    "infra/settings.py",
)
OPEN_TO_APPS_ABOVE = ("selectors", "services", "models", "states", "apps")
PURE_OF = {
    "releases": (
        "states",
        "serving",
        "digests",
        "durations",
        "occupation",
        "gates",
        "statistics",
        "promotions",
        "replay",
        "policy",
    ),
    "alpha": ("states", "keys", "routing"),
    "evals": ("states", "components"),
}
PURE = (
    "releases/states.py",
    "releases/serving.py",
    "releases/digests.py",
    "releases/durations.py",
    "releases/occupation.py",
    "releases/manifest.py",
    "releases/documents.py",
    "releases/policy/",
    "releases/gates/",
    "releases/graph.py",
    "releases/promotions.py",
    "releases/ramps.py",
    "releases/replay.py",
    "releases/statistics/",
    "alpha/states.py",
    "alpha/keys.py",
    "alpha/routing.py",
    "alpha/traffic.py",
    "evals/states.py",
    "evals/components.py",
    "evals/ordering.py",
    "evals/asked.py",
    "evals/probes/",
    "evals/redaction.py",
    "evals/training/",
)
IMPURE = ("django", "celery", "rest_framework", "psycopg", "redis", "boto3", "openai", "aiohttp")
RIGHT_TO_LEFT = {
    "states": 0, "models": 1, "selectors": 2, "services": 3, "tasks": 4, "runner": 4,
    "gateway": 4, "api": 5, "admin": 5, "console": 5, "schedule": 5,
}  # fmt: skip


def files(app: str) -> Iterator[Path]:
    for path in sorted((ROOT / app).rglob("*.py")):
        if "migrations" not in path.parts and ".venv" not in path.parts:
            yield path


def imported(source: str) -> Iterator[str]:
    """Every dotted name that the source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def problems(app: str, relative: str, source: str) -> list[str]:
    """Every import of that file which points the wrong way."""
    if relative.startswith(COMPOSITION):
        return []
    found = []
    for name in imported(source):
        top, *rest = name.split(".")
        if top not in APPS:
            continue
        if APPS.index(top) > APPS.index(app):
            found.append(f"{relative} imports {name}: {app} knows nothing of {top}")
        elif top == "infra" and rest[:1] and f"infra/{rest[0]}" in _composition_names():
            found.append(f"{relative} imports {name}: the composition layer is imported by nothing")
        elif top not in ("infra", app) and rest:
            allowed = (*PURE_OF[top], *OPEN_TO_APPS_ABOVE)
            if rest[0] not in allowed:
                found.append(f"{relative} imports {name}: only {', '.join(allowed)} of {top}")
        elif top == app and app != "infra" and rest:
            found += _inside(app, relative, name, rest[0])
    return found


def _composition_names() -> set[str]:
    allowed = ("infra/console/", "infra/management/", "infra/settings.py")
    return {p.removesuffix("/").removesuffix(".py") for p in COMPOSITION if p not in allowed}


def _inside(app: str, relative: str, name: str, room: str) -> list[str]:
    own = relative.removeprefix(f"{app}/").split("/")[0].removesuffix(".py")
    mine, theirs = RIGHT_TO_LEFT.get(own), RIGHT_TO_LEFT.get(room)
    if mine is None or theirs is None or own == room or theirs <= mine:
        return []
    return [f"{relative} imports {name}: {own} does not look right to {room}"]


@pytest.mark.parametrize("app", APPS)
def test_imports_point_one_way(app: str) -> None:
    found = [
        problem
        for path in files(app)
        for problem in problems(app, path.relative_to(ROOT).as_posix(), path.read_text())
    ]
    assert not found, "\n".join(found)


def test_releases_importing_alpha_is_found() -> None:
    source = "def f():\n    from alpha.models import Partner\n"
    assert problems("releases", "releases/services.py", source)


def test_selectors_importing_services_is_found() -> None:
    assert problems("evals", "evals/selectors.py", "from evals.services import start_run")


def test_pure_modules_import_no_framework() -> None:
    found = []
    for app in APPS:
        for path in files(app):
            relative = path.relative_to(ROOT).as_posix()
            if relative.startswith(PURE):
                names = imported(path.read_text())
                found += [f"{relative}: {n}" for n in names if n.split(".")[0] in IMPURE]
    assert not found, "\n".join(found)
