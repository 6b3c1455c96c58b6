"""What the supervisor says to the person who started it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

LABEL_WIDTH = 14
RULE = "-" * 72


def say(line: str = "") -> None:
    """Prints a line; a closed terminal is no reason to stop."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except (BrokenPipeError, OSError):
        pass


def welcome(facts: Mapping[str, Any], runfile: str) -> str:
    """The block with addresses, logins and partner key; absent facts are left out."""
    rows = [("Console", facts.get("console_url")), *_logins(facts)]
    rows.append(("Partner API", f"{facts['base_url']}/v1" if "base_url" in facts else None))
    rows.append(("Partner key", facts.get("partner_key")))
    rows.append(("Codename", facts.get("codename")))
    rows += _partner_pages(facts)
    rows.append(("All logins", f"{runfile} (only you can read it)"))
    rows.append(("Stop", "Ctrl-C"))
    body = [f"  {label:<{LABEL_WIDTH}}{value}" for label, value in rows if value]
    return "\n".join(["", RULE, *body, RULE, ""])


def _partner_pages(facts: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    login = facts.get("partner_login")
    if not login or "base_url" not in facts:
        return []
    return [
        ("Partner pages", f"{facts['base_url']}/partner/"),
        ("Partner login", f"{login['email']}  /  {login['password']}"),
    ]


def _logins(facts: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    users = facts.get("users") or {}
    titles = {"admin": "Admin login", "release_manager": "Release mgr"}
    return [
        (title, f"{users[role].get('username')}  /  {users[role].get('password')}")
        for role, title in titles.items()
        if role in users
    ]
