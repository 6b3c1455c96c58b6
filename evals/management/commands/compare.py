"""Two checkpoints on one suite, component by component."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from evals import components
from evals.models import Comparison
from evals.selectors import runs, suites
from evals.selectors.judged_comparisons import shown
from evals.selectors.tries import tries_of
from evals.selectors.uncompared import partial_sentences
from evals.services import comparisons
from infra import clock
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
        checkpoints = (checkpoint_named(options[name]) for name in ("candidate", "baseline"))
        candidate_run, baseline_run = runs.completed_pair(version, *checkpoints)
        made = comparisons.compare(
            candidate_run=candidate_run,
            baseline_run=baseline_run,
            margin=options["margin"],
            confidence=options["confidence"],
        )
        self.say(f"{options['candidate']} against {options['baseline']} on {version}")
        seen = shown(made, clock.now())
        for node in seen.nodes:
            self.say(f"{'  ' * len(components.parse(node['node']))}{node['sentence']}")
        for sentence in partial_sentences(made):
            self.say(sentence)
        tries = tries_of(made, seen.nodes)
        if tries.sentence:
            self.say(tries.sentence)
        if made.n_unmatched or made.n_errored:
            self.say(f"{made.n_unmatched} cases unmatched, {made.n_errored} errored: not counted.")
        return as_json(made)


def as_json(made: Comparison) -> dict[str, Any]:
    """The comparison as machines read it: what rests on a judge corrected, or null."""
    seen = shown(made, clock.now())
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
        "partial": partial_sentences(made),
        "judges": list(seen.judges),
        "nodes": list(seen.nodes),
        "tries": asdict(tries_of(made, seen.nodes)),
    }
