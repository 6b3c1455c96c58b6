"""What every command shares: people's words by default, `--json` for machines, honest exit codes.

Exit 0 done, 1 refused with reasons, 2 usage or nothing to talk to.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import ConnectionError as CounterError

from infra.actors import Actor
from infra.environment import text
from infra.errors import DomainError, InvalidInput
from infra.people import actor_named
from infra.service_keys import actor_of_key
from infra.terminal_text import inert

EXIT_REFUSED = 1
EXIT_USAGE = 2


class SlipwayCommand(BaseCommand):
    """A command whose `run_*` does the work and returns what `--json` prints.

    Subclasses add arguments in `add_arguments` (calling super) and implement `run`, which returns
    a JSON-able value and prints for people through `self.say`.
    """

    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.set_defaults(json=False, by="")
        _add_shared(parser)

    def run(self, **options: Any) -> Any:
        raise NotImplementedError

    def say(self, line: str = "", style: Callable[[str], str] = str) -> None:
        """Print for a person, with nothing in it that a terminal obeys; silent under --json."""
        if not self.as_json:
            self.stdout.write(style(inert(line)))

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json = bool(options["json"])
        try:
            value = self.run(**options)
        except DomainError as refusal:
            self._refuse(refusal)
        except BrokenPipeError:
            # `| head` has seen enough; what is still buffered must not be written at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OperationalError as error:
            raise CommandError(_unreachable(error), returncode=EXIT_USAGE) from error
        except (BrokerError, CounterError) as error:
            message = f"Valkey does not answer ({error}). Start Slipway with `make run`."
            raise CommandError(message, returncode=EXIT_USAGE) from error
        else:
            if self.as_json:
                self.stdout.write(json.dumps(value, indent=2, default=str, sort_keys=True))

    def _refuse(self, refusal: DomainError) -> None:
        if self.as_json:
            self.stdout.write(json.dumps(refusal.as_body(), indent=2, default=str))
        else:
            self.stderr.write(self.style.ERROR(inert(refusal.message)))
            for reason in refusal.reasons:
                if reason.sentence != refusal.message:
                    self.stderr.write(inert(f"  - {reason.sentence}"))
        sys.exit(EXIT_REFUSED)

    def actor(self, options: Mapping[str, Any]) -> Actor:
        """The login named by --by or SLIPWAY_BY, else the service key in SLIPWAY_SERVICE_KEY."""
        login = options["by"] or text("SLIPWAY_BY")
        if login:
            return actor_named(login)
        key = text("SLIPWAY_SERVICE_KEY")
        actor = actor_of_key(key) if key else None
        if actor is None:
            raise CommandError(
                "Say who does this: --by LOGIN, or set SLIPWAY_BY or a valid SLIPWAY_SERVICE_KEY.",
                returncode=EXIT_USAGE,
            )
        return actor


def _unreachable(error: OperationalError) -> str:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else "no answer"
    if settings.EMBEDDED:
        return f"Slipway is not running here: start it with `make run`. ({first_line})"
    return f"The database at SLIPWAY_DATABASE_URL does not answer: {first_line}"


def add_actions(
    parser: CommandParser, actions: Mapping[str, Callable[[CommandParser], None]]
) -> None:
    """Sub-commands of one command: name -> function that adds the sub-command's arguments."""
    choices = parser.add_subparsers(dest="action", required=True, metavar="|".join(actions))
    for name, fill in actions.items():
        action = choices.add_parser(name, help=(fill.__doc__ or "").strip())
        _add_shared(action)
        fill(action)


def _add_shared(parser: CommandParser) -> None:
    """`--json` and `--by`, before the action's name or after it."""
    # Without a default of its own, so that an action's parser keeps what stood before its name.
    absent = argparse.SUPPRESS
    parser.add_argument("--json", action="store_true", default=absent, help="JSON for machines")
    parser.add_argument(
        "--by", metavar="LOGIN", default=absent, help="who does this (or SLIPWAY_BY)"
    )


def moment_of(text: str) -> datetime:
    """The moment in `text`, ISO 8601; without an offset it is in UTC. InvalidInput otherwise."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a moment: write such as 2026-03-01T09:00Z."
        raise InvalidInput("bad_moment", message) from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
