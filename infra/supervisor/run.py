"""`manage.py up`: one supervisor to a state folder and to an address."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from infra.embedded import EmbeddedError, state_dir
from infra.embedded.processes import tie_to_parent
from infra.supervisor.binding import Address, listen, parse_bind
from infra.supervisor.instance import InstanceLock
from infra.supervisor.logs import rotate_logs
from infra.supervisor.plan import Plan, product_plan
from infra.supervisor.product import Product
from infra.supervisor.terminal import say

LEAST_FREE_BYTES = 500_000_000
DEFAULT_BIND = "127.0.0.1:8000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `manage.py up` and `python -m infra.supervisor`."""
    parser.add_argument(
        "--bind", metavar="HOST:PORT", default=DEFAULT_BIND, help="default: %(default)s"
    )
    parser.add_argument("--no-demo", action="store_true", help="without the demo and its model")


def run_product(bind: str, *, demo: bool) -> int:
    """Runs the product until Ctrl-C or SIGTERM; EmbeddedError when it can't start."""
    return run_plan(bind, lambda address, fd: product_plan(address, fd, demo=demo))


def run_plan(bind: str, make_plan: Callable[[Address, int], Plan]) -> int:
    """Runs what `make_plan` makes of the settled address and the listening socket."""
    if os.environ.get("SLIPWAY_END_WITH_PARENT"):
        tie_to_parent(signal.SIGTERM)
    address = parse_bind(bind)
    lock = InstanceLock()
    lock.acquire()
    require_space(state_dir())
    listener = listen(address)
    address = replace(address, port=listener.getsockname()[1])
    facts = {"pid": os.getpid(), "url": address.url}
    lock.say(facts)
    say(f"Slipway starts from {state_dir()}")
    rotate_logs(state_dir() / "logs")
    plan = make_plan(address, listener.fileno())
    return Product(plan, lambda: lock.say({**facts, "stopping": True})).run()


def require_space(folder: Path) -> None:
    """EmbeddedError when too little of the disk is left for a database to run on."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise EmbeddedError(
            f"Only {free / 1e6:.0f} MB are free on the disk of {folder}, and Slipway needs "
            f"{LEAST_FREE_BYTES / 1e6:.0f} MB: free some space, or set SLIPWAY_STATE_DIR to a "
            "folder on a larger disk."
        )
