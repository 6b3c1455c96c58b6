"""The road of a remark from the command line."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from evals.selectors import lineage
from infra.cli import SlipwayCommand


class Command(SlipwayCommand):
    help = "From any id back to the first remark, and forward to the checkpoint that fixed it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "id",
            type=UUID,
            help="of feedback, a call, a finding, probe, case, suite version, run, gate outcome, "
            "promotion, training row or export",
        )

    def run(self, **options: Any) -> Any:
        found = lineage.road(options["id"])
        self.say(f"{found.subject.title} ({found.subject.kind})")
        for step in found.steps:
            self.say(f"{step.name}:" if step.stops else f"{step.name}: none yet")
            for stop in step.stops:
                at = f"{stop.at:%Y-%m-%d %H:%M}  " if stop.at else ""
                state = f" [{stop.state}]" if stop.state else ""
                self.say(f"  {at}{stop.title}{state}  {stop.id}")
            if step.n_more:
                self.say(f"  and {step.n_more} more")
        fixed = found.fixed_by
        self.say(f"Fixed by: {fixed.title}" if fixed else "Fixed by: no checkpoint yet")
        return lineage.as_json(found)
