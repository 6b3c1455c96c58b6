"""Secrets made once and kept in the state folder, each in a file that only its owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from infra.embedded.errors import EmbeddedError, folder_error
from infra.embedded.paths import make_folder, state_dir

SECRET_BYTES = 48


def secret(name: str) -> str:
    """The secret called `name`, made on first use; processes that race get the same one."""
    path = state_dir() / "secrets" / name
    try:
        return _read(path)
    except FileNotFoundError:
        return _create(path)


def _read(path: Path) -> str:
    try:
        value = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise EmbeddedError(f"The secret {path} can't be read: {error}.") from error
    if not value:
        raise EmbeddedError(
            f"The secret {path} is empty: put it back from a backup, or remove the file to make "
            "a new one (what was sealed with the old one is then lost)."
        )
    return value


def _create(path: Path) -> str:
    make_folder(state_dir())
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        _write(draft, secrets.token_urlsafe(SECRET_BYTES))
        # link() never replaces: of two processes that race, the first one's secret stays.
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError as error:
        raise folder_error(path.parent, error) from error
    finally:
        draft.unlink(missing_ok=True)
    return _read(path)


def _write(path: Path, value: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(value + "\n")
        file.flush()
        os.fsync(file.fileno())
