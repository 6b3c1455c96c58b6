"""The operating-system user that PostgreSQL runs as: ours, or a system user when we are root."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import stat
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra.embedded.errors import EmbeddedError

SYSTEM_USER = "slipway"
ACL_NAME = "system.posix_acl_access"
ACL_VERSION = 2
OWNER, USER, GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
PASS = 0x1
NO_ID = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of the operating system; `switch` is empty when it is already ours."""

    uid: int
    gid: int

    @property
    def switch(self) -> dict[str, object]:
        """Arguments that make `subprocess` start a program as this user."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def account_for(folder: Path) -> Account:
    """The user to run PostgreSQL as: the folder's owner, never root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid())
    if folder.exists() and folder.stat().st_uid != 0:
        facts = folder.stat()
        return Account(uid=facts.st_uid, gid=facts.st_gid)
    entry = _system_user()
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    useradd = shutil.which("useradd") or "/usr/sbin/useradd"
    command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        return pwd.getpwnam(SYSTEM_USER)
    except OSError as error:
        why = str(error)
    except KeyError:
        why = done.stderr.strip()
    raise EmbeddedError(
        f"PostgreSQL refuses to run as root, and the system user {SYSTEM_USER!r} could not be made "
        f"({why}): add that user, or start as an ordinary user."
    )


def give(folder: Path, account: Account) -> None:
    """Makes `account` the owner of `folder`, closed to everyone else."""
    try:
        if folder.stat().st_uid != account.uid:
            os.chown(folder, account.uid, account.gid)
        folder.chmod(0o700)
    except OSError as error:
        raise EmbeddedError(f"{folder} can't be given to PostgreSQL's user: {error}.") from error


def let_through(folder: Path, account: Account) -> None:
    """Lets `account` pass `folder` and the folders above it, without listing them.

    An access-control entry for that one user where the file system has them, else the others' x.
    """
    if account.uid == os.geteuid():
        return
    for each in (folder, *folder.parents):
        facts = each.stat()
        if facts.st_mode & stat.S_IXOTH or (
            facts.st_uid == account.uid and facts.st_mode & stat.S_IXUSR
        ):
            continue
        if not _grant_passage(each, account.uid, facts.st_mode):
            each.chmod(stat.S_IMODE(facts.st_mode) | stat.S_IXOTH)


def _grant_passage(folder: Path, uid: int, mode: int) -> bool:
    if not hasattr(os, "setxattr"):
        return False
    try:
        entries = _read_entries(folder, mode)
        entries[(USER, uid)] = entries.get((USER, uid), 0) | PASS
        entries[(MASK, NO_ID)] = entries.get((MASK, NO_ID), entries[(GROUP, NO_ID)]) | PASS
        packed = b"".join(struct.pack("<HHI", t, p, i) for (t, i), p in sorted(entries.items()))
        os.setxattr(folder, ACL_NAME, struct.pack("<I", ACL_VERSION) + packed)
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}:
            return False
        raise
    return True


def _read_entries(folder: Path, mode: int) -> dict[tuple[int, int], int]:
    """(tag, id) -> permission bits; from the mode where the folder has no list of its own."""
    try:
        raw = os.getxattr(folder, ACL_NAME)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        bits = {OWNER: mode >> 6, GROUP: mode >> 3, OTHERS: mode}
        return {(tag, NO_ID): bit & 0o7 for tag, bit in bits.items()}
    return {(t, i): p for t, p, i in struct.iter_unpack("<HHI", raw[4:])}
