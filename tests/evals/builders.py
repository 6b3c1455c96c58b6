"""Suites, runs and their surroundings with boring fixed values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals.formats.contract import CaseSpec, SuiteSpec
from evals.models import Run, SuiteVersion
from evals.runner import shards
from evals.services import runs, suites
from infra.actors import Actor, system
from releases.models import Checkpoint
from tests import builders

DEMO = system("test")
COMPONENTS = {"echo": "says the word", "echo.first": "odd cases", "echo.second": "even cases"}


def case(number: int, **fields: Any) -> CaseSpec:
    """A case whose right answer is its own question."""
    word = f"word-{number}"
    values: dict[str, Any] = {
        "case_id": f"c{number:05d}",
        "input": [{"role": "user", "content": word}],
        "target": word,
        "components": ["echo.first" if number % 2 else "echo.second"],
    }
    return CaseSpec(**{**values, **fields})


def suite_spec(n_cases: int = 12, **fields: Any) -> SuiteSpec:
    """An echo suite graded by exact match."""
    values: dict[str, Any] = {
        "name": "echo",
        "cases": [case(number) for number in range(n_cases)],
        "graders": [{"type": "string_check", "operation": "eq"}],
        "components": COMPONENTS,
        "description": "Says it back.",
        "owner": "eval_owner@example.org",
        "request": {"max_tokens": 16},
    }
    return SuiteSpec(**{**values, **fields})


def published(n_cases: int = 12, actor: Actor = DEMO, **fields: Any) -> SuiteVersion:
    """The echo suite, imported and published, with the cast."""
    builders.cast()
    spec = suite_spec(n_cases, **fields)
    return suites.import_suite(actor=actor, name=spec.name, suite=spec).version


def served(base_url: str, name: str = "chat-nano-1", **fields: Any) -> Checkpoint:
    """A checkpoint with an active deployment at that address."""
    made = builders.checkpoint(name, **fields)
    builders.deployment(made, base_url)
    return made


def start(version: SuiteVersion, checkpoint: Checkpoint, **options: Any) -> Run:
    """A queued run."""
    return runs.start_run(actor=DEMO, version=version, checkpoint=checkpoint, **options)


def execute(run: Run) -> Run:
    """Every shard in this process, as a worker would; the run afterwards."""
    for shard in run.shards.all():
        shards.run_shard(shard.pk)
    run.refresh_from_db()
    return run


def shares(**scores: float) -> Mapping[str, Any]:
    """Component shares as a result holds them."""
    return {label: {"score": score, "explanation": ""} for label, score in scores.items()}
