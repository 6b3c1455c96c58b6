"""Two checkpoints that a judge graded, about which people are asked."""

from __future__ import annotations

import random
from typing import Any

from evals.evidence import EvalEvidence
from evals.models import Run
from evals.services import labels
from evals.services.suites import import_suite
from infra import clock
from releases.gates.contract import Evidence, Gate, Verdict
from releases.gates.judgement import judge_gate
from releases.gates.registry import kinds
from tests import builders as shared
from tests.evals import builders
from tests.evals.judges import world
from tests.evals.test_evidence import subject

N_CASES = 160


class Story:
    """Two checkpoints that a judge graded; people have yet to label."""

    def __init__(self, choices: dict[str, float] = world.CHOICES) -> None:
        self.cast = shared.cast()
        self.judge = world.made(self.cast, choices=choices)
        found = world.suite(N_CASES)
        self.suite = import_suite(actor=self.cast.eval_owner, name="kind", suite=found).version
        self.stage = shared.stage("production")
        dice = random.Random(3)
        self.old = builders.served("http://127.0.0.1:9/v1", "old", checkpoint_digest="a" * 64)
        self.new = builders.served("http://127.0.0.1:9/v1", "new", checkpoint_digest="b" * 64)
        old = [float(dice.random() < 0.6) for _ in range(N_CASES)]
        new = [1.0 if score or dice.random() < 0.3 else 0.0 for score in old]
        self.old_run = world.judged_run(self.suite, self.old, old)
        self.new_run = world.judged_run(self.suite, self.new, new)
        self.verdicts = {self.old_run.pk: old, self.new_run.pk: new}

    def label(self, n_cases: int, wrong: float, *runs: Run, apart: int = 0) -> None:
        for run in runs or (self.old_run, self.new_run):
            labels.draw_items(
                actor=self.cast.eval_owner, judge=self.judge.judge, run=run, n_cases=n_cases
            )
        truth = world.truth_of((self.old_run, self.new_run), self.verdicts, wrong)
        world.label_all(self.cast, self.judge.judge, truth, apart=apart)

    def calibrate(self) -> Any:
        return world.calibrated(self.cast.eval_owner, self.judge)

    def gate(self, kind: str, **options: Any) -> Gate:
        return Gate(id=f"{kind}-1", kind=kind, options={"suite": "kind", **options})

    def gather(self, kind: str, **options: Any) -> Evidence:
        where = subject(self.new, self.stage)
        return EvalEvidence().gather(self.gate(kind, **options), where, clock.now())

    def judged(self, kind: str, **options: Any) -> Verdict:
        evidence = self.gather(kind, **options)
        return judge_gate(self.gate(kind, **options), evidence, clock.now(), kinds())
