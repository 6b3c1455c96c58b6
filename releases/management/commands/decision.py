"""`manage.py decision export ID`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, add_actions
from infra.errors import InvalidInput
from releases.management.arguments import uuid_of
from releases.selectors.decisions import exported
from releases.selectors.promotions import decision_record_with_id


class Command(SlipwayCommand):
    help = "Exports the record of a decision: one document, with its hash."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"export": _export})

    def run(self, **options: Any) -> Any:
        record = decision_record_with_id(uuid_of(options["id"], "decision or promotion"))
        document = exported(record, cases=options["cases"])
        text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)
        if options["out"]:
            _write(Path(options["out"]), text)
            self.say(f"Wrote {options['out']}, hash {record.document_hash}")
            self.say(f"Judge it again anywhere: python -m releases.replay {options['out']}")
        else:
            self.say(text)
        return document


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(f"{text}\n", "utf-8")
    except OSError as error:
        raise InvalidInput("bad_file", f"{path} can't be written: {error}.") from error


def _export(parser: CommandParser) -> None:
    """Print the document of one decision"""
    parser.add_argument("id", metavar="ID", help="of the decision, or of its promotion")
    parser.add_argument("--out", "--to", metavar="FILE", default="", help="write it there instead")
    parser.add_argument(
        "--cases",
        action="store_true",
        help="also what every interval was computed from, for `releases.replay --deep`",
    )
