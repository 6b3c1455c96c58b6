"""`manage.py simulate CHECKPOINT STAGE [--at TIME] [--as USER]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, moment_of
from infra.errors import Reason
from infra.people import actor_named
from releases.api.simulation import simulation_body
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.pipelines import stage_named
from releases.services.simulation import PlannedStep, Simulation, simulate


class Command(SlipwayCommand):
    help = "Tells what would happen if CHECKPOINT were asked into STAGE; nothing is written."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("checkpoint", metavar="CHECKPOINT")
        parser.add_argument("stage", metavar="STAGE", help="stage, or pipeline/stage")
        parser.add_argument("--at", metavar="TIME", default="", help="such as 2026-03-01T09:00Z")
        parser.add_argument(
            "--as", metavar="LOGIN", default="", dest="viewer", help="whose rights to tell"
        )

    def run(self, **options: Any) -> Any:
        found = simulate(
            checkpoint=checkpoint_named(options["checkpoint"]),
            stage=stage_named(options["stage"]),
            at=moment_of(options["at"]) if options["at"] else None,
            viewer=actor_named(options["viewer"]) if options["viewer"] else None,
        )
        self._say(found)
        return simulation_body(found)

    def _say(self, found: Simulation) -> None:
        self.say(f"{found.checkpoint} to {found.stage}: {found.sentence}")
        for refusal in found.refusals:
            self.say(f"  refused        {refusal.sentence}")
        for reason in found.decision.reasons:
            outcome = f"{reason.outcome.value}{' (shadow)' if reason.shadow else ''}"
            self.say(f"  {outcome:<14} {reason.gate_id:<24} {reason.sentence}")
        for question in found.asked:
            who = ", ".join(question.persons) or "nobody may answer"
            self.say(f"  asks           {question.gate_id:<24} {', '.join(question.groups)}: {who}")
        for release in found.replaces:
            self.say(f"  beside         {release.checkpoint} ({release.arm}, {release.share} %)")
        for promotion in found.supersedes:
            self.say(f"  supersedes     {promotion}")
        for step in found.steps:
            self.say(f"  share          {step.percent} %{_when(step)}")
        if found.rights is not None:
            self._say_right("request", found.rights.name, found.rights.request)
            self._say_right("approve", found.rights.name, found.rights.approve)

    def _say_right(self, verb: str, name: str, refusals: Sequence[Reason]) -> None:
        why = "; ".join(refusal.sentence for refusal in refusals)
        self.say(f"  {name} may {verb} it" if not why else f"  {name} may not {verb} it: {why}")


def _when(step: PlannedStep) -> str:
    start = f" from {step.starts_at:%Y-%m-%d %H:%M} UTC" if step.starts_at else f" {step.after}"
    waits = f", once {' and '.join(step.waits)}" if step.waits else ""
    return f"{start}{waits}"
