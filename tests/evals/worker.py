"""A worker process of its own: runs the named shard, or sweeps and runs whatever is free."""

from __future__ import annotations

import os
import subprocess
import sys
from uuid import UUID

from django.conf import settings

from infra import embedded
from tests.conftest import database_url

SECRETS = {
    "SLIPWAY_SECRET_KEY": "SECRET_KEY",
    "SLIPWAY_AUDIT_KEY": "AUDIT_KEY",
    "SLIPWAY_KEY_PEPPER": "KEY_PEPPER",
    "SLIPWAY_TRANSCRIPT_KEY": "TRANSCRIPT_KEY",
}
PROGRAM = """
import sys
import django
django.setup()
from evals.tasks import run_shard
sys.stdout.write("ready\\n"); sys.stdout.flush()
run_shard(sys.argv[1])
"""


def state_dir() -> str:
    """The state folder of the worker, which is this session's."""
    return os.environ["SLIPWAY_STATE_DIR"]


def environment(database: str) -> dict[str, str]:
    """What a process needs to work on that database as this one does."""
    return {
        **os.environ,
        **{variable: getattr(settings, name) for variable, name in SECRETS.items()},
        "SLIPWAY_DATABASE_URL": database_url("app", database),
        "SLIPWAY_REDIS_URL": embedded.redis_url(),
        "DJANGO_SETTINGS_MODULE": "infra.settings",
    }


def begin(shard_id: UUID, database: str) -> subprocess.Popen[str]:
    """The process, past its start-up and about to claim the shard."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(shard_id)],
        env=environment(database),
        cwd=settings.PROJECT_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process
