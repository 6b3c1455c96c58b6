"""The page about pipeline files names every key, and its example can be applied."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from releases.gates.registry import kinds
from releases.policy import read_pipelines

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "releases" / "pipeline.schema.json").read_text(encoding="utf-8"))
STAGE = SCHEMA["$defs"]["stage"]["properties"]
KEYS = {
    *SCHEMA["properties"],
    *STAGE,
    *STAGE["ramp"]["items"]["properties"],
    *STAGE["guardrails"]["items"]["properties"],
    *SCHEMA["$defs"]["freezes"]["items"]["properties"],
    *STAGE["approvals"]["properties"],
    *STAGE["after"]["properties"],
}


def test_the_example_of_the_page_has_no_mistake() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    specs, problems = read_pipelines(example, "docs/pipelines.md", kinds())
    assert [str(problem) for problem in problems] == []
    assert [stage.name for stage in specs[0].stages] == ["internal", "closed-alpha", "production"]


@pytest.mark.parametrize("key", sorted(KEYS))
def test_the_page_names_every_key(key: str) -> None:
    assert re.search(rf"`[^`]*\b{key}\b[^`]*`", PAGE.split("## The pipeline")[1])
