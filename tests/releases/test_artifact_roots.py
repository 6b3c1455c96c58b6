"""On a server, `file://` artifacts are read below named folders alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.errors import InvalidInput
from infra.storage import object_store
from releases.services.manifests import compute_manifest, manifest_differences


@pytest.fixture
def folders(tmp_path: Path, settings: Any) -> tuple[Path, Path]:
    """One that is allowed, and one that is not, each with a file."""
    made = (tmp_path / "weights", tmp_path / "weights-of-others")
    for folder in made:
        (folder / "chat").mkdir(parents=True)
        (folder / "chat" / "weights.gguf").write_bytes(b"w")
    settings.FILE_ROOTS = [made[0]]
    return made


def test_what_lies_below_a_root_is_read(folders: tuple[Path, Path]) -> None:
    for place in (folders[0], folders[0] / "chat"):
        assert compute_manifest(f"file://{place}")


def test_nothing_else_is_read_by_whatever_name(folders: tuple[Path, Path]) -> None:
    allowed, other = folders
    (allowed / "link").symlink_to(other)
    for place in (other, f"{allowed}/../{other.name}", f"{allowed}/link/chat", "/etc", "/"):
        for read in (compute_manifest, lambda uri: manifest_differences(uri, [])):
            with pytest.raises(InvalidInput, match="is not below a folder") as refused:
                read(f"file://{place}")
            assert refused.value.code == "artifact_not_allowed"
            assert str(allowed) in refused.value.message


def test_a_link_to_a_file_outside_is_not_followed(folders: tuple[Path, Path]) -> None:
    allowed, other = folders
    (allowed / "chat" / "stolen").symlink_to(other / "chat" / "weights.gguf")
    with pytest.raises(InvalidInput):
        compute_manifest(f"file://{allowed}/chat")


def test_the_folder_of_the_objects_is_always_allowed(settings: Any) -> None:
    settings.FILE_ROOTS = []
    object_store().put("checkpoints/chat/weights.gguf", b"w")
    assert compute_manifest(f"{settings.ARTIFACTS}/checkpoints/chat")
