"""Django's migrate, followed by the grants of the application's database role."""

from __future__ import annotations

from typing import Any

from django.core.management.commands.migrate import Command as Migrate

from infra.database_roles import apply_grants


class Command(Migrate):
    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if not options["plan"] and not options["check_unapplied"]:
            apply_grants()
