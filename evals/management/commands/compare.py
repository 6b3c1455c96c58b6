"""Two checkpoints on one suite, component by component."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from evals import components
from evals.models import Comparison
from evals.selectors import runs, suites
from evals.selectors.tries import tries_of
from evals.services import comparisons
from infra.cli import SlipwayCommand
from releases.selectors.checkpoints import checkpoint_named


class Command(SlipwayCommand):
    help = "Compares the newest completed runs of two checkpoints on a suite, per component."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("candidate")
        parser.add_argument("baseline")
        parser.add_argument("--suite", required=True, metavar="S", help="`sql`, or `sql@7`")
        parser.add_argument("--margin", type=float, default=comparisons.DEFAULT_MARGIN)
        parser.add_argument("--confidence", type=float, default=comparisons.DEFAULT_CONFIDENCE)

    def run(self, **options: Any) -> dict[str, Any]:
        version = suites.version_named(options["suite"])
        made = comparisons.compare(
            candidate_run=runs.completed_run(version, checkpoint_named(options["candidate"])),
            baseline_run=runs.completed_run(version, checkpoint_named(options["baseline"])),
            margin=options["margin"],
            confidence=options["confidence"],
        )
        self.say(f"{options['candidate']} against {options['baseline']} on {version}")
        for node in made.nodes:
            self.say(f"{'  ' * len(components.parse(node['node']))}{node['sentence']}")
        tries = tries_of(made)
        if tries.sentence:
            self.say(tries.sentence)
        if made.n_unmatched or made.n_errored:
            self.say(f"{made.n_unmatched} cases unmatched, {made.n_errored} errored: not counted.")
        return as_json(made)


def as_json(made: Comparison) -> dict[str, Any]:
    """The comparison as machines read it."""
    return {
        "id": str(made.pk),
        "suite": made.candidate.version.suite.name,
        "version": made.candidate.version.number,
        "candidate": made.candidate.checkpoint.name,
        "baseline": made.baseline.checkpoint.name,
        "candidate_run": str(made.candidate_id),
        "baseline_run": str(made.baseline_id),
        "margin": made.margin,
        "confidence": made.confidence,
        "n_unmatched": made.n_unmatched,
        "n_errored": made.n_errored,
        "nodes": made.nodes,
        "tries": asdict(tries_of(made)),
    }
