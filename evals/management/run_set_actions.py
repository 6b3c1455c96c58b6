"""Sets of runs from the command line: started, listed, reported."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser
from django.template.loader import render_to_string

from evals.caps import Caps
from evals.models import RunSet, Suite
from evals.selectors import run_set_reports, runs, suites
from evals.services import run_sets
from infra.cli import SlipwayCommand
from infra.errors import NotFound
from releases.models import Checkpoint
from releases.selectors.checkpoints import checkpoint_named

POLL_S = 0.5


def sets(parser: CommandParser) -> None:
    """the newest sets of runs"""


def report(parser: CommandParser) -> None:
    """what a set of runs came to"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write it as a page")


def _checkpoint(name: str) -> Checkpoint:
    """The checkpoint of that name; NotFound for what is no suite's name either."""
    try:
        return checkpoint_named(name)
    except NotFound as error:
        message = f"No suite is named {name!r} either: `manage.py suite list` shows them."
        raise NotFound(error.code, f"{error} {message}") from error


class RunSetActions(SlipwayCommand):
    """The actions of `manage.py run` that concern sets."""

    def start_set(self, options: dict[str, Any]) -> dict[str, Any]:
        given = [options["suite"], options["checkpoint"], *options["more"]]
        known = set(Suite.objects.values_list("name", flat=True))
        named = [name for name in given if name.partition("@")[0] in known]
        made = run_sets.start_run_set(
            actor=self.actor(options),
            name=options["set"],
            versions=[suites.version_named(name) for name in named],
            checkpoints=[_checkpoint(name) for name in given if name not in named],
            baseline=checkpoint_named(options["baseline"]) if options["baseline"] else None,
            margin=options["margin"],
            **run_options(options),
        )
        found = run_set_reports.run_set_with_id(made.pk)
        self.say(f"set {made.pk}: {made}, {found.n_runs} runs")
        if not options["wait"]:
            return {"id": str(made.pk), "name": made.name, "n_runs": found.n_runs}
        while run_set_reports.members(made).exclude(state__in=list(runs.OVER)).exists():
            time.sleep(POLL_S)
        run_sets.report_on(made.pk)
        return self._reported(made)

    def run_sets(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = run_set_reports.run_sets()[:50]
        for one in found:
            self.say(f"{one.pk}  {one.n_over}/{one.n_runs} over  {one}")
        return [
            {"id": str(one.pk), "name": one.name, "n_runs": one.n_runs, "n_over": one.n_over}
            for one in found
        ]

    def run_report(self, options: dict[str, Any]) -> dict[str, Any]:
        made = run_set_reports.run_set_with_id(options["id"])
        content = self._reported(made)
        if options["html"]:
            page = render_to_string("evals/run_set_file.html", {"report": content})
            options["html"].write_text(page, encoding="utf-8")
            self.say(f"written to {options['html']}")
        return content

    def _reported(self, made: RunSet) -> dict[str, Any]:
        content: dict[str, Any] = run_set_reports.report_of(made).content
        for result in content["results"]:
            self.say(f"{result['checkpoint']} on {result['suite']} against {result['baseline']}")
            if result["problem"]:
                self.say(f"  {result['problem']}")
            for node in result["nodes"]:
                self.say(f"  {node['answer']:10} {node['sentence']}")
        for sentence in content["changes"]:
            self.say(f"changed: {sentence}")
        for error in content["errors"]:
            self.say(f"errors: {error['n']} {error['code']}: {error['example']}")
        cost = content["cost_micros"]
        self.say("cost: " + ("not known" if cost is None else f"{cost / 1_000_000:.4f}"))
        self.say(f"next: {content['next_step']}")
        return content


def run_options(options: dict[str, Any]) -> dict[str, Any]:
    """What `--repeats`, `--key` and the like say, as `start_run` takes it."""
    caps = Caps(
        most_cost_micros=options["most_cost"],
        most_tokens=options["most_tokens"],
        most_seconds=options["most_seconds"],
    )
    return {
        "repeats": options["repeats"],
        "concurrency": options["concurrency"],
        "idempotency_key": options["key"],
        "seed": options["seed"],
        "max_retries": options["max_retries"],
        "caps": caps,
    }
