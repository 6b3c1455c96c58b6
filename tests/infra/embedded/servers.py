"""Embedded servers as the tests handle them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from infra import embedded
from infra.embedded.processes import find_process

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def own_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="slw-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def run_python(source: str) -> subprocess.Popen[str]:
    """Another process on the same state folder, which prints a line when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process


def use_state(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    patch.setenv("SLIPWAY_STATE_DIR", str(folder))
    return embedded.state_dir()


def rows(role: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(embedded.database_url(role)) as connection:
        return connection.execute(query).fetchall()


def postmaster() -> psutil.Process:
    found = find_process("postgres", str(embedded.state_dir() / "postgres" / "data"))
    assert found is not None
    return found


def kill(process: psutil.Process) -> None:
    process.kill()
    psutil.wait_procs([process], timeout=5)
