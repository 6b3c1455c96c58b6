"""Who may do what, on the terminal."""

from __future__ import annotations

from typing import Any

from infra.api.rights import rights_document
from infra.cli import SlipwayCommand


class Command(SlipwayCommand):
    help = "Every right, and the roles and scopes that have it; read from the services' own rules."

    def run(self, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = rights_document()
        for right in found["rights"]:
            who = [*right["roles"], *(f"key:{scope}" for scope in right["scopes"])]
            who += ["administrators"] if right["is_for_administrators"] else []
            who += ["persons, as the case says"] if right["is_by_case"] else []
            self.say(f"{right['action']:44} {', '.join(who)}")
        return found
