"""`manage.py apply -f FILE... [--plan]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand
from infra.errors import InvalidInput
from releases.policy.changes import MARKS
from releases.services.pipelines import PipelinePlan, apply_pipelines


class Command(SlipwayCommand):
    help = "Applies pipelines from files, or with --plan says what that would change."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "-f", "--file", action="append", nargs="+", required=True, metavar="FILE", dest="files"
        )
        parser.add_argument("--plan", action="store_true", help="write nothing")

    def run(self, **options: Any) -> Any:
        paths = [Path(name) for group in options["files"] for name in group]
        files = {str(path): _text(path) for path in paths}
        plan = apply_pipelines(actor=self.actor(options), files=files, plan=options["plan"])
        for pipeline in plan.pipelines:
            self._say_pipeline(pipeline, applied=plan.applied)
        return plan.as_dict()

    def _say_pipeline(self, pipeline: PipelinePlan, *, applied: bool) -> None:
        if not pipeline.changed:
            self.say(f"{pipeline.name}@{pipeline.number}: nothing changes.")
            if not applied:
                self._say_advice(pipeline)
            return
        verb = "is now" if applied else "would become"
        was = f" (was @{pipeline.before})" if pipeline.before else " (new)"
        self.say(f"{pipeline.name} {verb} {pipeline.name}@{pipeline.number}{was}:")
        for change in pipeline.changes:
            self.say(f"  {MARKS[change.action]} {change.sentence}")
        for sentence in pipeline.availability:
            self.say(f"  ! {sentence}")
        for stale in pipeline.promotions:
            self.say(f"  ! {stale.sentence}")
        self._say_advice(pipeline)
        if not applied:
            self.say("Nothing was written. Leave --plan out to apply it.")

    def _say_advice(self, pipeline: PipelinePlan) -> None:
        """What each gate can settle."""
        for advice in pipeline.advice:
            self.say(f"  i {advice.stage}: {advice.gate_id}: {advice.sentence}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("bad_file", f"{path} can't be read: {error}.") from error
