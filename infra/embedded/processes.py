"""Processes of the embedded services: found by command line, tied to a parent, stopped."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import psutil

PR_SET_PDEATHSIG = 1
POLL_S = 0.02


def find_process(program: str, argument: str) -> psutil.Process | None:
    """The living process of `program` that was given `argument`; None when there is none."""
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if argument in command and os.path.basename(command[0]) == program:
            return process
    return None


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that ended and waits to be collected does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def stop_process(
    process: psutil.Process, signals: Sequence[signal.Signals], *, patience_s: float
) -> None:
    """Sends `signals` one after another, waiting `patience_s` after each, then SIGKILL."""
    for each in (*signals, signal.SIGKILL):
        try:
            process.send_signal(each)
            process.wait(patience_s)
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired:
            continue
        return


def reap(process: subprocess.Popen[bytes] | None) -> None:
    """Collects a child that has ended, so that it does not stay behind as a zombie."""
    if process is not None:
        process.poll()


def tether(death_signal: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn` after which the kernel sends `death_signal` when the parent dies.

    Linux only (None elsewhere). The kernel watches the *thread* that starts the child: start
    children from the main thread.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        # The parent may have died before the tie was made.
        if os.getppid() != parent:
            os._exit(1)

    return tie


def tie_to_parent(death_signal: signal.Signals) -> None:
    """Sends this process `death_signal` when its parent dies; Linux only."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


def wait_until(condition: Callable[[], bool], *, timeout_s: float) -> bool:
    """Polls `condition`; whether it became true in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True
