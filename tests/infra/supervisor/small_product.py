"""A small plan for the real supervisor: real processes, a real Valkey, none of the product.

`python -m tests.infra.supervisor.small_product BIND KIND`: KIND names what goes wrong, or `well`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from infra import embedded
from infra.embedded import EmbeddedError
from infra.supervisor import run
from infra.supervisor.binding import Address
from infra.supervisor.children import Spec
from infra.supervisor.plan import Plan, Service

SERVER = """
import http.server, socket, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        self.socket.close(); self.socket = socket.socket(fileno=int(sys.argv[1]))
        self.server_address = self.socket.getsockname()
    def server_activate(self): pass
Server(("", 0), Answer).serve_forever()
"""
WORKER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""
SLEEP = "import time; time.sleep(600)"
BOOTSTRAP = """
import json
login = {"username": "a", "password": "b"}
print(json.dumps({"partner_key": "slw_x_y", "codename": "quasar", "users": {"admin": login}}))
"""
DEMO = "print('one step'); print('two steps')"
FAILING = "import sys; sys.exit('it went wrong here')"


def small_plan(address: Address, listener_fd: int, kind: str) -> Plan:
    logs = embedded.state_dir() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    scripts = {
        "server": SERVER,
        "worker": WORKER,
        "beat": SLEEP,
        "migrate": "pass",
        "bootstrap": BOOTSTRAP,
        "demo": DEMO,
    }
    wrong = {"not_json": ("bootstrap", "print('hello')"), "stubborn": ("worker", STUBBORN)}
    name, script = wrong.get(kind, (kind, FAILING))
    scripts[name] = script

    def spec(name: str, *, restart: bool = True, fds: tuple[int, ...] = ()) -> Spec:
        arguments = tuple(str(fd) for fd in fds)
        return Spec(
            name=name,
            command=(sys.executable, "-c", scripts[name], *arguments),
            log=logs / f"{name}.out",
            errors_log=_errors(logs, name),
            restart=restart,
            pass_fds=fds,
        )

    return Plan(
        url=address.url,
        health_url=f"{address.url}/health",
        services=(
            Service(
                name="Valkey",
                start=lambda: embedded.start_valkey(tethered=True),
                stop=lambda: embedded.stop_valkey(force=True),
                is_running=embedded.valkey_is_running,
            ),
        ),
        migrate=spec("migrate", restart=False),
        server=spec("server", fds=(listener_fd,)),
        background=(replace(spec("worker"), niceness=7), spec("beat")),
        bootstrap=spec("bootstrap", restart=False),
        model_health_url=f"{address.url}/health",
        demo=spec("demo", restart=False),
    )


def _errors(logs: Path, name: str) -> Path:
    return logs / f"{name}.log"


def main() -> int:
    bind, kind = sys.argv[1:]
    try:
        return run.run_plan(bind, lambda address, fd: small_plan(address, fd, kind))
    except EmbeddedError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    sys.exit(main())
