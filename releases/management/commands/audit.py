"""`manage.py audit verify`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from infra import audit
from infra.cli import EXIT_REFUSED, SlipwayCommand, add_actions


class Command(SlipwayCommand):
    help = "Walks the audit log's chain and holds its head against the anchor."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"verify": _verify})

    def run(self, **options: Any) -> Any:
        found = audit.verify()
        if found.problem is None:
            self.say(f"The audit log is whole: {found.n_entries} entries, head {found.head[:16]}…")
        else:
            self.say(f"The audit log is broken: {found.problem}.", self.style.ERROR)
        self.broken = found.problem is not None
        return asdict(found)

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if self.broken:
            sys.exit(EXIT_REFUSED)


def _verify(parser: CommandParser) -> None:
    """Name the first entry that was changed, is missing, or was cut off"""
