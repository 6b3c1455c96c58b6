"""Eval runs from the command line."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from evals import formats
from evals.management.run_progress import (
    mean_line,
    progress_line,
    stated_line,
    stop_line,
    wait,
    whole,
)
from evals.management.run_set_actions import RunSetActions, report, run_options, sets
from evals.models import Run
from evals.selectors import runs, suites
from evals.selectors.progress import progress
from evals.services import foreseen, regrades, run_controls, run_imports
from evals.services import runs as services
from evals.services.comparisons import DEFAULT_MARGIN
from infra.cli import add_actions
from infra.errors import InvalidInput
from releases.selectors.checkpoints import checkpoint_named


def start(parser: CommandParser) -> None:
    """a checkpoint on a suite (`sql` or `sql@7`); with --set any number of each"""
    parser.add_argument("suite")
    parser.add_argument("checkpoint")
    parser.add_argument("more", nargs="*", help="with --set: further suites and checkpoints")
    parser.add_argument("--set", default="", metavar="NAME", help="start them as one set")
    parser.add_argument("--baseline", default="", metavar="CHECKPOINT", help="of the set")
    parser.add_argument("--margin", type=float, default=DEFAULT_MARGIN, help="of the set, 0..1")
    parser.add_argument("--repeats", type=int, default=1, metavar="K")
    parser.add_argument("--concurrency", type=int, default=4, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--max-retries", type=int, metavar="N", help="calls again after one that failed; 0: none"
    )
    parser.add_argument("--key", default="", help="starting again with this key gives this run")
    parser.add_argument("--wait", action="store_true", help="stay until it is over")
    parser.add_argument(
        "--stop-early-against", type=UUID, metavar="RUN", help="end once settled against that run"
    )
    parser.add_argument("--stop-margin", type=float, metavar="SHARE", help="of that; default 0.02")
    parser.add_argument("--most-cost", type=_money, metavar="MONEY", help="in the price's currency")
    parser.add_argument("--most-tokens", type=int, metavar="N", help="read and written")
    parser.add_argument("--most-seconds", type=int, metavar="S", help="pauses do not count")


def _money(text: str) -> int:
    """Micro-units of an amount such as 2.50."""
    try:
        return int(Decimal(text) * 1_000_000)
    except (InvalidOperation, OverflowError, ValueError) as error:
        message = f"{text!r} is no amount of money: write such as 2.50"
        raise argparse.ArgumentTypeError(message) from error


def import_(parser: CommandParser) -> None:
    """a run that another tool made, as a completed run of a checkpoint"""
    parser.add_argument("format", choices=formats.run_names())
    parser.add_argument("path", type=Path)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--suite", default="", help="default: the suite's name in the log")
    parser.add_argument("--plan", action="store_true", help="only say what it would make")


def list_(parser: CommandParser) -> None:
    """the newest runs"""
    parser.add_argument("--suite", default="")
    parser.add_argument("--checkpoint", default="")
    parser.add_argument("--probes", action="store_true", help="those of probes")


def show(parser: CommandParser) -> None:
    """how far a run is, and its means"""
    parser.add_argument("id", type=UUID)


def export(parser: CommandParser) -> None:
    """results as CSV: case_id,repeat,component,state,score"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("path", type=Path)


def pace(parser: CommandParser) -> None:
    """how many calls at once the run's endpoint was found to take"""
    parser.add_argument("id", type=UUID)


def cancel(parser: CommandParser) -> None:
    """end a run"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--reason", required=True)


def pause(parser: CommandParser) -> None:
    """begin no further call; what is under way is recorded"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--reason", required=True)


def resume(parser: CommandParser) -> None:
    """go on where a run was paused"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--reason", required=True)


def regrade(parser: CommandParser) -> None:
    """grade what a run stored on a newer version, without calling the checkpoint"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--version", dest="suite", default="", metavar="SUITE@N")
    parser.add_argument("--reason", required=True)
    parser.add_argument("--accept-calls", action="store_true", help="of models that graders ask")
    parser.add_argument("--wait", action="store_true", help="stay until it is over")


