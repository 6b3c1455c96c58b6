"""The demo's suites, run on both checkpoints and compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from evals import formats
from evals.models import Run, Suite, SuiteVersion
from evals.selectors.progress import progress
from evals.selectors.runs import newest_completed, run_with_id
from evals.selectors.suites import version_named
from evals.services import comparisons
from evals.services.runs import start_run
from evals.services.suites import import_suite
from evals.states import RunState
from infra.demo.cast import actor
from infra.demo.weights import CANDIDATE, INCUMBENT
from infra.errors import InvalidMove
from releases.models import Checkpoint
from releases.selectors.checkpoints import checkpoint_named

Say = Callable[[str], None]

SUITES = ("sql", "instructions")
MARGIN = 0.15
SEED = 7
CONCURRENCY = 4
_FOLDER = Path(__file__).parent / "suites"
_REPORT_EVERY_S = 5.0


def import_suites() -> str:
    """Each suite from its folder into a published version; nothing happens the second time."""
    lines = []
    for name in SUITES:
        if not Suite.objects.filter(name=name).exists():
            spec = formats.read("slipway", _FOLDER / name)
            import_suite(actor=actor("eval_owner"), name=name, suite=spec)
        version = _version(name)
        lines.append(f"{version} with {version.n_cases} cases")
    return ", ".join(lines)


def _version(suite: str) -> SuiteVersion:
    """The demo's own version: whatever people publish later is not for it to run."""
    return version_named(f"{suite}@1")


def run_all(say: Say) -> str:
    """Both suites on both checkpoints, one run after the other: the model has two cores."""
    n_results = 0
    for suite in SUITES:
        for checkpoint in (INCUMBENT, CANDIDATE):
            run = _start(suite, checkpoint_named(checkpoint))
            n_results += _wait(run, say)
    return f"{n_results} results"


def _start(suite: str, checkpoint: Checkpoint) -> Run:
    version = _version(suite)
    return start_run(
        actor=actor("engineer"),
        version=version,
        checkpoint=checkpoint,
        concurrency=CONCURRENCY,
        idempotency_key=f"demo:{version}:{checkpoint}",
        seed=SEED,
    )


def _wait(run: Run, say: Say) -> int:
    """Report until the run is over; InvalidMove when it did not complete."""
    told = 0.0
    while not (now := progress(run_with_id(run.pk))).is_over:
        if time.monotonic() - told >= _REPORT_EVERY_S:
            told = time.monotonic()
            eta = f", {now.to_go}" if now.to_go else ""
            say(f"     {run}: {now.done} of {now.total}{eta}")
        time.sleep(0.5)
    if now.state is not RunState.COMPLETED:
        raise InvalidMove("run_not_completed", f"{run} is {now.state.value}: {now.problem}")
    return now.done


def compare(say: Say) -> str:
    """The candidate against the incumbent on both suites; one sentence a component."""
    for suite in SUITES:
        version = _version(suite)
        runs = [
            newest_completed(version, checkpoint_named(name).pk) for name in (CANDIDATE, INCUMBENT)
        ]
        if runs[0] is None or runs[1] is None:
            raise InvalidMove("no_runs", f"Suite {suite} has not been run on both checkpoints.")
        comparison = comparisons.compare(candidate_run=runs[0], baseline_run=runs[1], margin=MARGIN)
        # A suite of one tree says the same of its root and of the suite.
        for sentence in dict.fromkeys(node["sentence"] for node in comparison.nodes):
            say(f"     {sentence}")
    return f"{CANDIDATE} against {INCUMBENT}"
