"""`manage.py replay draw|import|list|start|grade-recorded|show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from django.core.management.base import CommandParser

from evals.caps import Caps
from evals.catalogues import Catalogue, catalogue_of
from evals.models import ReplaySet, Run
from evals.selectors import replays as reads
from evals.services import replays as services
from evals.services.comparisons import compare
from infra.cli import SlipwayCommand, add_actions, moment_of
from infra.errors import InvalidInput
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.pipelines import stage_named


def draw(parser: CommandParser) -> None:
    """a set of partners' conversations of a stage; their text stays where it is"""
    parser.add_argument("name")
    parser.add_argument("stage")
    parser.add_argument("--pipeline", default="", help="where several have a stage of that name")
    parser.add_argument("--since", required=True, help="such as 2026-03-01T00:00Z")
    parser.add_argument("--until", required=True)
    parser.add_argument("--catalogue", type=Path, required=True, help="YAML or JSON")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--partner-cap", type=int, help="at most so many of one partner")
    parser.add_argument("--checkpoint", help="only what this one replied")


def import_(parser: CommandParser) -> None:
    """a set from JSONL: one {"messages": [...]} a line"""
    parser.add_argument("path", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--catalogue", type=Path, required=True, help="YAML or JSON")


def list_(parser: CommandParser) -> None:
    """every set, newest first"""


def start(parser: CommandParser) -> None:
    """ask a checkpoint the set's last replies again, as an eval run"""
    parser.add_argument("set", help="`night` (the newest version) or `night@3`")
    parser.add_argument("checkpoint")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--key", default="", help="the same key starts one run")
    parser.add_argument("--most-tokens", type=int)
    parser.add_argument("--most-cost-micros", type=int)
    parser.add_argument("--most-seconds", type=int)


def grade_recorded(parser: CommandParser) -> None:
    """grade what the record says the checkpoint replied, without a call"""
    parser.add_argument("set")
    parser.add_argument("checkpoint")
    parser.add_argument("--key", default="")


def show(parser: CommandParser) -> None:
    """a replay's rate of every failure mode; --against another checkpoint on the same prefixes"""
    parser.add_argument("run", type=UUID)
    parser.add_argument("--against", metavar="CHECKPOINT")


class Command(SlipwayCommand):
    help = "Real conversations asked again: draw, import, list, start, grade-recorded, show."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {
            "draw": draw,
            "import": import_,
            "list": list_,
            "start": start,
            "grade-recorded": grade_recorded,
            "show": show,
        }
        add_actions(parser, actions)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action'].replace('-', '_')}")(options)

    def run_draw(self, options: dict[str, Any]) -> dict[str, Any]:
        only = options["checkpoint"]
        made = services.draw_set(
            actor=self.actor(options),
            name=options["name"],
            stage=stage_named(options["stage"], options["pipeline"]),
            sampling=services.Sampling(
                since=moment_of(options["since"]),
                until=moment_of(options["until"]),
                n=options["n"],
                seed=options["seed"],
                partner_cap=options["partner_cap"],
            ),
            catalogue=_catalogue(options["catalogue"]),
            checkpoint=checkpoint_named(only) if only else None,
        )
        return self._made(made)

    def run_import(self, options: dict[str, Any]) -> dict[str, Any]:
        path: Path = options["path"]
        made = services.import_set(
            actor=self.actor(options),
            name=options["name"],
            lines=_text(path).splitlines(),
            catalogue=_catalogue(options["catalogue"]),
            file=str(path),
        )
        return self._made(made)

    def _made(self, made: services.MadeSet) -> dict[str, Any]:
        row = made.replay_set
        what = "was made" if made.is_new else "holds exactly this already"
        self.say(f"{row} {what}: {row.version.n_cases} conversations of {row.n_eligible}")
        if row.n_partners:
            self.say(f"  of {row.n_partners} partners, {row.n_unusable} unusable ones left out")
        return {**set_body(row), "is_new": made.is_new}

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        rows = list(reads.replay_sets()[:200])
        for row in rows:
            self.say(f"{row!s:24} {row.source:9} {row.version.n_cases:6} conversations")
        if not rows:
            self.say("No replay set yet: draw one, or import one.")
        return [set_body(row) for row in rows]

    def run_start(self, options: dict[str, Any]) -> dict[str, Any]:
        names = ("most_tokens", "most_cost_micros", "most_seconds")
        run = services.start_replay(
            actor=self.actor(options),
            replay_set=reads.replay_set_named(options["set"]),
            checkpoint=checkpoint_named(options["checkpoint"]),
            repeats=options["repeats"],
            concurrency=options["concurrency"],
            idempotency_key=options["key"],
            caps=Caps(**{name: options[name] for name in names}),
        )
        return self._started(run)

    def run_grade_recorded(self, options: dict[str, Any]) -> dict[str, Any]:
        run = services.grade_recorded(
            actor=self.actor(options),
            replay_set=reads.replay_set_named(options["set"]),
            checkpoint=checkpoint_named(options["checkpoint"]),
            idempotency_key=options["key"],
        )
        return self._started(run)

    def _started(self, run: Run) -> dict[str, Any]:
        self.say(f"{run} is {run.state}: {run.n_expected} conversations ({run.pk})")
        return {"run": str(run.pk), "state": run.state, "n_expected": run.n_expected}

    def run_show(self, options: dict[str, Any]) -> dict[str, Any]:
        run = reads.replay_with_id(options["run"])
        told: dict[str, Any] = {"run": str(run.pk), "state": run.state}
        told["conversations"] = reads.outcomes_of(run)
        self.say(f"{run} is {run.state}: {_counted(told['conversations'])}")
        rates = reads.mode_rates(run)
        for rate in rates:
            self.say(f"  {rate.told}")
        told["modes"] = reads.as_rows(rates)
        if options["against"]:
            told["deltas"] = self._against(run, options["against"])
        return told

    def _against(self, run: Run, name: str) -> list[dict[str, Any]]:
        other = reads.incumbent_run(run, checkpoint_named(name).pk)
        if other is None:
            message = f"{name} has no completed replay of {run.version}: start one first."
            raise InvalidInput("no_completed_replay", message)
        deltas = reads.mode_deltas(run, compare(candidate_run=run, baseline_run=other))
        for one in deltas:
            self.say(f"  {one.told} against {name}")
        return reads.as_rows(deltas)


def set_body(row: ReplaySet) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "set": str(row),
        "source": row.source,
        "n_conversations": row.version.n_cases,
        "n_eligible": row.n_eligible,
        "n_partners": row.n_partners,
        "modes": [mode["mode"] for mode in row.catalogue],
    }


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {what}" for what, n in counts.items() if n) or "nothing yet"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("unreadable_file", f"{path} can't be read: {error}.") from error


def _catalogue(path: Path) -> Catalogue:
    try:
        return catalogue_of(yaml.safe_load(_text(path)), str(path))
    except yaml.YAMLError as error:
        raise InvalidInput("bad_catalogue", f"{path} is no YAML or JSON: {error}.") from error
