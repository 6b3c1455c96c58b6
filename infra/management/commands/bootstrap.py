"""First logins and keys; safe to repeat."""

from __future__ import annotations

from typing import Any

from infra.cli import SlipwayCommand
from infra.demo.cast import bootstrap


class Command(SlipwayCommand):
    help = "Makes the first logins, a service key and a partner key where they are missing."

    def run(self, **options: Any) -> dict[str, Any]:
        facts = bootstrap()
        for user in facts["users"].values():
            self.say(f"{user['username']:24} {user['password']}")
        self.say(f"{'partner key':24} {facts['partner_key']}")
        login = facts["partner_login"]
        self.say(f"{login['email']:24} {login['password']}")
        self.say(f"{'service key':24} {facts['service_key']}")
        return facts
