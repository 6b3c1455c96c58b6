"""A Celery worker of its own process that kills itself, with -9, at a chosen commit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from infra.celery import app
from tests.conftest import database_url
from tests.evals.worker import SECRETS

NEVER = 0
PROGRAM = """
import os
import signal
import sys
import django
django.setup()
from django.db.backends.base.base import BaseDatabaseWrapper
from infra.celery import app

queue, point = sys.argv[1], int(sys.argv[2])
commit, passed = BaseDatabaseWrapper._commit, 0

def pass_one():
    global passed
    passed += 1
    if passed == point:
        os.kill(os.getpid(), signal.SIGKILL)

def watched(self):
    pass_one()
    done = commit(self)
    pass_one()
    return done

BaseDatabaseWrapper._commit = watched
app.worker_main(["worker", "--pool=solo", "-Q", queue, "--loglevel=ERROR", "-n", queue + "@test"])
"""


@contextmanager
def worker(queue: str, database: str, valkey: str, dies_at: int) -> Iterator[subprocess.Popen[str]]:
    """A worker of the queue; it dies before or after a commit, `dies_at` of them counted so."""
    environment = {
        **os.environ,
        **{variable: getattr(settings, name) for variable, name in SECRETS.items()},
        "SLIPWAY_FILE_ROOTS": "/",
        "SLIPWAY_DATABASE_URL": database_url("app", database),
        "SLIPWAY_REDIS_URL": valkey,
        "DJANGO_SETTINGS_MODULE": "infra.settings",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, queue, str(dies_at)],
        env=environment,
        cwd=settings.PROJECT_DIR,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


def nudge(queue: str) -> None:
    """What the scheduler sends every few seconds."""
    app.send_task("releases.advance", queue=queue)
