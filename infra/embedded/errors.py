"""The one error of the embedded services: a sentence that says what to do."""

from __future__ import annotations

import errno
from pathlib import Path


class EmbeddedError(Exception):
    """An embedded service cannot be used; the message is one sentence for a person."""


def folder_error(folder: Path, error: OSError) -> EmbeddedError:
    """What an operating system's refusal to write under `folder` means to a person."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return EmbeddedError(f"The disk under {folder} is full: free some space and start again.")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return EmbeddedError(
            f"{folder} can't be written ({error.strerror}): give yourself the right to write "
            "there, or set SLIPWAY_STATE_DIR to a folder of yours."
        )
    return EmbeddedError(f"{folder} can't be used: {error.strerror or error}.")
