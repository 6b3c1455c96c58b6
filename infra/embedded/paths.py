"""Where the embedded services keep their state."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from infra.embedded.errors import EmbeddedError, folder_error

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
LONGEST_SOCKET_NAME = "postgres/.s.PGSQL.5432"
# sun_path is 108 bytes on Linux and 104 on macOS, the closing NUL included.
SOCKET_PATH_LIMIT = 103
# Fixed, not TMPDIR: shells that differ in TMPDIR must come to the same sockets.
SHORT_DIR = Path("/tmp")  # noqa: S108


def state_dir() -> Path:
    """The folder of everything kept on this machine: `SLIPWAY_STATE_DIR`, else `.slipway/`."""
    chosen = os.environ.get("SLIPWAY_STATE_DIR", "").strip()
    return Path(chosen).expanduser().resolve() if chosen else PROJECT_DIR / ".slipway"


def socket_dir() -> Path:
    """The folder of the Unix sockets: inside the state folder unless its path is too long."""
    preferred = state_dir() / "sockets"
    if len(os.fsencode(preferred / LONGEST_SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        return preferred
    digest = hashlib.sha256(os.fsencode(state_dir())).hexdigest()[:12]
    return SHORT_DIR / f"slipway-{os.geteuid()}-{digest}"


def make_folder(folder: Path) -> Path:
    """Creates `folder`, mode 0700; EmbeddedError when it can't be, or is another's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.lstat()
    except OSError as error:
        raise folder_error(folder, error) from error
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in {os.geteuid(), 0}:
        if os.geteuid() != 0:
            raise EmbeddedError(
                f"{folder} belongs to another user: remove it, or set SLIPWAY_STATE_DIR to a "
                "folder of yours."
            )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise folder_error(folder, PermissionError(13, "Permission denied"))
    return folder


def make_socket_dir() -> Path:
    """Creates the folder of the Unix sockets, closed to other users."""
    folder = make_folder(socket_dir())
    facts = folder.lstat()
    if folder.parent == SHORT_DIR and facts.st_uid != os.geteuid():
        raise EmbeddedError(f"{folder} belongs to another user: remove it and start again.")
    return folder
