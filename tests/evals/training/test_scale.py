"""A hundred thousand rows: exported and streamed in little time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from evals.training import files
from evals.training.contract import Split, TrainingKind
from tests import builders as shared
from tests.alpha import builders as alpha
from tests.evals import worker
from tests.evals.training import world

N_ROWS = 100_000
MOST_S = 20.0
MOST_MB = 200
BEGIN = """
import json, sys, time
import django
django.setup()
from django.core.management import call_command
from evals.selectors import training as reads
from evals.services import training_files
from evals.training.contract import Split
from infra.people import actor_named
begun, begun_cpu, n_rows = time.perf_counter(), time.process_time(), 0
"""
TO_FILES = """
call_command("training", "export", "sft", sys.argv[1], "--by", "eval_owner", "--json")
"""
AS_STREAM = """
export = reads.exports()[0]
for split in Split:
    made = training_files.lines_of(actor=actor_named("eval_owner"), export=export, split=split)
    n_rows += sum(1 for _ in made)
"""
END = """
told = {"seconds": time.perf_counter() - begun, "n_rows": n_rows}
told["cpu_s"] = time.process_time() - begun_cpu
# Of this process alone: `ru_maxrss` begins with what the parent held.
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM"))
told["peak_mb"] = int(peak.split()[1]) / 1024
sys.stderr.write(json.dumps(told))
"""


def measured(program: str, database: str, *words: str) -> dict[str, float]:
    """What a process of its own says it took; its memory is all of the process's."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program + END, *words],
        env={**worker.environment(database), "SLIPWAY_ARTIFACTS": settings.ARTIFACTS},
        cwd=settings.PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.long
def test_a_hundred_thousand_rows_in_twenty_seconds_and_two_hundred_megabytes(
    committed_db: str, tmp_path: Path
) -> None:
    shared.cast()
    begun = time.perf_counter()
    world.bulk(alpha.access(), N_ROWS)
    sys.stderr.write(f"{N_ROWS} corrections made in {time.perf_counter() - begun:.1f} s\n")
    out = tmp_path / "out"
    to_files = measured(TO_FILES, committed_db, str(out))
    streamed = measured(AS_STREAM, committed_db)
    sys.stderr.write(f"to files {to_files}, streamed {streamed}, {os.cpu_count()} cores\n")
    assert streamed["n_rows"] == N_ROWS
    for found in (to_files, streamed):
        assert found["seconds"] <= MOST_S and found["peak_mb"] < MOST_MB, found
    paths = [out / f"{split.value}.jsonl" for split in Split]
    assert list(files.check_files(TrainingKind.SFT, *paths)) == []
    with paths[0].open() as rows:
        assert "@x.example" not in next(rows)
