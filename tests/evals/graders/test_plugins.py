"""Graders of installed packages."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals import graders
from evals.graders.contract import GradedCase, GraderSpecError, Policy, Sample

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "grader-plugin"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
SPEC = {"type": "no_filler", "phrases": ["great question", "as an AI"]}
CASE = GradedCase(case_id="one", components=("style",))


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example as an installer leaves it: its module's folder, and its metadata."""
    metadata = tmp_path / "slipway_no_filler-1.0.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: x\nVersion: 1.0.0\n")
    ((group, points),) = PROJECT["entry-points"].items()
    lines = "".join(f"{name} = {target}\n" for name, target in points.items())
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    importlib.invalidate_caches()
    graders.get.cache_clear()
    yield
    graders.get.cache_clear()


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("text", "score"),
    [("Great question! As an AI, I agree.", 0.0), ("A great question: no.", 0.5), ("", 1.0)],
)
def test_the_example_package_grades(text: str, score: float) -> None:
    assert "no_filler" in graders.names()
    graders.check_spec(SPEC)
    assert graders.check_case(SPEC, CASE) == ("style",)
    grade = graders.grade_sample([SPEC], CASE, Sample(output_text=text), Policy())
    assert (grade.score, grade.components["style"].score) == (score, score)


@pytest.mark.usefixtures("_installed")
def test_settings_of_the_example_are_checked() -> None:
    with pytest.raises(GraderSpecError, match="phrases"):
        graders.check_spec({"type": "no_filler"})


def test_the_example_is_no_longer_than_promised() -> None:
    source = (EXAMPLE / "slipway_no_filler.py").read_text("utf-8").splitlines()
    assert len(source) <= 20


def test_without_the_package_its_grader_is_unknown() -> None:
    graders.get.cache_clear()
    with pytest.raises(GraderSpecError, match="unknown grader 'no_filler'"):
        graders.check_spec(SPEC)
