"""The supervisor on real processes: up, healed, down, and after every kill."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.embedded.processes import find_process, wait_until
from infra.supervisor.children import MARK

ROOT = Path(__file__).resolve().parents[3]
Start = Callable[..., "Running"]
# A tenth of it on an idle machine; these tests share two busy cores with others.
HEALED_WITHIN_S = 15.0
STARTED_WITHIN_S = 30.0


class Running:
    """A supervisor started as a process of its own."""

    def __init__(self, state: Path, bind: str, kind: str) -> None:
        self.state = state
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.infra.supervisor.small_product", bind, kind],
            cwd=ROOT,
            env={**os.environ, "SLIPWAY_STATE_DIR": str(state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def facts(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.state / "run.json").read_text()))
        except FileNotFoundError:
            return {}

    def await_fact(self, name: str, value: object) -> None:
        assert wait_until(lambda: self.facts.get(name) == value, timeout_s=STARTED_WITHIN_S), (
            self.facts
        )

    def child(self, script: str) -> psutil.Process:
        """The supervised process whose program contains `script`, once it is there."""
        found: list[psutil.Process] = []

        def look() -> bool:
            for process in psutil.Process(self.process.pid).children():
                try:
                    if any(script in argument for argument in process.cmdline()):
                        found.append(process)
                except psutil.Error:
                    continue
            return bool(found)

        assert wait_until(look, timeout_s=STARTED_WITHIN_S), f"no child runs {script!r}"
        return found[0]

    def end(self, signum: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(signum)
        said, _ = self.process.communicate(timeout=60)
        return self.process.returncode, said

    def get(self) -> int:
        host, port = self.facts["base_url"].removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request("GET", "/health")
        return connection.getresponse().status


def marked(state: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(state) and process.status() != "zombie":
                found.append(process)
        except psutil.Error:
            continue
    return found


def is_over(process: psutil.Process) -> bool:
    """Whether it runs no more, collected by its parent or not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    begun: list[Running] = []

    def begin(kind: str = "well", bind: str = "127.0.0.1:0") -> Running:
        begun.append(Running(tmp_path / "state", bind, kind))
        return begun[-1]

    yield begin
    for each in begun:
        if each.process.poll() is None:
            each.end()


def test_the_product_comes_up_plays_its_demo_and_says_so(start: Start) -> None:
    product = start()
    product.await_fact("ready", True)
    product.await_fact("demo", "done")
    facts = product.facts
    assert product.get() == 200
    assert facts["partner_key"] == "slw_x_y"
    assert facts["console_url"] == facts["base_url"] + "/console/"
    assert stat.S_IMODE((product.state / "run.json").stat().st_mode) == 0o600
    assert not (product.state / "logs" / "bootstrap.out").exists()
    code, said = product.end()
    assert code == 0
    for words in ("slw_x_y", "a  /  b", facts["console_url"], "demo | one step"):
        assert words in said


@pytest.mark.parametrize(
    "signum",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
    ],
)
def test_a_stop_ends_every_process_in_time(start: Start, signum: signal.Signals) -> None:
    product = start()
    product.await_fact("ready", True)
    began = time.monotonic()
    code, said = product.end(signum)
    assert (code, time.monotonic() - began < STARTED_WITHIN_S) == (0, True), said
    assert marked(product.state) == []
    assert find_process("valkey-server", str(product.state / "valkey" / "valkey.conf")) is None
    assert product.facts["ready"] is False


@pytest.mark.long
def test_a_process_that_ignores_the_stop_is_killed_in_time(start: Start) -> None:
    product = start("stubborn")
    product.await_fact("ready", True)
    began = time.monotonic()
    assert product.end()[0] == 0
    assert time.monotonic() - began < STARTED_WITHIN_S
    assert marked(product.state) == []


def test_a_killed_server_is_healed_and_calls_in_between_only_wait(start: Start) -> None:
    product = start()
    product.await_fact("ready", True)
    server = product.child("http.server")
    server.kill()
    began = time.monotonic()
    assert product.get() == 200
    assert time.monotonic() - began < HEALED_WITHIN_S
    assert product.child("http.server").pid != server.pid
    product.await_fact("ready", True)


