"""One supervised process: how it is started, healed and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra.embedded.processes import tether

MARK = "SLIPWAY_SUPERVISED_FROM"
FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 15.0
# A process that lived this long starts its next life without waiting.
SETTLED_S = 10.0
# One that was killed from outside did nothing wrong itself.
SETTLED_IF_KILLED_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to run, where its output goes, and what its end means."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    errors_log: Path | None = None
    restart: bool = True
    patience_s: float = 2.0
    pass_fds: tuple[int, ...] = ()
    niceness: int = 0
    """How much it gives way to the others when the machine is busy (0 to 19)."""


def restart_delay_s(n_failures: int) -> float:
    """How long to wait before the next start after `n_failures` quick ends in a row."""
    if n_failures <= 0:
        return 0.0
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (min(n_failures, 20) - 1)))


class Child:
    """A running Spec."""

    def __init__(self, spec: Spec, mark: str) -> None:
        self.spec = spec
        self.exit_code: int | None = None
        self.n_failures = 0
        self._mark = mark
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._due_at: float | None = None
        self._is_asked = False

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts it in a session of its own, so that Ctrl-C reaches the supervisor alone."""
        spec, self._is_asked = self.spec, False
        self.exit_code, self._due_at, self._started_at = None, None, time.monotonic()
        errors_log = spec.errors_log or spec.log
        with spec.log.open("ab") as output, errors_log.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603
                list(spec.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env={**os.environ, **spec.environment, MARK: self._mark, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
                preexec_fn=self._prepare(),
                pass_fds=spec.pass_fds,
            )

    def _prepare(self) -> Callable[[], None]:
        """What the new process does before it runs its program."""
        tie, niceness = tether(signal.SIGKILL), self.spec.niceness

        def prepare() -> None:
            os.nice(niceness)
            if tie is not None:
                tie()

        return prepare

    def tend(self) -> str | None:
        """Notices an end and starts again when due; a sentence when something happened."""
        if self.is_alive:
            return None
        if self._process is not None:
            return self._note_end()
        if self._due_at is not None and time.monotonic() >= self._due_at:
            self.start()
        return None

    def _note_end(self) -> str | None:
        assert self._process is not None  # noqa: S101
        self.exit_code = self._process.returncode
        self._clear_group()
        self._process = None
        if not self.spec.restart:
            return None
        lived_s = time.monotonic() - self._started_at
        was_killed = self.exit_code == -signal.SIGKILL
        settled = lived_s >= (SETTLED_IF_KILLED_S if was_killed else SETTLED_S)
        self.n_failures = 0 if settled else self.n_failures + 1
        delay_s = restart_delay_s(self.n_failures)
        self._due_at = time.monotonic() + delay_s
        when = f"in {delay_s:.1f} s" if delay_s else "now"
        return f"{self.spec.name} ended ({describe_exit(self.exit_code)}), starts again {when}"

    def ask_to_stop(self) -> None:
        """Sends SIGTERM once: a second one makes a Celery worker drop what it is doing."""
        self._due_at = None
        if self._process is not None and self.is_alive and not self._is_asked:
            self._is_asked = True
            self._process.terminate()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for it and everything it started."""
        self.ask_to_stop()
        if self._process is None:
            return
        if self.is_alive:
            try:
                self._process.wait(self.spec.patience_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._clear_group()
        self.exit_code = self._process.wait()
        self._process = None

    def _clear_group(self) -> None:
        """Ends what a killed process left running; its group carries its process number."""
        assert self._process is not None  # noqa: S101
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def describe_exit(code: int) -> str:
    """A return code as a person says it."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def end_leftovers(mark: str) -> int:
    """Kills what a killed supervisor of the same state folder left running; how many there were."""
    left = [process for process in psutil.process_iter() if _is_marked(process, mark)]
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=5)
    return len(left)


def _is_marked(process: psutil.Process, mark: str) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        return bool(process.environ().get(MARK) == mark)
    except (psutil.Error, OSError):
        return False
