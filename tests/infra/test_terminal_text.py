"""What others wrote, on a terminal and in cookies' settings: nothing of it acts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest

from infra.cli import SlipwayCommand
from infra.embedded.paths import PROJECT_DIR
from infra.errors import InvalidInput, Reason
from infra.terminal_text import inert

NASTY = "a\x1b[31mred\x9b2J\u202egnp.exe\r\x07 \u2066b"
ACTING = [*map(chr, range(9)), *map(chr, range(11, 32)), "\x9b", "\u202e", "\u2066"]


def test_controls_and_direction_marks_are_shown() -> None:
    assert inert(NASTY) == "a␛[31mred\ufffd2J<U+202E>gnp.exe␍␇ <U+2066>b"
    assert inert("line\n\tline – ü 日本 👍🏽") == "line\n\tline – ü 日本 👍🏽"


class Telling(SlipwayCommand):
    """Says what it was given, or refuses with it."""

    def run(self, **options: Any) -> Any:
        if options["refuse"]:
            raise InvalidInput("nasty", NASTY, [Reason(code="why", sentence=f"Why: {NASTY}")])
        self.say(f"{NASTY:<40} | {NASTY}")
        return [NASTY]


@pytest.mark.parametrize("as_json", [False, True])
def test_no_command_lets_names_command_the_terminal(as_json: bool) -> None:
    out, problems = StringIO(), StringIO()
    telling = Telling(stdout=out, stderr=problems, no_color=True)
    telling.handle(json=as_json, refuse=False)
    with pytest.raises(SystemExit):
        telling.handle(json=as_json, refuse=True)
    printed = out.getvalue() + problems.getvalue()
    assert "gnp.exe" in printed
    assert not [mark for mark in ACTING if mark in printed]


def test_cookies_are_secure_where_the_address_is() -> None:
    names = ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY",
             "CSRF_COOKIE_HTTPONLY", "SECURE_HSTS_SECONDS"]  # fmt: skip
    script = (
        f"import json, infra.settings as s; print(json.dumps([getattr(s, n) for n in {names}]))"
    )
    environment = os.environ | {"SLIPWAY_BASE_URL": "https://slipway.example"}
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT_DIR, env=environment, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    *flags, hsts_s = json.loads(told.stdout)
    assert flags == [True] * 4 and hsts_s >= 31_536_000
