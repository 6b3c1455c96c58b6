"""`make bench-evals`: what the runner costs for each sample, beside a bare loop in the same run.

`python -m tests.bench_evals [--rounds N] [--cases N] [--quick]`; the other words are its own child
processes. The product runs as `make run` starts it; the upstream and the bare loop are processes of
their own, and the bare loop gives way to others just as the product's runner does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil

from infra.supervisor.plan import BACKGROUND_NICENESS
from tests.evals.fast_upstream import ROOT, FastUpstream, serving
from tests.walk.product import Product

if TYPE_CHECKING:
    from evals.models import SuiteVersion
LABELS = ("echo.word", "echo.number", "form")
POLL_S = 0.05
WITHIN_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run."""

    per_second: float
    cpu_ms: float
    """Of every runner process, for each sample."""
    database_cpu_ms: float
    first_s: float
    """From the start of the run to the first result that anybody can see."""
    rss_mb: float
    """The most that one runner process ever held."""


def main() -> int:
    options = _options()
    state = Path(tempfile.mkdtemp(prefix="slw-bench-"))
    product = Product(state)
    try:
        product.start("--no-demo", within_s=180)
        arguments = ("--rounds", str(options.rounds), "--cases", str(options.cases))
        command = [sys.executable, "-m", "tests.bench_evals", "drive", *arguments]
        quick = ["--quick"] if options.quick else []
        done = subprocess.run([*command, *quick], cwd=ROOT, env=product.environment)
        return done.returncode
    finally:
        product.end()
        shutil.rmtree(state, ignore_errors=True)


def _options(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="no latency, no 50,000 samples")
    return parser.parse_args(words)


def _tell(what: str, sentence: str) -> None:
    sys.stdout.write(f"{what:<22}{sentence}\n")
    sys.stdout.flush()


