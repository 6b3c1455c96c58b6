"""`manage.py forecast list|ledger|observe`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, add_actions
from infra.roles import Role
from releases.api.forecasts import ForecastOut
from releases.selectors import forecasts as reads
from releases.services.forecasts import observe_due
from releases.states import ForecastKind

LIST_LIMIT = 200


class Command(SlipwayCommand):
    help = "What promotions predicted of their stages, and what happened there."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"list": _list, "ledger": _ledger, "observe": _observe})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_list(self, options: dict[str, Any]) -> Any:
        rows = list(reads.forecasts(options["kind"])[:LIST_LIMIT])
        for row in rows:
            said = _said(row.predicted, row.lo, row.hi)
            seen = getattr(row, "observation", None)
            then = "not enough seen"
            if seen is not None:
                verdict = "held" if seen.agrees else f"missed by {seen.factor:.2g}x"
                then = f"{_said(seen.observed, seen.lo, seen.hi)} {verdict}"
            self.say(f"{row.label:<28} {row.promotion}: {said} -> {then}")
        if not rows:
            self.say("No promotion has predicted anything yet.")
        return [ForecastOut(row).data for row in rows]

    def run_ledger(self, options: dict[str, Any]) -> Any:
        rows = reads.ledger()
        for row in rows:
            self.say(f"{row['kind'].replace('_', ' ')}: {row['sentence']}")
        if not rows:
            self.say("Nothing was observed yet.")
        return {"kinds": rows, "points": reads.points()}

    def run_observe(self, options: dict[str, Any]) -> Any:
        self.actor(options).must("observe forecasts", Role.RELEASE_MANAGER, Role.ENGINEER)
        n_new = observe_due()
        self.say(f"{n_new} forecast{'' if n_new == 1 else 's'} observed.")
        return {"n_new": n_new}


def _said(value: float, lo: float, hi: float) -> str:
    return f"{100 * value:.3g}% ({100 * lo:.3g}..{100 * hi:.3g})"


def _list(parser: CommandParser) -> None:
    """Newest first, each with what was observed"""
    parser.add_argument("--kind", choices=[kind.value for kind in ForecastKind], default="")


def _ledger(parser: CommandParser) -> None:
    """Coverage and median error by kind of evidence"""


def _observe(parser: CommandParser) -> None:
    """Look now, without waiting for the schedule"""
