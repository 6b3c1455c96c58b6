"""The folders that wardens work in, and what is left of those whose worker was killed.

A worker holds a lock on its folder. A warden removes the folder when its worker is gone; where both
were killed, the next look at this machine's folders does.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
import time
from pathlib import Path

log = logging.getLogger(__name__)
PREFIX = "slipway-grading-"
# A folder is locked a moment after it was made, and a warden may still be leaving.
SETTLED_S = 60.0


class Folder:
    """A new folder of this process alone."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix=PREFIX)
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove it with all that is in it; safe to repeat."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def clear_left() -> int:
    """Remove every folder of this user that no worker holds any more; how many there were."""
    left = Path(tempfile.gettempdir()).glob(f"{PREFIX}*")
    return sum(_clear(path) for path in left)


def _clear(path: Path) -> bool:
    try:
        facts = path.lstat()
        if facts.st_uid != os.geteuid() or time.time() - facts.st_mtime < SETTLED_S:
            return False
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        # It went away meanwhile, or is none of ours.
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    except BlockingIOError:
        return False
    except OSError as error:
        log.warning("%s is left of a killed worker and can't be removed: %s", path, error)
        return False
    finally:
        os.close(held)
    log.info("%s was left of a killed worker and is removed.", path)
    return True
