"""Training files from the command line: export, validate, list, show."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.core.management.base import CommandParser

from alpha import selectors as alpha_reads
from evals.models import TrainingExport
from evals.selectors import training as reads
from evals.services import training, training_files, training_readiness
from evals.services.corrections import Asked
from evals.services.training import DEFAULT_VALIDATION, Wanted
from evals.training import files
from evals.training.contract import Split, TrainingKind
from evals.training.readiness import USED_TO
from infra.cli import SlipwayCommand, add_actions, moment_of
from infra.errors import InvalidInput, Reason
from releases.selectors.checkpoints import checkpoint_named

_KINDS = [kind.value for kind in TrainingKind]
SHOWN = 200


def export(parser: CommandParser) -> None:
    """corrections into a folder of training files"""
    parser.add_argument("kind", choices=_KINDS)
    parser.add_argument("folder", type=Path)
    _filtered(parser)


def check(parser: CommandParser) -> None:
    """what a job would refuse of an rft export, or learn nothing by; nothing is written"""
    _filtered(parser)


def _filtered(parser: CommandParser) -> None:
    parser.add_argument("--grader", type=Path, help="of rft: the grader's JSON")
    parser.add_argument("--finding", type=UUID, help="of that finding's remarks alone")
    parser.add_argument("--checkpoint", default="")
    parser.add_argument("--partner", default="")
    parser.add_argument("--since", default="", metavar="MOMENT")
    parser.add_argument("--until", default="", metavar="MOMENT")
    parser.add_argument("--validation-share", type=float, default=DEFAULT_VALIDATION)
    parser.add_argument("--seed", type=int, default=0, help="which conversations validate")
    parser.add_argument("--with-cases", action="store_true", help="what eval suites hold too")
    parser.add_argument(
        "--with-votes", action="store_true", help="of dpo: blind side by sides that were decided"
    )


def validate(parser: CommandParser) -> None:
    """say file:line: rule for every rule that a file breaks"""
    parser.add_argument("file", type=Path)
    parser.add_argument("--format", choices=_KINDS, help="otherwise told by the first row")
    parser.add_argument("--validation", type=Path, help="the file to validate on")
    parser.add_argument("--grader", type=Path, help="of rft: the grader's JSON")


def listing(parser: CommandParser) -> None:
    """exports, newest first"""


def show(parser: CommandParser) -> None:
    """one export's manifest"""
    parser.add_argument("id", type=UUID)


class Command(SlipwayCommand):
    help = "Training rows: check, export, validate, list, show."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {
            "check": check, "export": export, "validate": validate, "list": listing, "show": show
        }  # fmt: skip
        add_actions(parser, actions)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_export(self, options: dict[str, Any]) -> dict[str, Any]:
        folder: Path = options["folder"]
        made = _export_to(folder, self.actor(options), _wanted(options))
        self._say(made)
        self.say(f"written to {folder}")
        return training_files.manifest(made)

    def run_check(self, options: dict[str, Any]) -> dict[str, Any]:
        wanted = _wanted({**options, "kind": TrainingKind.RFT.value})
        found = training_readiness.readiness(actor=self.actor(options), wanted=wanted)
        counts = {f"n_{split.value}": n for split, n in found.n_rows.items()}
        told = ", ".join(f"{n} items to {USED_TO[split]}" for split, n in found.n_rows.items())
        if found.notes:
            reasons = [Reason(code=n.concern.value, sentence=n.sentence) for n in found.notes]
            raise InvalidInput("rft_not_ready", f"This stands against it, of {told}.", reasons)
        self.say(f"Nothing stands against it: {told}, {found.n_tried} tried with the grader.")
        return {**counts, "n_tried": found.n_tried, "left_out": dict(found.left_out), "notes": []}

    def run_validate(self, options: dict[str, Any]) -> dict[str, Any]:
        path: Path = options["file"]
        try:
            kind = TrainingKind(options["format"]) if options["format"] else files.kind_of(path)
            if kind is None:
                message = f"{path} holds no row that tells its format: give --format."
                raise InvalidInput("format_unknown", message)
            others = (options["validation"], options["grader"])
            found = list(files.check_files(kind, path, *others))
        except OSError as error:
            message = f"{error.filename} can't be read: {error.strerror}."
            raise InvalidInput("file_unreadable", message) from error
        if found:
            reasons = [Reason(code=one.rule, sentence=str(one)) for one in found[:SHOWN]]
            more = f" The first {SHOWN} are shown." if len(found) > SHOWN else ""
            message = f"{path} breaks {len(found)} rules of {kind.value}.{more}"
            raise InvalidInput("rules_broken", message, reasons)
        self.say(f"{path} obeys every rule of {kind.value}")
        return {"file": str(path), "format": kind.value, "broken": []}

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = list(reads.exports())
        for one in found:
            self._say(one)
        if not found:
            self.say("No export yet: `training export sft FOLDER` makes one of the corrections.")
        return [training_files.manifest(one) for one in found]

    def run_show(self, options: dict[str, Any]) -> dict[str, Any]:
        found = reads.export_with_id(options["id"])
        self._say(found)
        for file in found.files:
            self.say(f"  {file['name']:18} {file['n_bytes']:>12,} bytes  sha256 {file['sha256']}")
        return training_files.manifest(found)

    def _say(self, made: TrainingExport) -> None:
        rows = f"{made.n_train} rows to train on, {made.n_validation} to validate on"
        self.say(f"{made.pk} {made.kind}: {rows}, by {made.made_by}, digest {made.digest}")
        for why, n in made.left_out.items():
            self.say(f"  left out: {n} {why.replace('_', ' ')}")


