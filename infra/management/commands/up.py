"""Runs the whole product here: database, broker, server, worker, beat and demo."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from infra.embedded import EmbeddedError
from infra.supervisor.run import add_arguments, run_product


class Command(BaseCommand):
    help = "Runs Slipway until Ctrl-C; starts PostgreSQL and Valkey itself unless URLs are set."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sys.exit(run_product(options["bind"], demo=not options["no_demo"]))
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
