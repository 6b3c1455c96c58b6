"""References resolve where Slipway runs; Slipway's own secrets are out of their reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from infra.errors import InvalidInput
from infra.secrets_by_reference import resolve


def test_a_variable_and_a_file_hold_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "of-the-variable")
    (tmp_path / "key").write_text("of-the-file\n")
    assert resolve("") == ""
    assert resolve("env:UPSTREAM_KEY") == "of-the-variable"
    assert resolve(f"file:{tmp_path / 'key'}") == "of-the-file"


@pytest.mark.parametrize(
    "ref",
    [
        "sk-the-secret-itself",
        "env:",
        "env:A B",
        "env:UNSET_VARIABLE",
        "env:SLIPWAY_SECRET_KEY",
        "env:AWS_SECRET_ACCESS_KEY",
        "env:PGPASSWORD",
        "file:relative/path",
        "file:/nowhere/at/all",
        "file:/",
    ],
)
def test_anything_else_is_refused(ref: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLIPWAY_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"):
        monkeypatch.setenv(name, "own")
    with pytest.raises(InvalidInput):
        resolve(ref)


def test_the_state_folder_is_out_of_reach_even_by_a_link(tmp_path: Path) -> None:
    own = Path(settings.STATE_DIR) / "kept.key"
    own.write_text("own")
    link = tmp_path / "link"
    link.symlink_to(own)
    for path in (own, link):
        with pytest.raises(InvalidInput, match="own files"):
            resolve(f"file:{path}")


@pytest.mark.parametrize("content", ["a\nb", "", "x" * 9000, "ünïcode"])
def test_a_file_that_is_no_secret_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content, "utf-8")
    with pytest.raises(InvalidInput):
        resolve(f"file:{tmp_path / 'key'}")
