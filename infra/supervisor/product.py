"""The supervisor: brings a plan up, heals it, and takes it down in order."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from infra.embedded import EmbeddedError, state_dir
from infra.supervisor.children import Child, Spec, describe_exit, end_leftovers, restart_delay_s
from infra.supervisor.health import answers_ok
from infra.supervisor.logs import Follower, tail
from infra.supervisor.plan import Plan, Service
from infra.supervisor.runfile import read_runfile, runfile_path, update_runfile
from infra.supervisor.terminal import say, welcome

TICK_S = 0.1
READY_TIMEOUT_S = 90.0
# A server that ends this often before it was ever ready will not become so.
GIVE_UP_AFTER = 4


class Stopped(Exception):
    """The person asked to stop while something was still being started."""


class Product:
    """Everything that runs, from the first service to the demo."""

    def __init__(self, plan: Plan, on_stopping: Callable[[], None]) -> None:
        self.plan = plan
        self._on_stopping = on_stopping
        self.mark = str(state_dir())
        self.must_stop = False
        self.ready = False
        self.children: list[Child] = []
        self.server = Child(plan.server, self.mark)
        self.demo: Child | None = None
        self._demo_lines = Follower(plan.demo.log) if plan.demo else None
        self._service_failures: dict[str, tuple[int, float]] = {}

    def ask_to_stop(self, signum: int, frame: FrameType | None) -> None:
        self.must_stop = True
        self._on_stopping()

    def run(self) -> int:
        """Runs until asked to stop; the exit code."""
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, self.ask_to_stop)
        try:
            self._bring_up()
            while not self.must_stop:
                self._tick()
                time.sleep(TICK_S)
        except Stopped:
            pass
        except EmbeddedError as error:
            say(f"\n{error}")
            return 1
        finally:
            self._take_down()
        return 0

    def _bring_up(self) -> None:
        began = time.monotonic()
        self._write_start_facts()
        n_left = end_leftovers(self.mark)
        if n_left:
            say(f"  ended {n_left} processes that an earlier run left behind")
        for service in self.plan.services:
            service.start()
            say(f"  {service.name} runs")
            self._check_stop()
        self._run_step(self.plan.migrate)
        say("  database is up to date")
        self._start(self.server)
        self._keep_bootstrap_facts()
        self._await_ready()
        # Only now: people wait for the server, and a small machine starts one thing at a time.
        for spec in (*self.plan.background, self.plan.model):
            if spec is not None:
                self._start(Child(spec, self.mark))
        say(f"  ready after {time.monotonic() - began:.1f} s")
        say(welcome(read_runfile(), str(runfile_path())))

    def _write_start_facts(self) -> None:
        update_runfile(
            {
                # A killed supervisor leaves `ready` true behind; its number tells that it is gone.
                "pid": os.getpid(),
                "base_url": self.plan.url,
                "console_url": f"{self.plan.url}/console/",
                "ready": False,
                "demo": "running" if self.plan.demo else "off",
            }
        )

    def _start(self, child: Child) -> None:
        child.start()
        self.children.append(child)

    def _run_step(self, spec: Spec) -> None:
        """Runs a command to its end; EmbeddedError with its last words when it fails."""
        step = Child(spec, self.mark)
        step.start()
        try:
            while step.is_alive:
                self._check_stop()
                time.sleep(TICK_S / 4)
            step.tend()
        finally:
            step.stop()
        if step.exit_code != 0:
            log = spec.errors_log or spec.log
            raise EmbeddedError(
                f"The step {spec.name!r} failed ({describe_exit(step.exit_code or 0)}); "
                f"{log} ends with:\n{tail(log)}"
            )

    def _keep_bootstrap_facts(self) -> None:
        spec = self.plan.bootstrap
        self._run_step(spec)
        try:
            facts: dict[str, Any] = json.loads(spec.log.read_text(encoding="utf-8"))
        except ValueError as error:
            raise EmbeddedError(
                f"'manage.py bootstrap --json' printed no JSON: {error}."
            ) from error
        finally:
            # It holds passwords; run.json is their one place.
            spec.log.unlink(missing_ok=True)
        update_runfile(facts)

    def _await_ready(self) -> None:
        end = time.monotonic() + READY_TIMEOUT_S
        while not self.ready:
            self._check_stop()
            self._tick()
            if self.server.n_failures >= GIVE_UP_AFTER or time.monotonic() > end:
                log = self.plan.server.log
                raise EmbeddedError(f"The server does not start; {log} ends with:\n{tail(log)}")
            time.sleep(TICK_S / 2)

    def _check_stop(self) -> None:
        if self.must_stop:
            raise Stopped

    def _tick(self) -> None:
        for service in self.plan.services:
            self._heal(service)
        for child in self.children:
            news = child.tend()
            if news:
                say(f"  {news} (log: {child.spec.log})")
        self._watch_health()
        self._watch_demo()

    def _heal(self, service: Service) -> None:
        n_failures, due_at = self._service_failures.get(service.name, (0, 0.0))
        if service.is_running() or time.monotonic() < due_at:
            return
        say(f"  {service.name} ended, starts again")
        try:
            service.start()
            self._service_failures.pop(service.name, None)
        except EmbeddedError as error:
            say(f"  {error}")
            due_at = time.monotonic() + restart_delay_s(n_failures + 1)
            self._service_failures[service.name] = (n_failures + 1, due_at)

    def _watch_health(self) -> None:
        if self.ready and self.server.is_alive:
            return
        ready = self.server.is_alive and answers_ok(self.plan.health_url)
        if ready != self.ready:
            self.ready = ready
            update_runfile({"ready": ready})

    def _watch_demo(self) -> None:
        if self.plan.demo is None or self._demo_lines is None:
            return
        if self.demo is None:
            if self.ready and answers_ok(self.plan.model_health_url):
                self.demo = Child(self.plan.demo, self.mark)
                self._start(self.demo)
            return
        for line in self._demo_lines.new_lines():
            say(f"  demo | {line}")
        if self.demo.exit_code is not None:
            self._note_demo_end(self.demo.exit_code)
            self._demo_lines = None

    def _note_demo_end(self, code: int) -> None:
        update_runfile({"demo": "done" if code == 0 else "failed"})
        if code != 0:
            log = self.plan.demo.errors_log if self.plan.demo else None
            words = f"; {log} ends with:\n{tail(log)}" if log else ""
            say(f"  demo failed ({describe_exit(code)}){words}")

    def _take_down(self) -> None:
        say("\n  stopping")
        self._on_stopping()
        interrupted = {"demo": "off"} if read_runfile().get("demo") == "running" else {}
        update_runfile({"ready": False, **interrupted})
        # The server first, so that nothing new comes in; then the rest, which end side by side.
        self.server.stop()
        for child in self.children:
            child.ask_to_stop()
        order = ("server", "worker", "runner", "beat", "demo", "model")
        for child in sorted(self.children, key=lambda each: order.index(each.spec.name)):
            child.stop()
        for service in reversed(self.plan.services):
            try:
                service.stop()
            except EmbeddedError as error:
                say(f"  {error}")
        say("  stopped")
