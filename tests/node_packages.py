"""Packages of npm that tests need: each list is pinned beside its tests and installed once."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.embedded.paths import PROJECT_DIR

INSTALL_S = 120


def installed(pinned: Path) -> Path:
    """A folder of `build/` with what `pinned` (package.json and its lock) lists.

    Skips the test without node and npm, unless SLIPWAY_REQUIRE_NODE=1.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        if os.environ.get("SLIPWAY_REQUIRE_NODE") == "1":
            pytest.fail("node and npm are required: apt-get install nodejs npm")
        pytest.skip("needs node and npm: apt-get install nodejs npm")
    folder = PROJECT_DIR / "build" / pinned.name
    folder.mkdir(parents=True, exist_ok=True)
    # Workers of one run install it once.
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(pinned, folder)
    return folder


def _install(pinned: Path, folder: Path) -> None:
    wanted = (pinned / "package-lock.json").read_bytes()
    stamp = folder / ".installed"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(pinned / name, folder / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S)
    assert done.returncode == 0, done.stderr
    stamp.write_bytes(wanted)