def _wanted(options: dict[str, Any]) -> Wanted:
    if options["partner"]:
        alpha_reads.partner_named(options["partner"])
    if options["checkpoint"]:
        checkpoint_named(options["checkpoint"])
    if options["finding"]:
        alpha_reads.finding_of(options["finding"])
    return Wanted(
        kind=TrainingKind(options["kind"]),
        asked=Asked(
            partner=options["partner"],
            checkpoint=options["checkpoint"],
            finding=options["finding"],
            since=moment_of(options["since"]) if options["since"] else None,
            until=moment_of(options["until"]) if options["until"] else None,
            with_cases=options["with_cases"],
            with_votes=options["with_votes"],
        ),
        validation_share=options["validation_share"],
        seed=options["seed"],
        grader=_grader(options["grader"]),
    )


def _grader(path: Path | None) -> Any:
    if path is None:
        return None
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidInput("file_unreadable", f"{path} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidInput("grader_json", f"{path} is no JSON: {error}.") from error


def _export_to(folder: Path, actor: Any, wanted: Wanted) -> TrainingExport:
    """The export with its files in the folder: all of them, or none."""
    training_files.must_export(actor)
    parts = {split: folder / f"{split.value}.jsonl.part" for split in Split}
    names = (training_files.MANIFEST, *training_files.SPLIT_OF)
    taken = [name for name in names if (folder / name).exists()]
    if taken:
        message = f"{folder / taken[0]} exists: name an empty folder."
        raise InvalidInput("folder_taken", message)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            open_files = {s: stack.enter_context(p.open("wb")) for s, p in parts.items()}
            made = training.make_export(
                actor=actor, wanted=wanted, sink=lambda s, line: open_files[s].write(line)
            )
        for split, part in parts.items():
            part.rename(folder / f"{split.value}.jsonl")
        _write_rest(folder, made)
    except OSError as error:
        message = f"{error.filename} can't be written: {error.strerror}."
        raise InvalidInput("folder_unwritable", message) from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return made


def _write_rest(folder: Path, made: TrainingExport) -> None:
    with (folder / training_files.ORIGINS).open("wb") as file:
        for row in training_files.origins(made):
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    if made.grader is not None:
        body = training_files.grader_body(made.grader)
        (folder / training_files.GRADER).write_bytes(body)
    body = orjson.dumps(training_files.manifest(made), option=orjson.OPT_INDENT_2)
    (folder / training_files.MANIFEST).write_bytes(body)
