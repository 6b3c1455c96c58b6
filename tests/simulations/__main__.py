"""`make bench-statistics`: whether the intervals cover and the alarms stay silent as promised.

Each number stands beside the one that the method's description gives. Exit 1 when a guarantee does
not hold. `--scale 0.1` for a tenth of the runs; names for some of the simulations.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib

import numpy as np

from tests.simulations import live, paired, people, sequences
from tests.simulations.results import SEED, Row

SIMULATIONS = {
    **paired.SIMULATIONS,
    **live.SIMULATIONS,
    **sequences.SIMULATIONS,
    **people.SIMULATIONS,
}


def simulate(name: str, scale: float) -> list[Row]:
    """One simulation, with random numbers of its own whatever ran before it."""
    return SIMULATIONS[name](np.random.default_rng([SEED, zlib.crc32(name.encode())]), scale)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-statistics")
    parser.add_argument("names", nargs="*", choices=[*SIMULATIONS, []], default=[])
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    began, broken = time.perf_counter(), 0
    _tell("| simulation | measured | described | runs |\n| --- | --- | --- | --- |")
    for name in given.names or SIMULATIONS:
        for row in simulate(name, given.scale):
            broken += not row.is_kept
            runs = f"{row.runs:,}" if row.runs else "exact"
            flag = "" if row.is_kept else " **broken**"
            _tell(f"| {row.what} | {row.measured}{flag} | {row.known} | {runs} |")
    _tell(f"\nSeed {SEED}, {time.perf_counter() - began:.0f} s, {broken} guarantees broken.")
    return 1 if broken else 0


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
