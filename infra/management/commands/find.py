"""`manage.py find WORDS`: the console's search in a terminal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.api.search import SearchOut
from infra.brief.rendering import printable
from infra.cli import SlipwayCommand
from infra.search.compose import search


class Command(SlipwayCommand):
    help = "Finds checkpoints, promotions, suites, partners, findings and calls by name or id."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("words", nargs="+", help="each a part of the name; or an id")

    def run(self, **options: Any) -> Any:
        found = search(self.actor(options), " ".join(options["words"]))
        for hit in found.hits:
            self.say(printable(f"{hit.kind.value:11} {hit.title}  {hit.detail}  {hit.address}"))
        if not found.hits:
            self.say("Nothing is called that.")
        return SearchOut(found).data
