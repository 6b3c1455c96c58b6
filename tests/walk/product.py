"""The real product, started as `make run` starts it, in a state folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import httpx2 as httpx
import psutil
import psycopg
from openai import OpenAI

from infra import embedded
from infra.embedded.processes import wait_until
from infra.supervisor.children import MARK

ROOT = Path(__file__).resolve().parents[2]
STOP_WITHIN_S = 30.0
COMMAND_WITHIN_S = 120.0
# Each start of manage.py costs seconds of the two cores on which the demo plays.
_EACH = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "infra.settings"
import django
django.setup()
import infra.celery
from django.core.management import call_command
for command in json.loads(sys.argv[1]):
    call_command(*command)
"""


class Product:
    """A supervisor and everything it runs; `facts` is its run.json."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.terminal = state / "terminal.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = self.ready_s = self.demo_s = 0.0

    @property
    def environment(self) -> dict[str, str]:
        """This process's, less what it says of another installation."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        return {**kept, "SLIPWAY_STATE_DIR": str(self.state)}

    @property
    def facts(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.state / "run.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}

    @property
    def url(self) -> str:
        return str(self.facts["base_url"])

    def start(self, *options: str, within_s: float = 60.0) -> float:
        """Start it and wait until it is ready; the seconds that took."""
        self.started_at = time.monotonic()
        with self.terminal.open("ab") as terminal:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--bind", "127.0.0.1:0", *options],
                cwd=ROOT,
                # A killed test session must leave no product behind.
                env={**self.environment, "SLIPWAY_END_WITH_PARENT": "1"},
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(lambda: self.is_ready or self.process.poll() is not None, timeout_s=within_s)
        assert self.is_ready, f"not ready within {within_s} s:\n{self.said()}"
        return time.monotonic() - self.started_at

    @property
    def is_ready(self) -> bool:
        """What run.json says, if it is this process that says it."""
        facts, process = self.facts, self.process
        return bool(process and facts.get("pid") == process.pid and facts.get("ready"))

    def said(self) -> str:
        """The end of what it printed to its terminal."""
        return self.terminal.read_text(encoding="utf-8", errors="replace")[-4000:]

    def logged(self, name: str) -> str:
        """The end of a process's own log."""
        log = self.state / "logs" / f"{name}.log"
        return log.read_text(encoding="utf-8", errors="replace")[-4000:] if log.exists() else ""

    def waits(self) -> list[tuple[Any, ...]]:
        """What PostgreSQL's other sessions do and wait for, to tell a hang's cause."""
        return self.sql(
            "SELECT state, wait_event_type, wait_event, now() - xact_start, left(query, 200) "
            "FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """End the supervisor by that signal; its exit code."""
        assert self.process is not None
        self.process.send_signal(signum)
        return self.process.wait(STOP_WITHIN_S)

    def end(self) -> None:
        """Stop it if it runs, and kill what a stop did not reach."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        for each in self.processes():
            each.kill()

    def processes(self, *words: str) -> list[psutil.Process]:
        """Every living process of this installation, whose command line has all those words."""
        roots = [each for each in psutil.process_iter() if self._owns(each)]
        found = {each.pid: each for root in roots for each in (root, *_children(root))}
        return [each for each in found.values() if all(w in _command(each) for w in words)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            marked = process.environ().get(MARK) == str(self.state)
            return marked or any(str(self.state) in word for word in process.cmdline())
        except (psutil.Error, OSError):
            return False

    def manage(self, *arguments: str, code: int = 0) -> str:
        """Run manage.py; what it printed. Another exit code than `code` fails the test."""
        return self._run("manage.py", *arguments, code=code)

    def manage_each(self, *commands: Sequence[str]) -> None:
        """Run several commands of manage.py, one after the other, by one process."""
        self._run("-c", _EACH, json.dumps(commands))

    def _run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_WITHIN_S,
        )
        assert done.returncode == code, (
            f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout + done.stderr if code else done.stdout

    def told(self, *arguments: str) -> Any:
        """What manage.py says to machines."""
        return json.loads(self.manage(*arguments, "--json"))

    def database_url(self, role: str = "owner") -> str:
        with mock.patch.dict(os.environ, SLIPWAY_STATE_DIR=str(self.state)):
            return embedded.database_url(role)

    def sql(self, query: str, *values: Any, role: str = "owner") -> list[tuple[Any, ...]]:
        """The rows of a query; the statement is committed."""
        with psycopg.connect(self.database_url(role)) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def value(self, query: str, *values: Any) -> Any:
        """The first column of the first row; None without rows."""
        rows = self.sql(query, *values)
        return rows[0][0] if rows else None

    def row_counts(self) -> dict[str, int]:
        """How many rows each table holds; sign-ins are no data."""
        tables = self.sql(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
            "AND relnamespace = 'public'::regnamespace AND relname <> 'django_session'"
        )
        counts = [f"SELECT '{name}', count(*) FROM \"{name}\"" for (name,) in tables]
        return dict(self.sql(" UNION ALL ".join(counts)))

    def promotion(self, checkpoint: str, stage: str) -> tuple[str, str]:
        """Id and state of the newest promotion of that checkpoint into that stage."""
        rows = self.sql(
            "SELECT p.id::text, p.state FROM promotion p JOIN checkpoint c "
            "ON c.id = p.checkpoint_id JOIN stage s ON s.id = p.stage_id "
            "WHERE c.name = %s AND s.name = %s ORDER BY p.requested_at DESC",
            checkpoint,
            stage,
        )
        return rows[0][0], rows[0][1]

    def gates(self, promotion: str) -> list[tuple[str, str, str, bool]]:
        """Id, outcome, sentence and shadow of each gate, as it was judged last."""
        return self.sql(
            "SELECT gate_id, outcome, sentence, shadow FROM gate_outcome WHERE evaluation_id = ("
            "SELECT id FROM evaluation WHERE promotion_id = %s ORDER BY number DESC LIMIT 1) "
            "ORDER BY position",
            promotion,
        )

    def sdk(self, key: str = "") -> OpenAI:
        """The stock SDK as a partner uses it, without retries: each answer is looked at."""
        key = key or self.facts["partner_key"]
        return OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=120)

    def api(self, method: str, path: str, **body: Any) -> httpx.Response:
        """A call of the management API with the pipeline's service key."""
        headers = {"authorization": f"Bearer {self.facts['service_key']}"}
        sent = {"json": body} if method != "GET" else {"params": body}
        return httpx.request(method, f"{self.url}/api{path}", headers=headers, timeout=60, **sent)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
