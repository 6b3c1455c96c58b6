"""What the product runs: its processes in the order they start, and the steps before them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra import embedded
from infra.demo import model_server
from infra.embedded.paths import PROJECT_DIR
from infra.supervisor.binding import Address
from infra.supervisor.children import Spec

MANAGE = (sys.executable, str(PROJECT_DIR / "manage.py"))
LOCAL_HOSTS = "127.0.0.1,localhost,[::1]"
RUNNER_CONCURRENCY = 2
MODEL_PARALLEL = 4
# The worker runs the system checks, which import every page and SciPy. What was killed and has to
# be back soon starts in half the time without them.
SKIP_CHECKS = {"CELERY_SKIP_CHECKS": "1"}
# Pages come first: evals and the model take what the server leaves.
BACKGROUND_NICENESS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An embedded server: started before the processes, stopped after them."""

    name: str
    start: Callable[[], None]
    stop: Callable[[], None]
    is_running: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that one `manage.py up` runs."""

    url: str
    health_url: str
    services: tuple[Service, ...]
    migrate: Spec
    server: Spec
    background: tuple[Spec, ...]
    bootstrap: Spec
    model: Spec | None = None
    model_health_url: str = ""
    demo: Spec | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def product_plan(address: Address, listener_fd: int, *, demo: bool) -> Plan:
    """The plan of the real product; `address` is what it listens on, its port settled."""
    logs = embedded.state_dir() / "logs"
    environment = _environment(address)
    model_port = model_server.choose_port() if demo else 0
    return Plan(
        url=address.url,
        health_url=f"{address.url}/api/health/",
        services=_services(),
        migrate=Spec(
            name="migrate",
            # The worker runs the system checks when it starts; once is enough for a quick start.
            command=(*MANAGE, "migrate", "--noinput", "--skip-checks"),
            log=logs / "migrate.log",
            environment={**environment, "SLIPWAY_DATABASE_ROLE": "owner"},
            restart=False,
        ),
        server=_server(logs, environment, listener_fd),
        background=(
            _worker(logs, environment),
            _beat(logs, environment),
            _runner(logs, environment),
        ),
        bootstrap=Spec(
            name="bootstrap",
            command=(*MANAGE, "bootstrap", "--json"),
            log=logs / "bootstrap.out",
            errors_log=logs / "bootstrap.log",
            environment=environment,
            restart=False,
        ),
        model=_model(logs, environment, model_port) if demo else None,
        model_health_url=f"http://{model_server.HOST}:{model_port}/health" if demo else "",
        demo=_demo(logs, environment) if demo else None,
        environment=environment,
    )


def _environment(address: Address) -> dict[str, str]:
    environment = {"SLIPWAY_STATE_DIR": str(embedded.state_dir())}
    if not os.environ.get("SLIPWAY_BASE_URL"):
        environment["SLIPWAY_BASE_URL"] = address.url
    if not os.environ.get("SLIPWAY_HOSTS"):
        environment["SLIPWAY_HOSTS"] = f"{LOCAL_HOSTS},{address.host}"
    return environment


def _services() -> tuple[Service, ...]:
    services: list[Service] = []
    if not os.environ.get("SLIPWAY_DATABASE_URL"):
        services.append(
            Service(
                name="PostgreSQL",
                start=lambda: embedded.start_postgres(tethered=True),
                stop=lambda: embedded.stop_postgres(force=True),
                is_running=embedded.postgres_is_running,
            )
        )
    if not os.environ.get("SLIPWAY_REDIS_URL"):
        services.append(
            Service(
                name="Valkey",
                start=lambda: embedded.start_valkey(tethered=True),
                stop=lambda: embedded.stop_valkey(force=True),
                is_running=embedded.valkey_is_running,
            )
        )
    return tuple(services)


def _server(logs: Path, environment: Mapping[str, str], listener_fd: int) -> Spec:
    http = "infra.http_protocol:HeadWithBody"
    options = ("--loop", "uvloop", "--http", http, "--no-access-log", "--no-server-header")
    return Spec(
        name="server",
        command=(
            *(sys.executable, "-m", "uvicorn", "infra.asgi:application"),
            *("--fd", str(listener_fd), "--workers", "1", "--timeout-graceful-shutdown", "2"),
            *options,
        ),
        log=logs / "server.log",
        environment=environment,
        patience_s=2.5,
        pass_fds=(listener_fd,),
    )


def _worker(logs: Path, environment: Mapping[str, str]) -> Spec:
    """Does what moves releases: short tasks, which never wait behind an eval run."""
    return Spec(
        name="worker",
        command=_celery_worker("worker", "celery", 1),
        log=logs / "worker.log",
        environment=environment,
        patience_s=2.0,
    )


def _runner(logs: Path, environment: Mapping[str, str]) -> Spec:
    """Does eval runs, and gives way to everything else."""
    return Spec(
        name="runner",
        command=_celery_worker("runner", "runs", RUNNER_CONCURRENCY),
        log=logs / "runner.log",
        environment={**environment, **SKIP_CHECKS},
        niceness=BACKGROUND_NICENESS,
        patience_s=2.0,
    )


def _celery_worker(name: str, queue: str, concurrency: int) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "celery", "-A", "infra.celery", "worker"),
        *("--hostname", f"{name}@%h", "--queues", queue),
        *("--pool", "prefork", "--concurrency", str(concurrency), "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle"),
    )


def _beat(logs: Path, environment: Mapping[str, str]) -> Spec:
    schedule = embedded.state_dir() / "beat-schedule"
    return Spec(
        name="beat",
        command=(
            *(sys.executable, "-m", "celery", "-A", "infra.celery", "beat", "--loglevel", "INFO"),
            # No pid file: a killed beat would leave one that stops the next.
            *("--pidfile", "", "--schedule", str(schedule)),
        ),
        log=logs / "beat.log",
        environment={**environment, **SKIP_CHECKS},
        patience_s=0.7,
    )


def _model(logs: Path, environment: Mapping[str, str], port: int) -> Spec:
    return Spec(
        name="model",
        command=(
            *(sys.executable, "-m", "infra.demo.model_server"),
            *("--port", str(port), "--parallel", str(MODEL_PARALLEL)),
        ),
        log=logs / "model.log",
        environment=environment,
        niceness=BACKGROUND_NICENESS,
        patience_s=0.7,
    )


def _demo(logs: Path, environment: Mapping[str, str]) -> Spec:
    return Spec(
        name="demo",
        command=(*MANAGE, "demo", "play"),
        log=logs / "demo.out",
        errors_log=logs / "demo.log",
        environment=environment,
        restart=False,
        patience_s=0.5,
    )