def test_a_killed_worker_is_healed_and_leaves_no_process_of_its_own(start: Start) -> None:
    product = start()
    product.await_fact("ready", True)
    worker = product.child("import subprocess")
    assert wait_until(lambda: len(worker.children()) == 1, timeout_s=HEALED_WITHIN_S)
    grandchild = worker.children()[0]
    worker.kill()
    assert wait_until(lambda: is_over(grandchild), timeout_s=HEALED_WITHIN_S)
    assert product.child("import subprocess").pid != worker.pid


def test_background_work_gives_way_to_the_server(start: Start) -> None:
    product = start()
    product.await_fact("ready", True)
    ours = os.nice(0)
    assert product.child("http.server").nice() == ours
    assert product.child("import subprocess").nice() == min(ours + 7, 19)


def test_a_killed_valkey_is_healed(start: Start) -> None:
    product = start()
    product.await_fact("ready", True)
    configuration = str(product.state / "valkey" / "valkey.conf")
    server = find_process("valkey-server", configuration)
    assert server is not None
    server.kill()

    def healed() -> bool:
        found = find_process("valkey-server", configuration)
        return found is not None and found.pid != server.pid

    assert wait_until(healed, timeout_s=HEALED_WITHIN_S)


@pytest.mark.long
def test_a_killed_supervisor_takes_its_processes_along_and_the_next_start_works(
    start: Start,
) -> None:
    product = start()
    product.await_fact("ready", True)
    worker = product.child("import subprocess")
    assert wait_until(lambda: len(worker.children()) == 1, timeout_s=HEALED_WITHIN_S)
    grandchild = worker.children()[0]
    children = psutil.Process(product.process.pid).children()
    product.process.kill()
    product.process.communicate()
    gone, alive = psutil.wait_procs(children, timeout=HEALED_WITHIN_S)
    assert alive == [] and len(gone) >= 4
    assert grandchild.is_running()
    began = time.monotonic()
    again = start()
    again.await_fact("pid", again.process.pid)
    again.await_fact("ready", True)
    assert time.monotonic() - began < STARTED_WITHIN_S
    assert is_over(grandchild)


def test_a_second_supervisor_is_refused_with_the_first_ones_number(start: Start) -> None:
    product = start()
    product.await_fact("ready", True)
    second = start()
    said, _ = second.process.communicate(timeout=60)
    assert second.process.returncode == 1
    assert f"(process {product.process.pid})" in said and product.facts["base_url"] in said
    assert product.get() == 200


@pytest.mark.long
def test_a_start_during_a_stop_waits_for_it(start: Start) -> None:
    first = start("stubborn")
    first.await_fact("ready", True)
    first.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    second = start()
    first.process.communicate(timeout=60)
    second.await_fact("pid", second.process.pid)
    second.await_fact("ready", True)
    assert second.process.poll() is None


def test_a_taken_port_is_named_with_another_choice(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        product = start("well", f"127.0.0.1:{port}")
        said, _ = product.process.communicate(timeout=60)
    assert product.process.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in said and f"BIND=127.0.0.1:{port + 1}" in said


def test_a_demo_that_fails_is_said_and_the_product_goes_on(start: Start) -> None:
    product = start("demo")
    product.await_fact("demo", "failed")
    assert product.get() == 200
    _, said = product.end()
    assert "demo failed (exit code 1)" in said and "it went wrong here" in said


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("migrate", "The step 'migrate' failed (exit code 1)"),
        ("bootstrap", "The step 'bootstrap' failed (exit code 1)"),
        ("not_json", "printed no JSON"),
        pytest.param("server", "The server does not start", marks=pytest.mark.long),
    ],
)
def test_a_start_that_cannot_succeed_ends_with_the_reason(
    start: Start, kind: str, words: str
) -> None:
    product = start(kind)
    said, _ = product.process.communicate(timeout=60)
    assert product.process.returncode == 1
    assert words in said
    assert marked(product.state) == []
