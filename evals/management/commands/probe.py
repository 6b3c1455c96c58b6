"""Probes from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from django.core.management.base import CommandParser

from evals.models import Probe
from evals.probes.changes import TEMPLATES
from evals.probes.planning import design_sentence
from evals.runner import probe_proposals
from evals.selectors import probes as reads
from evals.services.probes import concluding, design, documents, review, running
from infra.cli import SlipwayCommand, add_actions
from infra.errors import InvalidInput


def create(parser: CommandParser) -> None:
    """a draft from a YAML or JSON file, with what it can see before it runs"""
    parser.add_argument("path", type=Path)


def templates(parser: CommandParser) -> None:
    """the kinds of hypotheses that pairs are generated from"""


def list_(parser: CommandParser) -> None:
    """every probe, or those of one finding"""
    parser.add_argument("--finding", type=UUID)


def show(parser: CommandParser) -> None:
    """a probe: design, runs, and what every hypothesis came to"""
    parser.add_argument("id", type=UUID)


def pairs(parser: CommandParser) -> None:
    """a probe's pairs with their ids"""
    parser.add_argument("id", type=UUID)


def review_(parser: CommandParser) -> None:
    """approve or drop pairs: those named, or all of one hypothesis"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("decision", choices=["approve", "drop"])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--pair", type=UUID, action="append")
    which.add_argument("--hypothesis")


def write(parser: CommandParser) -> None:
    """a hypothesis of your own from a YAML or JSON file: component, sentence, changed"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("path", type=Path)


def propose(parser: CommandParser) -> None:
    """hypotheses by a model, whose pairs are reviewed like any other"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--model", required=True, help="as model graders name theirs")
    parser.add_argument("--most", type=int, default=3)


def start(parser: CommandParser) -> None:
    """one run a checkpoint, once every pair is reviewed"""
    parser.add_argument("id", type=UUID)


def conclude(parser: CommandParser) -> None:
    """work out what it came to, once its runs are over"""
    parser.add_argument("id", type=UUID)


def abandon(parser: CommandParser) -> None:
    """give it up"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--reason", required=True)


class Command(SlipwayCommand):
    help = (
        "Probes: create, templates, list, show, pairs, write, propose, review, start, conclude, "
        "abandon."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {
            "create": create,
            "templates": templates,
            "list": list_,
            "show": show,
            "pairs": pairs,
            "review": review_,
            "write": write,
            "propose": propose,
            "start": start,
            "conclude": conclude,
            "abandon": abandon,
        }
        add_actions(parser, actions)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_create(self, options: dict[str, Any]) -> dict[str, Any]:
        document = _document(options["path"])
        made = documents.create_from_document(actor=self.actor(options), document=document)
        self.say(f"Probe {made.pk} is a draft: review its pairs, then start it.")
        return self._shown(reads.probe_with_id(made.pk))

    def run_templates(self, options: dict[str, Any]) -> list[dict[str, str]]:
        for one in TEMPLATES.values():
            self.say(f"{one.name:20} {one.component:32} {one.sentence}")
        return [
            {"name": one.name, "component": one.component, "sentence": one.sentence}
            for one in TEMPLATES.values()
        ]

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        for probe in reads.probes(options["finding"]):
            self.say(f"{probe.pk}  {probe.state:10} {probe.verdict or '-':17} {probe.title}")
            found.append(
                {"id": str(probe.pk), "state": probe.state, "verdict": probe.verdict}
                | {"title": probe.title, "finding": str(probe.finding_id)}
            )
        return found

    def run_show(self, options: dict[str, Any]) -> dict[str, Any]:
        return self._shown(reads.probe_with_id(options["id"]))

    def run_pairs(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        design.must_design(self.actor(options))
        found = []
        for pair in reads.pairs_of(reads.probe_with_id(options["id"])):
            self.say(f"{pair.pk}  {pair.state:8} {pair.hypothesis.name:20} {pair.prompt}")
            found.append(
                {"id": str(pair.pk), "state": pair.state, "hypothesis": pair.hypothesis.name}
                | {"prompt": pair.prompt.number, "changed": pair.changed}
            )
        return found

    def run_review(self, options: dict[str, Any]) -> dict[str, Any]:
        probe = reads.probe_with_id(options["id"])
        ids = options["pair"]
        if ids is None:
            named = reads.pairs_of(probe).filter(hypothesis__name=options["hypothesis"])
            ids = list(named.values_list("pk", flat=True))
        found = review.review_pairs(
            actor=self.actor(options),
            probe=probe,
            pair_ids=ids,
            approve=options["decision"] == "approve",
        )
        left = reads.probe_with_id(probe.pk).n_unreviewed
        self.say(f"{len(found)} pairs reviewed; {left} wait.")
        return {"n_reviewed": len(found), "n_unreviewed": left}

    def run_write(self, options: dict[str, Any]) -> dict[str, Any]:
        probe = reads.probe_with_id(options["id"])
        made = documents.write_from_document(
            actor=self.actor(options), probe=probe, document=_document(options["path"])
        )
        n_pairs = made.pairs.count()
        self.say(f"{made.name}: {n_pairs} pairs wait for a person who approves or drops them.")
        return {"name": made.name, "component": made.component, "n_pairs": n_pairs}

    def run_propose(self, options: dict[str, Any]) -> dict[str, Any]:
        found = probe_proposals.propose(
            actor=self.actor(options),
            probe=reads.probe_with_id(options["id"]),
            model=options["model"],
            n=options["most"],
        )
        for one in found.made:
            self.say(f"{one.name}: {one.sentence}")
        for sentence in found.refused:
            self.say(f"  left out: {sentence}")
        return {"made": [one.name for one in found.made], "refused": list(found.refused)}

    def run_start(self, options: dict[str, Any]) -> dict[str, Any]:
        probe = reads.probe_with_id(options["id"])
        running.start_probe(actor=self.actor(options), probe=probe)
        return self._shown(reads.probe_with_id(probe.pk))

    def run_conclude(self, options: dict[str, Any]) -> dict[str, Any]:
        probe = reads.probe_with_id(options["id"])
        concluding.conclude_probe(actor=self.actor(options), probe=probe)
        return self._shown(reads.probe_with_id(probe.pk))

    def run_abandon(self, options: dict[str, Any]) -> dict[str, Any]:
        probe = reads.probe_with_id(options["id"])
        design.abandon_probe(actor=self.actor(options), probe=probe, reason=options["reason"])
        return self._shown(reads.probe_with_id(probe.pk))

    def _shown(self, probe: Probe) -> dict[str, Any]:
        seen = design_sentence(reads.design_of(probe))
        self.say(f"{probe.title}: {probe.state}. {probe.sentence}")
        self.say(f"  {seen}")
        runs = []
        for one in probe.probe_runs.select_related("checkpoint", "run"):
            state = one.run.state if one.run else "not started"
            self.say(f"  {one.checkpoint.name}: {state}")
            runs.append({"checkpoint": one.checkpoint.name, "state": state, "run": one.run_id})
        for row in (probe.result or {}).get("effects", []):
            self.say(f"  {row['sentence']}")
        return {
            "id": str(probe.pk),
            "state": probe.state,
            "verdict": probe.verdict,
            "sentence": probe.sentence,
            "design": seen,
            "n_unreviewed": probe.n_unreviewed,
            "runs": runs,
            "result": probe.result,
        }


def _document(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput("probe_document", f"{path} can't be read: {error}.") from error
