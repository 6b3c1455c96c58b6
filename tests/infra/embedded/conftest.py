"""State folders of the embedded services' own tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import embedded
from tests.infra.embedded.servers import own_folder, use_state


@pytest.fixture(scope="module")
def cluster_dir() -> Iterator[Path]:
    """A state folder with a made database, stopped; tests copy or use it one after another."""
    with own_folder() as folder:
        with pytest.MonkeyPatch.context() as patch:
            use_state(folder / "state", patch)
            embedded.start_postgres(tethered=True)
            embedded.stop_postgres(force=True)
        yield folder / "state"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Not pytest's own: each of its runs closes the folder above it to PostgreSQL's user."""
    with own_folder() as folder:
        yield folder


@pytest.fixture
def state(cluster_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield use_state(cluster_dir, monkeypatch)
    embedded.stop_valkey(force=True)
    embedded.stop_postgres(force=True)


@pytest.fixture
def fresh_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield use_state(tmp_path / "state", monkeypatch)
    embedded.stop_valkey(force=True)
    embedded.stop_postgres(force=True)
