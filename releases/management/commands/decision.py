"""`manage.py decision export ID`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, add_actions
from infra.errors import InvalidInput
from releases.digests import sha256_of
from releases.management.arguments import uuid_of
from releases.selectors.promotions import decision_record_with_id


class Command(SlipwayCommand):
    help = "Exports the record of a decision: one document, with its hash."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"export": _export})

    def run(self, **options: Any) -> Any:
        record = decision_record_with_id(uuid_of(options["id"], "decision or promotion"))
        if sha256_of(record.document) != record.document_hash:
            raise InvalidInput(
                "decision_changed", f"Decision {record.pk} is not the one that was recorded."
            )
        exported = {**record.document, "hash": record.document_hash}
        text = json.dumps(exported, indent=2, sort_keys=True, ensure_ascii=False)
        if options["to"]:
            Path(options["to"]).write_text(f"{text}\n", "utf-8")
            self.say(f"Wrote {options['to']}, hash {record.document_hash}")
        else:
            self.say(text)
        return exported


def _export(parser: CommandParser) -> None:
    """Print the document of one decision"""
    parser.add_argument("id", metavar="ID", help="of the decision, or of its promotion")
    parser.add_argument("--to", metavar="FILE", default="", help="write it there instead")
