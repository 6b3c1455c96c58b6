"""State folders of the embedded services' own tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import embedded
from tests.infra.embedded.servers import use_state


@pytest.fixture(scope="module")
def cluster_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with a made database, stopped; tests copy or use it one after another."""
    folder = tmp_path_factory.mktemp("embedded") / "state"
    with pytest.MonkeyPatch.context() as patch:
        use_state(folder, patch)
        embedded.start_postgres(tethered=True)
        embedded.stop_postgres(force=True)
    return folder


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
