"""Vendored front-end files are what their manifest says, and the pages use no other origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import vendor


def test_every_vendored_file_has_its_version_licence_and_hash() -> None:
    assert vendor.problems() == []
    assert all(item.version and item.licence for item in vendor.read_manifest())


def test_every_folder_of_vendored_files_carries_its_licence() -> None:
    folders = {(vendor.FILES / item.file).parent for item in vendor.read_manifest()}
    assert folders and all((folder / "LICENSE").is_file() for folder in folders)


def test_a_changed_and_an_unlisted_file_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = vendor.read_manifest()[0]
    path = tmp_path / item.file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"changed")
    (tmp_path / "stray.js").write_bytes(b"")
    monkeypatch.setattr(vendor, "FILES", tmp_path)
    found = "\n".join(vendor.problems())
    assert f"{item.file} is not {item.package}" in found
    assert "stray.js has no line" in found


def test_vendored_alpine_builds_no_code_from_text() -> None:
    for item in vendor.read_manifest():
        text = (vendor.FILES / item.file).read_text()
        assert "new Function(" not in text and "AsyncFunction" not in text, item.file
