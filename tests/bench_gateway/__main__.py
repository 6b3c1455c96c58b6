"""`python -m tests.bench_gateway [--rounds N] [--seconds S] [--calls N] [--only PART…]`.

Ratios are taken within one round and told as their medians, so that a busy machine disturbs all
sides alike; the load is said. It needs Debian's wrk and nginx with its echo module.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.bench_gateway import mock
from tests.bench_gateway.load import Line, Loaded, Target, chat, load
from tests.bench_gateway.stack import BARE, GATEWAY, Stack, running
from tests.bench_gateway.statements import counted

N_STREAMS = 100
CONNECTIONS = 16


def main() -> int:
    options = _options()
    if absent := mock.missing():
        sys.stderr.write(f"Missing: {', '.join(absent)}. Install them: {mock.INSTALL}\n")
        return 2
    state = Path(tempfile.mkdtemp(prefix="slw-bench-"))
    # nginx's workers run as a user of their own.
    state.chmod(0o755)
    try:
        with mock.serving(state / "nginx") as upstream, running(state, upstream) as stack:
            for name in options.only or PARTS:
                PARTS[name](stack, options)
                load_now = " ".join(f"{value:.1f}" for value in os.getloadavg())
                _tell("", f"(load of the machine {load_now})")
    finally:
        shutil.rmtree(state, ignore_errors=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.bench_gateway")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run of wrk")
    parser.add_argument("--calls", type=int, default=10_000, help="calls that memory is held over")
    parser.add_argument("--only", nargs="+", choices=list(PARTS))
    return parser.parse_args()


def _tell(what: str, sentence: str) -> None:
    sys.stdout.write(f"{what:<14}{sentence}\n")
    sys.stdout.flush()


def _middle(runs: Sequence[Loaded], name: str) -> float:
    return statistics.median(getattr(run, name) for run in runs)


def _ratio(runs: Sequence[Loaded], by: Sequence[Loaded]) -> float:
    """The median of the ratios of each round."""
    pairs = zip(runs, by, strict=True)
    return statistics.median(run.per_second / other.per_second for run, other in pairs)


def _throughput(kind: str) -> Callable[[Stack, argparse.Namespace], None]:
    def measure(stack: Stack, options: argparse.Namespace) -> None:
        with stack.server(BARE) as bare, stack.server(GATEWAY) as gateway:
            sides = (stack.direct[kind], bare, gateway)
            nginx, reference, ours = _rounds(stack, options, sides, kind, CONNECTIONS)
        _tell(
            kind,
            f"{CONNECTIONS} connections, one worker: nginx {_middle(nginx, 'per_second'):.0f}/s; "
            f"bare proxy {_middle(reference, 'per_second'):.0f}/s, "
            f"{_middle(reference, 'cpu_ms'):.2f} ms CPU "
            f"({_ratio(reference, nginx):.3f} of nginx); gateway "
            f"{_middle(ours, 'per_second'):.0f}/s, {_middle(ours, 'cpu_ms'):.2f} ms CPU: "
            f"{_ratio(ours, reference):.2f} of the bare proxy (median of {options.rounds})",
        )

    return measure


def _rounds(
    stack: Stack,
    options: argparse.Namespace,
    sides: Sequence[Target],
    kind: str,
    connections: int,
) -> list[list[Loaded]]:
    """Each side once a round, in turn; a short round before them warms up."""
    body = chat(f"bench-{kind}", stream=kind != "json")
    found: list[list[Loaded]] = [[] for _ in sides]
    for number in range(options.rounds + 1):
        for side, runs in zip(sides, found, strict=True):
            for_s = options.seconds if number else 1.0
            run = load(side, body, stack.state, connections=connections, for_s=for_s)
            if number:
                runs.append(run)
    return found


def _two_workers(stack: Stack, options: argparse.Namespace) -> None:
    """Two gateways of one and of two workers, in turn."""
    with stack.server(GATEWAY) as one, stack.server(GATEWAY, workers=2) as two:
        single, double = _rounds(stack, options, (one, two), "json", CONNECTIONS)
    _tell(
        "two workers",
        f"{_middle(double, 'per_second'):.0f}/s, one {_middle(single, 'per_second'):.0f}/s: "
        f"{_ratio(double, single):.2f} of one on {os.cpu_count()} cores that wrk, nginx, Valkey "
        f"and PostgreSQL share",
    )


def _latency(stack: Stack, options: argparse.Namespace) -> None:
    """At one connection, beside the upstream itself."""
    with stack.server(BARE) as bare, stack.server(GATEWAY) as gateway:
        sides = (stack.direct["json"], bare, gateway)
        direct, reference, ours = _rounds(stack, options, sides, "json", 1)

    def added(runs: Sequence[Loaded], name: str) -> float:
        pairs = zip(runs, direct, strict=True)
        return statistics.median(getattr(run, name) - getattr(d, name) for run, d in pairs)

    _tell(
        "latency",
        f"added at one connection: p50 {added(ours, 'p50_ms'):.2f} ms, p99 "
        f"{added(ours, 'p99_ms'):.2f} ms (bare proxy {added(reference, 'p50_ms'):.2f} and "
        f"{added(reference, 'p99_ms'):.2f}; nginx itself p50 {_middle(direct, 'p50_ms'):.2f} ms)",
    )


def _first_chunk(stack: Stack, options: argparse.Namespace) -> None:
    """When the first chunk of a paced stream comes, and whether any is held back."""
    with ExitStack() as open_until_told:
        gateway = open_until_told.enter_context(stack.server(GATEWAY))
        lines = [Line(stack.direct["paced"]), Line(gateway)]
        for line in lines:
            open_until_told.callback(line.close)
        body = chat("bench-paced", stream=True)
        found = [[line.stream(body) for line in lines] for _ in range(N_STREAMS)][5:]
    first = [through.first_ms - straight.first_ms for straight, through in found]
    late = [
        there[0] - here[0]
        for straight, through in found
        # The usage at the end is sent to the direct client alone.
        for here, there in zip(straight.reads, through.reads, strict=False)
        if min(len(straight.reads), len(through.reads)) >= mock.N_PACED
    ]
    held = sum(
        len(through.reads) < mock.N_PACED <= len(straight.reads) for straight, through in found
    )
    _tell(
        "first chunk",
        f"later than direct by p50 {statistics.median(first):.2f} ms, p99 "
        f"{statistics.quantiles(first, n=100)[98]:.2f} ms; every chunk by p50 "
        f"{statistics.median(late):.2f} ms; in {held} of {len(found)} streams of {mock.N_PACED} "
        f"chunks, {1000 * mock.PACE_S:.0f} ms apart, two came together",
    )


def _statements(stack: Stack, options: argparse.Namespace) -> None:
    """What PostgreSQL was asked by its own log; the shipper's batches are beside the path."""
    body, runs = chat("bench-json"), []
    with stack.server(GATEWAY) as gateway:

        def work() -> None:
            runs.append(load(gateway, body, stack.state, connections=CONNECTIONS, for_s=3))

        beside, others = counted(stack.state, work)
    _tell(
        "PostgreSQL",
        f"{sum(others.values())} statements on the path of {runs[0].n} calls"
        f"{f' ({others})' if others else ''}; {beside} beside it (usage in batches, the table)",
    )


def _memory(stack: Stack, options: argparse.Namespace) -> None:
    """Resident memory of the worker after its first calls, and after many more."""
    body = chat("bench-json")
    with stack.server(GATEWAY) as gateway:
        load(gateway, body, stack.state, connections=CONNECTIONS, for_s=3)
        n, before = 0, gateway.rss_mb()[0]
        while n < options.calls:
            n += load(gateway, body, stack.state, connections=CONNECTIONS, for_s=5).n
        after = gateway.rss_mb()[0]
    _tell(
        "memory",
        f"{before:.0f} MB after the first calls, {after:.0f} MB after {n:,} more: "
        f"{100 * (after / before - 1):+.1f} %",
    )


PARTS: dict[str, Callable[[Stack, argparse.Namespace], None]] = {
    "json": _throughput("json"),
    "stream": _throughput("stream"),
    "workers": _two_workers,
    "latency": _latency,
    "first-chunk": _first_chunk,
    "statements": _statements,
    "memory": _memory,
}

if __name__ == "__main__":
    sys.exit(main())
