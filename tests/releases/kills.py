"""A process that is killed at a chosen point of its work with the database."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.conftest import copy_database, database_url, drop_database

PATIENCE_S = 20


def killed_at(point: int, work: Callable[[], Any], *, statements: bool) -> bool:
    """Do the work in a process of its own and kill -9 it at that point; False: it had fewer.

    Points are each moment before and after a commit and, with `statements`, before each statement.
    """
    connections.close_all()
    child = os.fork()
    if child == 0:
        _work_until(point, work, statements)
    _, status = os.waitpid(child, 0)
    wait_until_gone()
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the work itself failed"
    return False


def _work_until(point: int, work: Callable[[], Any], statements: bool) -> None:
    """Never returns: the process ends here, one way or the other."""
    passed = 0

    def pass_one() -> None:
        nonlocal passed
        passed += 1
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)

    commit = BaseDatabaseWrapper._commit

    def watched_commit(self: BaseDatabaseWrapper) -> Any:
        pass_one()
        done = commit(self)
        pass_one()
        return done

    def watched_statement(execute: Any, *args: Any) -> Any:
        pass_one()
        return execute(*args)

    BaseDatabaseWrapper._commit = watched_commit  # type: ignore[method-assign]
    failed = 1
    try:
        if statements:
            connection.execute_wrappers.append(watched_statement)
        work()
        failed = 0
    finally:
        os._exit(failed)


def wait_until_gone() -> None:
    """The server drops what the killed process held only once it sees the closed socket."""
    name = connections["default"].settings_dict["NAME"]
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
    until = time.monotonic() + PATIENCE_S
    with psycopg.connect(database_url("superuser", "postgres"), autocommit=True) as admin:
        while admin.execute(others, [name]).fetchone() != (0,):
            assert time.monotonic() < until, "a connection of the killed process stays"
            time.sleep(0.005)


class Copies:
    """Fresh copies of the database as it is now, one at a time."""

    def __init__(self, original: str) -> None:
        self.original, self._n = original, 0
        connections.close_all()

    def use_new(self) -> None:
        """Point Django at another copy and drop the one before."""
        connections.close_all()
        settings = connections["default"].settings_dict
        before, self._n = settings["NAME"], self._n + 1
        name = f"{self.original}_{self._n}"
        copy_database(self.original, name)
        settings["NAME"] = name
        if before != self.original:
            drop_database(before)

    def drop(self) -> None:
        """Back to the original; the last copy goes."""
        connections.close_all()
        settings = connections["default"].settings_dict
        before, settings["NAME"] = settings["NAME"], self.original
        if before != self.original:
            drop_database(before)