def drive(options: argparse.Namespace) -> None:
    """Measure on the product that runs; what each run came to goes to the terminal."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "infra.settings")
    import django

    django.setup()
    import infra.celery  # noqa: F401  the application that tasks are sent by

    version = _suite(options.cases)
    _scenario(version, options, "no latency", latency_ms=0, concurrency=32)
    if options.quick:
        return
    _scenario(version, options, "50 ms, 64 at once", latency_ms=50, concurrency=64)
    _scenario(version, options, "50 ms, 256 at once", latency_ms=50, concurrency=256)
    with serving() as upstream:
        large = _measure(version, upstream, 32, repeats=5)
    _tell(f"{5 * options.cases:,} samples", f"{large.per_second:.0f}/s, {_costs([large])}")


def _scenario(
    version: SuiteVersion,
    options: argparse.Namespace,
    name: str,
    *,
    latency_ms: int,
    concurrency: int,
) -> None:
    """The product and the bare loop in turn; the first round warms up."""
    with serving("--latency-ms", str(latency_ms)) as upstream:
        found, bare = [], []
        for number in range(options.rounds + 1):
            run = _measure(version, upstream, concurrency)
            loop = _bare(upstream.base_url, concurrency, options.cases)
            if number:
                found.append(run)
                bare.append(loop)
    rates = [run.per_second for run in found]
    ratio = statistics.median(r / b["per_second"] for r, b in zip(rates, bare, strict=True))
    loop_rate = statistics.median(b["per_second"] for b in bare)
    loop_cpu = statistics.median(b["cpu_ms"] for b in bare)
    _tell(
        name,
        f"{statistics.median(rates):.0f}/s, bare loop {loop_rate:.0f}/s: {ratio:.2f} of it "
        f"(median of {options.rounds}); {_costs(found)}; bare loop {loop_cpu:.2f} ms",
    )


def _costs(runs: list[Measured]) -> str:
    def middle(name: str) -> float:
        return statistics.median(getattr(run, name) for run in runs)

    return (
        f"runner {middle('cpu_ms'):.2f} ms CPU a sample, PostgreSQL {middle('database_cpu_ms'):.2f}"
        f" ms, first result after {max(run.first_s for run in runs):.2f} s, "
        f"at most {max(run.rss_mb for run in runs):.0f} MB a process"
    )


def _suite(n_cases: int) -> SuiteVersion:
    """Exact match, three components a case, messages of some length."""
    from evals.formats.contract import CaseSpec, SuiteSpec
    from evals.services import suites
    from infra.actors import system
    from tests import builders

    builders.cast()
    filler = "Say the following back, word by word, and nothing else. " * 4
    cases = [
        CaseSpec(
            case_id=f"c{number:05d}",
            input=[
                {"role": "system", "content": filler},
                {"role": "user", "content": f"word-{number}"},
            ],
            target=f"word-{number}",
            components=LABELS,
        )
        for number in range(n_cases)
    ]
    spec = SuiteSpec(
        name="bench",
        cases=cases,
        graders=[{"type": "string_check", "operation": "eq"}],
        components={label: label for label in LABELS},
        owner="eval_owner",
        request={"max_tokens": 16},
    )
    return suites.import_suite(actor=system("bench"), name="bench", suite=spec).version


def _measure(
    version: SuiteVersion, upstream: FastUpstream, concurrency: int, repeats: int = 1
) -> Measured:
    from evals.models import Result
    from evals.services import runs
    from infra.actors import system
    from tests import builders

    checkpoint = builders.checkpoint(f"bench-{uuid4().hex[:12]}", checkpoint_digest=uuid4().hex)
    builders.deployment(checkpoint, upstream.base_url)
    cpu, database_cpu = _cpu_s(_runners()), _cpu_s(_postgres())
    began = time.monotonic()
    run = runs.start_run(
        actor=system("bench"),
        version=version,
        checkpoint=checkpoint,
        concurrency=concurrency,
        repeats=repeats,
    )
    first_s = 0.0
    while True:
        if not first_s and Result.objects.filter(run=run).exists():
            first_s = time.monotonic() - began
        run.refresh_from_db(fields=["state", "problem"])
        if run.state not in ("queued", "running"):
            break
        assert time.monotonic() - began < WITHIN_S, "the run takes too long"
        time.sleep(POLL_S)
    took_s = time.monotonic() - began
    assert run.state == "completed", run.problem
    assert Result.objects.filter(run=run, state="passed").count() == run.n_expected
    return Measured(
        per_second=run.n_expected / took_s,
        cpu_ms=1000 * (_cpu_s(_runners()) - cpu) / run.n_expected,
        database_cpu_ms=1000 * (_cpu_s(_postgres()) - database_cpu) / run.n_expected,
        first_s=first_s,
        rss_mb=max(_peak_mb(process) for process in _runners()),
    )


def _runners() -> list[psutil.Process]:
    return Product(Path(os.environ["SLIPWAY_STATE_DIR"])).processes("celery", "runner@")


def _postgres() -> list[psutil.Process]:
    owned = Product(Path(os.environ["SLIPWAY_STATE_DIR"])).processes()
    return [process for process in owned if _name(process) == "postgres"]


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def _cpu_s(processes: list[psutil.Process]) -> float:
    """CPU seconds, those of children that ended included."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _peak_mb(process: psutil.Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _bare(base_url: str, concurrency: int, n_calls: int) -> dict[str, float]:
    arguments = ("bare", base_url, str(concurrency), str(n_calls))
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench_evals", *arguments],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return dict(json.loads(done.stdout))


def bare(base_url: str, concurrency: int, n_calls: int) -> dict[str, float]:
    """As many calls by nothing but aiohttp on uvloop: no grading, no storage, no retries."""
    import uvloop

    os.nice(BACKGROUND_NICENESS)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    uvloop.run(_loop(base_url, concurrency, n_calls))
    took_s = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"per_second": n_calls / took_s, "cpu_ms": 1000 * cpu_s / n_calls}


async def _loop(base_url: str, concurrency: int, n_calls: int) -> None:
    import aiohttp

    left = iter(range(n_calls))

    async def call(session: aiohttp.ClientSession) -> None:
        for number in left:
            messages = [{"role": "user", "content": f"word-{number}"}]
            body = {"model": "m", "messages": messages, "max_tokens": 16}
            async with session.post(f"{base_url}/chat/completions", json=body) as answer:
                told = await answer.json()
                assert told["choices"][0]["message"]["content"] == f"word-{number}"

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(call(session) for _ in range(concurrency)))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["drive", *words]:
            drive(_options(words))
        case ["bare", url, at_once, calls]:
            sys.stdout.write(json.dumps(bare(url, int(at_once), int(calls))))
        case _:
            sys.exit(main())
