"""Judges from the command line."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from django.core.management.base import CommandParser

from evals.formats import meta_eval
from evals.runner import judging
from evals.selectors import judges as reads
from evals.selectors import runs
from evals.services import judges as services
from evals.services import labels, meta_evals
from infra import clock
from infra.cli import SlipwayCommand, add_actions
from infra.errors import InvalidInput


def create(parser: CommandParser) -> None:
    """a judge, or its next version, from a YAML or JSON file"""
    parser.add_argument("path", type=Path)
    parser.add_argument("--plan", action="store_true", help="only say what would go stale")


def calibrate(parser: CommandParser) -> None:
    """ask the judge about what people labelled, and measure how far they agree"""
    parser.add_argument("judge", help="`tone` (the newest version) or `tone@3`")


def show(parser: CommandParser) -> None:
    """a judge: question, terms, versions, calibrations, how far the labelling is"""
    parser.add_argument("name")


def list_(parser: CommandParser) -> None:
    """every judge with its newest version"""


def draw(parser: CommandParser) -> None:
    """outputs of a run for people to label"""
    parser.add_argument("name")
    parser.add_argument("--run", type=UUID, required=True)
    parser.add_argument("--cases", type=int, required=True)


def import_(parser: CommandParser) -> None:
    """a judge with human labels from an openai/evals meta-eval"""
    parser.add_argument("path", type=Path, help="the eval's YAML, or a folder with one")
    parser.add_argument("--name", required=True)
    parser.add_argument("--model", required=True, help="what the judge asks")


def export(parser: CommandParser) -> None:
    """a version with the labels that stand, as an openai/evals meta-eval"""
    parser.add_argument("judge", help="`tone` (the newest version) or `tone@3`")
    parser.add_argument("path", type=Path)


class Command(SlipwayCommand):
    help = "Judges: create, list, show, draw, calibrate, import, export."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {
            "create": create,
            "list": list_,
            "show": show,
            "draw": draw,
            "calibrate": calibrate,
            "import": import_,
            "export": export,
        }
        add_actions(parser, actions)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_create(self, options: dict[str, Any]) -> dict[str, Any]:
        spec = services.spec_of_document(_document(options["path"]))
        if options["plan"]:
            stale = services.stale_by_version(spec)
            for found in stale:
                self.say(f"  would go stale: {found.sentence}")
            self.say("Nothing was written. Leave --plan out to make it.")
            return {"would_go_stale": [found.as_dict() for found in stale]}
        made = services.make_version(actor=self.actor(options), spec=spec)
        self.say(f"{made.version} {'was made' if made.is_new else 'holds exactly this already'}")
        for found in made.stale:
            self.say(f"  stale by it: {found.sentence}")
        return {
            "judge": str(made.version),
            "is_new": made.is_new,
            "digest": made.version.digest,
            "made_stale": [found.as_dict() for found in made.stale],
        }

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        for judge in reads.judges():
            self.say(f"{judge.name:24} @{judge.version_number:<4} {judge.n_items} outputs drawn")
            row = {"name": judge.name, "version": judge.version_number, "n_items": judge.n_items}
            found.append({**row, "owner": judge.owner.name})
        return found

    def run_show(self, options: dict[str, Any]) -> dict[str, Any]:
        judge = reads.judge_named(options["name"])
        progress = reads.progress(judge, None)
        self.say(f"{judge.name}: {judge.question}")
        choices = ", ".join(f"{choice} ({score:g})" for choice, score in judge.scores.items())
        self.say(f"  choices {choices}; floor {judge.floor:g}, {judge.min_labels} labels")
        self.say(
            f"  {progress.n_labelled} of {progress.n_items} outputs are labelled, "
            f"{progress.n_settled} by {judge.n_raters} raters who agree"
        )
        versions = []
        for version, found in reads.versions_with_calibration(judge):
            version.judge = judge
            problem = reads.unfit(version, found, clock.now())
            self.say(f"  {version} asks {version.model}: {problem or 'may gate'}")
            numbers = reads.summary(found) if found else None
            versions.append({"judge": str(version), "unfit": problem, "calibration": numbers})
        return {
            "name": judge.name,
            "question": judge.question,
            "choices": judge.scores,
            "floor": judge.floor,
            "min_labels": judge.min_labels,
            "n_raters": judge.n_raters,
            "labelling": asdict(progress),
            "versions": versions,
        }

    def run_draw(self, options: dict[str, Any]) -> dict[str, Any]:
        items = labels.draw_items(
            actor=self.actor(options),
            judge=reads.judge_named(options["name"]),
            run=runs.run_with_id(options["run"]),
            n_cases=options["cases"],
        )
        self.say(f"{len(items)} outputs more to label at /console/judges/{options['name']}/label/")
        return {"judge": options["name"], "n_new": len(items)}

    def run_calibrate(self, options: dict[str, Any]) -> dict[str, Any]:
        version = reads.version_named(options["judge"])
        made = judging.calibrate(actor=self.actor(options), version=version)
        problem = reads.unfit(version, made, clock.now())
        self.say(reads.sentence(made))
        self.say(problem or f"Judge {version} may gate.")
        return {**reads.summary(made), "unfit": problem}

    def run_import(self, options: dict[str, Any]) -> dict[str, Any]:
        found = meta_eval.read(options["path"])
        made = meta_evals.import_meta_eval(
            actor=self.actor(options), name=options["name"], model=options["model"], found=found
        )
        self.say(f"{made.version}: {made.n_items} labelled outputs from {options['path']}")
        for sentence in found.not_expressible:
            self.say(f"  not expressible: {sentence}")
        return {
            "judge": str(made.version),
            "n_items": made.n_items,
            "not_expressible": list(found.not_expressible),
        }

    def run_export(self, options: dict[str, Any]) -> dict[str, Any]:
        version = reads.version_named(options["judge"])
        services.must_edit(self.actor(options))
        found = meta_evals.meta_eval_of(version)
        meta_eval.write(found, options["path"])
        self.say(f"{version} with {len(found.samples)} labelled outputs is in {options['path']}")
        for sentence in found.not_expressible:
            self.say(f"  not expressible: {sentence}")
        return {
            "judge": str(version),
            "n_items": len(found.samples),
            "not_expressible": list(found.not_expressible),
        }


def _document(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput("judge_document", f"{path} can't be read: {error}.") from error