class Command(RunSetActions):
    help = "Eval runs: start, import, show, export, pace, pause, resume, cancel, regrade, sets."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = (start, import_, list_, show, export, pace, pause, resume, cancel)
        actions += (regrade, sets, report)
        add_actions(parser, {fill.__name__.rstrip("_"): fill for fill in actions})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_start(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["set"]:
            if options["stop_early_against"] or options["stop_margin"] is not None:
                message = "--stop-early-against is of a single run, not of a set: leave it out."
                raise InvalidInput("no_early_stop_of_sets", message)
            return self.start_set(options)
        against = options["stop_early_against"]
        for name in ("more", "baseline"):
            if options[name]:
                message = f"{name} belongs to a set: give it a name with --set."
                raise InvalidInput("set_missing", message)
        run = services.start_run(
            actor=self.actor(options),
            version=suites.version_named(options["suite"]),
            checkpoint=checkpoint_named(options["checkpoint"]),
            stop_early_against=runs.run_with_id(against) if against else None,
            stop_margin=options["stop_margin"],
            **run_options(options),
        )
        self.say(f"run {run.pk}: {run}, {run.n_expected} items")
        if options["wait"]:
            wait(run, self.say, self.stdout, as_json=self.as_json)
        return self._told(runs.run_with_id(run.pk))

    def run_import(self, options: dict[str, Any]) -> dict[str, Any]:
        log = formats.read_run(options["format"], options["path"])
        checkpoint = checkpoint_named(options["checkpoint"])
        about = {"log": log, "format_name": options["format"], "suite": options["suite"]}
        if options["plan"]:
            return self._foreseen(foreseen.foresee_run(**about))
        made = run_imports.import_run(actor=self.actor(options), checkpoint=checkpoint, **about)
        if not made.is_new:
            self.say("This log was imported for the checkpoint already; nothing was written.")
        told = self._told(runs.run_with_id(made.run.pk))
        beside = runs.stated_beside(made.run)
        for metric in beside:
            self.say(f"  {stated_line(metric)}")
        for sentence in made.run.origin["not_expressible"]:
            self.say(f"  not expressible: {sentence}")
        return {
            **told,
            "is_new": made.is_new,
            "stated": [asdict(metric) for metric in beside],
            "not_expressible": made.run.origin["not_expressible"],
        }

    def _foreseen(self, found: foreseen.ForeseenRun) -> dict[str, Any]:
        which = "made from the log" if found.makes_suite else "which holds its cases"
        self.say(f"{found.n_results} results of {found.model} on {found.suite}, {which}")
        for sentence in found.not_expressible:
            self.say(f"  not expressible: {sentence}")
        self.say("Nothing was written. Leave --plan out to import it.")
        return found.as_dict()

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        names = (options["suite"], options["checkpoint"])
        found = runs.listed_runs(*names, probes=options["probes"])[:50]
        for run in found:
            self.say(f"{run.pk}  {run.state:10} {run}")
        return [{"id": str(run.pk), "state": run.state, "what": str(run)} for run in found]

    def run_show(self, options: dict[str, Any]) -> dict[str, Any]:
        return self._told(runs.run_with_id(options["id"]))

    def run_pace(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = list(runs.pace_changes(runs.run_with_id(options["id"])))
        for change in found:
            self.say(
                f"{change.changed_at:%H:%M:%S}  {change.limit:8.1f} at once, {change.cause}, "
                f"{change.n_workers} workers"
            )
        return [
            {"at": change.changed_at.isoformat(), "limit": change.limit, "cause": change.cause}
            for change in found
        ]

    def run_export(self, options: dict[str, Any]) -> dict[str, Any]:
        run = runs.run_with_id(options["id"])
        with options["path"].open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("case_id", "repeat", "component", "state", "score"))
            n_rows = 0
            for row in runs.result_rows(run):
                table.writerow(row)
                n_rows += 1
        self.say(f"{n_rows} rows written to {options['path']}")
        return {"id": str(run.pk), "n_rows": n_rows, "path": str(options["path"])}

    def run_cancel(self, options: dict[str, Any]) -> dict[str, Any]:
        run = services.cancel_run(
            actor=self.actor(options),
            run=runs.run_with_id(options["id"]),
            reason=options["reason"],
        )
        self.say(f"run {run.pk} is cancelled")
        return {"id": str(run.pk), "state": run.state}

    def run_regrade(self, options: dict[str, Any]) -> dict[str, Any]:
        run = runs.run_with_id(options["id"])
        made = regrades.regrade_run(
            actor=self.actor(options),
            run=run,
            version=suites.version_named(options["suite"] or run.version.suite.name),
            reason=options["reason"],
            accept_calls=options["accept_calls"],
        )
        self.say(f"run {made.pk}: {made} grades again what {run.pk} stored")
        if options["wait"]:
            wait(made, self.say, self.stdout, as_json=self.as_json)
        return self._told(runs.run_with_id(made.pk))

    def run_pause(self, options: dict[str, Any]) -> dict[str, Any]:
        return self._controlled(run_controls.pause_run, options)

    def run_resume(self, options: dict[str, Any]) -> dict[str, Any]:
        return self._controlled(run_controls.resume_run, options)

    def _controlled(self, act: Callable[..., Run], options: dict[str, Any]) -> dict[str, Any]:
        run = runs.run_with_id(options["id"])
        run = act(actor=self.actor(options), run=run, reason=options["reason"])
        self.say(f"run {run.pk} is {run.state}")
        return {"id": str(run.pk), "state": run.state}

    def _told(self, run: Run) -> dict[str, Any]:
        now, against = progress(run), run.stop_early_against_id
        self.say(f"{run.pk}  {run}  {progress_line(now)}")
        means = list(run.metrics.values("node", "n_cases", "n_missing", "mean", "lo", "hi"))
        for mean in means:
            self.say(f"  {mean['node'] or whole(run):32} {mean_line(mean)}")
        stopped = getattr(run, "early_stop", None)
        if stopped is not None:
            self.say(f"  {stopped.sentence}")
            for node in stopped.nodes:
                self.say(f"  {node['node'] or whole(run):32} {stop_line(node)}")
        return {
            "id": str(run.pk),
            "suite": run.version.suite.name,
            "version": run.version.number,
            "checkpoint": run.checkpoint.name,
            **asdict(now),
            "stop_early_against": against and str(against),
            "stop_margin": run.stop_margin,
            "early_stop": stopped and {"n_cases": stopped.n_cases, "nodes": stopped.nodes},
            "nodes": means,
        }
