"""The product as `make run` starts it, killed again and again: the run ends as if nothing was."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.embedded.processes import wait_until
from tests.evals.fast_upstream import DEAD, FastUpstream, serving
from tests.walk.product import ROOT, Product

pytestmark = pytest.mark.long
N_CASES, CONCURRENCY, LATENCY_MS = 6_000, 16, 50
N_KILLS = 20
RESUMED_WITHIN_S = 10.0
OLDEST_PROGRESS_S = 2.0
MAKE = f"""
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "infra.settings"
import django; django.setup()
import infra.celery
from tests import builders as shared
from tests.evals import builders
from infra.actors import system
from evals.models import SuiteVersion
from evals.services import suites
url, name, n_cases, n_dead = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cases = [builders.case(number) for number in range(n_cases - n_dead)]
cases += [
    builders.case(n_cases + number, input=[{{"role": "user", "content": f"{DEAD}{{number}}"}}])
    for number in range(n_dead)
]
spec = builders.suite_spec(0, name=name, cases=cases, owner="eval_owner")
suites.import_suite(actor=system("test"), name=name, suite=spec)
checkpoint = shared.checkpoint(f"{{name}}-nano-1", owner=shared.login("engineer").person)
shared.deployment(checkpoint, url)
"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    made = Product(tmp_path_factory.mktemp("state"))
    made.start("--no-demo", within_s=180)
    yield made
    made.end()


def make_suite(
    product: Product, upstream: FastUpstream, name: str, n: int, n_dead: int = 0
) -> None:
    command = [sys.executable, "-c", MAKE, upstream.base_url, name, str(n), str(n_dead)]
    subprocess.run(command, cwd=ROOT, env=product.environment, check=True)


def start(product: Product, name: str, *options: str) -> str:
    started = product.told(
        *("run", "start", name, f"{name}-nano-1", "--concurrency", str(CONCURRENCY)),
        *("--by", "engineer", *options),
    )
    return str(started["id"])


def n_results(product: Product, run: str) -> int:
    """How many there are; -1 while the database is away."""
    try:
        return int(product.value("SELECT count(*) FROM eval_result WHERE run_id = %s", run))
    except Exception:  # noqa: BLE001  it is being killed
        return -1


def state(product: Product, run: str) -> str:
    return str(product.value("SELECT state FROM eval_run WHERE id = %s", run))


def exported(product: Product, run: str, path: Path) -> bytes:
    product.manage("run", "export", run, str(path))
    return path.read_bytes()


def kill(processes: list[psutil.Process]) -> None:
    assert processes
    for each in processes:
        try:
            each.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


def is_postgres(process: psutil.Process) -> bool:
    """Its processes of one connection come and go while they are looked at."""
    try:
        return bool(process.name() == "postgres")
    except psutil.NoSuchProcess:
        return False


def resumes(product: Product, run: str, victim: str) -> float:
    """Kill that, and the seconds until there is a new result."""
    if victim == "postgres":
        found = [each for each in product.processes() if is_postgres(each)]
    else:
        found = product.processes(*victim.split())
    kill(found)
    began, before = time.monotonic(), n_results(product, run)
    time.sleep(0.3)
    before = max(before, n_results(product, run))
    assert wait_until(
        lambda: n_results(product, run) > before or state_is_over(product, run), timeout_s=60
    ), f"{victim} was killed and nothing went on:\n{product.said()}"
    return time.monotonic() - began


def state_is_over(product: Product, run: str) -> bool:
    try:
        return state(product, run) == "completed"
    except Exception:  # noqa: BLE001  it is being killed
        return False


def test_a_run_that_is_killed_everywhere_ends_as_one_that_is_not(
    product: Product, tmp_path: Path
) -> None:
    moments = random.Random(11)
    with serving("--latency-ms", str(LATENCY_MS)) as upstream:
        make_suite(product, upstream, "killed", N_CASES)
        whole = start(product, "killed", "--wait")
        calls_before = upstream.facts()["n_calls"]
        assert calls_before == N_CASES
        run = start(product, "killed")
        victims = ["celery runner@"] * N_KILLS
        for place, victim in ((5, "valkey-server"), (9, "postgres"), (14, "valkey-server")):
            victims.insert(place, victim)
        took: dict[str, list[float]] = {}
        for victim in victims:
            time.sleep(moments.uniform(0.1, 0.7))
            took.setdefault(victim, []).append(resumes(product, run, victim))
        assert wait_until(lambda: state_is_over(product, run), timeout_s=120), product.said()
        again = upstream.facts()["n_calls"] - calls_before - N_CASES
    first, second = (exported(product, each, tmp_path / each) for each in (whole, run))
    sys.stdout.write(json.dumps({"resumed_s": took, "calls_again": again}) + "\n")
    assert first == second
    assert 0 <= again <= 2 * CONCURRENCY * len(victims)
    slowest = max(max(times) for times in took.values())
    assert slowest <= RESUMED_WITHIN_S + 5.0, "the restart itself included"


def test_faults_of_the_upstream_lose_nothing(product: Product) -> None:
    faults = ("--errors-per-mille", "20", "--malformed-per-mille", "10", "--latency-ms", "10")
    with serving(*faults) as upstream:
        make_suite(product, upstream, "faulty", 2_000)
        told: Any = product.told(
            *("run", "start", "faulty", "faulty-nano-1", "--concurrency", "32", "--wait"),
            *("--by", "engineer"),
        )
    assert (told["state"], told["passed"], told["errored"]) == ("completed", 2_000, 0)
    assert upstream


def test_cases_that_fail_for_ever_end_and_name_themselves(product: Product) -> None:
    with serving("--latency-ms", "10") as upstream:
        make_suite(product, upstream, "dead", 500, n_dead=5)
        began = time.monotonic()
        told = product.told(
            *("run", "start", "dead", "dead-nano-1", "--concurrency", "32", "--wait"),
            *("--by", "engineer"),
        )
        took_s = time.monotonic() - began
    assert (told["state"], told["passed"], told["errored"]) == ("completed", 495, 5)
    codes = product.sql(
        "SELECT DISTINCT error_code FROM eval_result WHERE run_id = %s AND state = 'errored'",
        told["id"],
    )
    assert codes == [("upstream_500",)]
    assert took_s <= 90


def test_progress_is_never_older_than_two_seconds(product: Product) -> None:
    with serving("--latency-ms", str(LATENCY_MS)) as upstream:
        make_suite(product, upstream, "watched", N_CASES)
        run = start(product, "watched")
        assert wait_until(lambda: n_results(product, run) > 0, timeout_s=30)
        shown = []
        while not state_is_over(product, run):
            asked = upstream.facts()["n_calls"]
            time.sleep(OLDEST_PROGRESS_S - 0.2)
            told = product.api("GET", f"/runs/{run}/").json()["progress"]
            shown.append((asked, told["done"]))
    assert len(shown) > 3
    assert all(done >= min(asked, N_CASES) - CONCURRENCY for asked, done in shown), shown
