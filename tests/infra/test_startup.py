"""What a starting process loads: a killed server must be back within seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("numpy", "scipy", "openai", "sqlglot", "xllamacpp")


@pytest.mark.parametrize(
    "modules",
    [
        "infra.asgi, infra.urls",
        "infra.supervisor.__main__, infra.settings",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(modules: str) -> None:
    source = f"import json, sys, {modules}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "infra.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout))
    assert modules.split(",")[0] in loaded
    assert loaded.isdisjoint(HEAVY)
