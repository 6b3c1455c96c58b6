"""A migrated database kept from the last run: the migrations take seconds, a copy of it none.

It is found by a digest of all that migrations are made from, and made anew when that changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "test-database"
MADE_FROM = (
    "requirements.txt",
    "infra/triggers.py",
    "infra/database_roles.py",
    "infra/embedded/*.py",
    "*/apps.py",
    "*/models.py",
    "*/models/*.py",
    "*/migrations/*.py",
)
# Below a state folder: the data, and the password that sets the other roles' anew at each start.
PARTS = ("postgres/data", "secrets/postgres_superuser.password")


def restore(state: Path) -> bool:
    """Lay the kept cluster into a state folder whose server does not run; False without one."""
    kept = _place()
    if not kept.is_dir():
        return False
    _copy(kept, state)
    return True


def keep(state: Path) -> None:
    """Keep the cluster of a state folder whose server was stopped; older ones go."""
    kept = _place()
    made = kept.with_name(f"{kept.name}.{os.getpid()}")
    _copy(state, made)
    for older in KEPT.iterdir():
        if older.name.partition(".")[0] != kept.name:
            shutil.rmtree(older, ignore_errors=True)
    try:
        made.rename(kept)
    except OSError:
        # Another process of this run was first.
        shutil.rmtree(made)


def _place() -> Path:
    digest = hashlib.sha256()
    for pattern in MADE_FROM:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return KEPT / digest.hexdigest()[:24]


def _copy(source: Path, target: Path) -> None:
    for part in PARTS:
        (target / part).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The server's files belong to its own account where this one is root.
        command = ["cp", "-a", "--reflink=auto", str(source / part), str(target / part)]
        subprocess.run(command, check=True)  # noqa: S603
