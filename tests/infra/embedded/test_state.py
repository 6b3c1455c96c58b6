"""Secrets, folders and sockets under the state folder."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import redis

from infra import embedded
from infra.embedded import EmbeddedError
from infra.embedded.account import Account, let_through
from infra.embedded.errors import folder_error
from tests.infra.embedded.servers import rows, run_python, use_state


def test_a_deep_state_folder_gets_short_sockets_that_others_cannot_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_state(tmp_path / ("d" * 60) / ("e" * 60), monkeypatch)
    sockets = embedded.socket_dir()
    assert len(str(sockets)) < 60
    try:
        embedded.start_valkey(tethered=True)
        embedded.start_postgres(tethered=True)
        assert redis.Redis.from_url(embedded.redis_url()).ping()
        assert rows("app", "SELECT 1") == [(1,)]
        assert sockets.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP) == 0
    finally:
        embedded.stop_valkey(force=True)
        embedded.stop_postgres(force=True)
        shutil.rmtree(sockets)


def test_racing_processes_get_one_secret(fresh_state: Path) -> None:
    source = "from infra import embedded; input(); print(embedded.secret('secret.key'))"
    racers = [run_python(source) for _ in range(4)]
    said = set()
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    for racer in racers:
        said.add(racer.communicate(timeout=20)[0].strip())
    assert said == {embedded.secret("secret.key")}
    path = fresh_state / "secrets" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(embedded.secret("secret.key")) >= 50
    assert [each.name for each in path.parent.iterdir()] == ["secret.key"]


def test_an_empty_secret_is_refused_rather_than_replaced(fresh_state: Path) -> None:
    embedded.secret("audit.key")
    (fresh_state / "secrets" / "audit.key").write_text("")
    with pytest.raises(EmbeddedError, match="audit.key is empty"):
        embedded.secret("audit.key")


def test_a_file_in_place_of_the_state_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("")
    use_state(tmp_path / "state", monkeypatch)
    with pytest.raises(EmbeddedError, match=str(tmp_path / "state")):
        embedded.secret("secret.key")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "is full: free some space"),
        (errno.EDQUOT, "is full: free some space"),
        (errno.EACCES, "can't be written"),
        (errno.EROFS, "can't be written"),
        (errno.EIO, "can't be used"),
    ],
)
def test_a_refusal_of_the_disk_is_one_sentence(number: int, words: str) -> None:
    message = str(folder_error(Path("/srv/state"), OSError(number, os.strerror(number))))
    assert words in message and "/srv/state" in message and "\n" not in message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_the_servers_user_passes_a_closed_folder_without_listing_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    inner = closed / "inner"
    inner.mkdir(parents=True)
    closed.chmod(0o700)
    inner.chmod(0o755)
    account = Account(uid=54_321, gid=54_321)
    let_through(closed, account)

    def lists(folder: Path, uid: int) -> bool:
        command = ["ls", str(folder)]
        done = subprocess.run(
            command, user=uid, group=uid, extra_groups=[], capture_output=True, cwd="/"
        )
        return done.returncode == 0

    assert lists(inner, 54_321)
    assert not lists(closed, 54_321)
    assert not lists(inner, 54_322)
