"""`manage.py freeze place|end|waive|list`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra import clock
from infra.cli import SlipwayCommand, add_actions
from releases.freezes import Schedule
from releases.management.arguments import uuid_of
from releases.management.controls import freeze_dict, freeze_line
from releases.selectors.freezes import as_it_stands, freeze_named, standing_freezes
from releases.selectors.pipelines import pipeline_named, stage_named
from releases.selectors.promotions import promotion_with_id
from releases.services import freezes as services


class Command(SlipwayCommand):
    help = "Times in which nothing moves forward; the way back stays open."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"place": _place, "end": _end, "waive": _waive, "list": _list})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_place(self, options: dict[str, Any]) -> Any:
        stage, pipeline = options["stage"], options["pipeline"]
        row = services.place_freeze(
            actor=self.actor(options),
            name=options["name"],
            schedule=Schedule(
                starts=options["starts"],
                lasts=options["lasts"],
                rule=options["rule"],
                except_dates=tuple(options["except_dates"]),
                time_zone=options["time_zone"],
            ),
            reason=options["reason"],
            stage=stage_named(stage) if stage else None,
            pipeline=pipeline_named(pipeline) if pipeline else None,
        )
        self.say(f"Placed: {freeze_line(as_it_stands(row, clock.now()))}  ({row.pk})")
        return freeze_dict(as_it_stands(row, clock.now()))

    def run_end(self, options: dict[str, Any]) -> Any:
        row = services.end_freeze(
            actor=self.actor(options),
            freeze=freeze_named(options["name"]),
            reason=options["reason"],
        )
        self.say(f"Ended: {row}")
        return freeze_dict(as_it_stands(row, clock.now()))

    def run_waive(self, options: dict[str, Any]) -> Any:
        promotion = promotion_with_id(uuid_of(options["promotion"], "promotion"))
        row = services.waive_freeze(
            actor=self.actor(options),
            freeze=freeze_named(options["name"]),
            promotion=promotion,
            reason=options["reason"],
        )
        self.say(f"{row.freeze} lets {promotion} through.")
        return {"id": str(row.pk), "freeze": str(row.freeze_id), "promotion": str(promotion.pk)}

    def run_list(self, options: dict[str, Any]) -> Any:
        rows = [as_it_stands(row, clock.now()) for row in standing_freezes()]
        for row in rows:
            self.say(freeze_line(row))
        if not rows:
            self.say("No freeze is in place.")
        return [freeze_dict(row) for row in rows]


def _place(parser: CommandParser) -> None:
    """Place a freeze on a stage, on a pipeline, or, without either, on all stages"""
    parser.add_argument("name", metavar="NAME")
    of = parser.add_mutually_exclusive_group()
    of.add_argument("--stage", metavar="STAGE", default="")
    of.add_argument("--pipeline", metavar="PIPELINE", default="")
    parser.add_argument("--starts", required=True, metavar="2026-12-20T00:00:00")
    parser.add_argument("--lasts", required=True, metavar="36h|14d")
    parser.add_argument("--time-zone", required=True, metavar="Europe/Berlin")
    parser.add_argument("--rule", default="", metavar="FREQ=YEARLY", help="RRULE of RFC 5545")
    parser.add_argument(
        "--except",
        dest="except_dates",
        action="append",
        default=[],
        metavar="DATE",
        help="a start that is left out",
    )
    parser.add_argument("--reason", required=True)


def _end(parser: CommandParser) -> None:
    """End a freeze for good, as its owner"""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--reason", required=True)


def _waive(parser: CommandParser) -> None:
    """Let one promotion through a freeze, as its owner"""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("promotion", metavar="PROMOTION")
    parser.add_argument("--reason", required=True)


def _list(parser: CommandParser) -> None:
    """The freezes in place, with their windows"""
