"""`manage.py notification list|choices|choose|again|test|send`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, add_actions
from infra.errors import NotFound
from infra.models import Mail
from infra.notifications import choices, mailing, outbox, reader
from infra.notifications.kinds import Kind, Way


def list_(parser: CommandParser) -> None:
    """what you were told, newest first"""
    parser.add_argument("--n", type=int, default=30)


def choices_(parser: CommandParser) -> None:
    """how you hear of each kind"""


def choose(parser: CommandParser) -> None:
    """hear of a kind otherwise"""
    parser.add_argument("kind", choices=[kind.value for kind in Kind])
    parser.add_argument("way", choices=[way.value for way in Way])


def again(parser: CommandParser) -> None:
    """have a mail that failed sent again"""
    parser.add_argument("id", type=UUID)


def test(parser: CommandParser) -> None:
    """one mail to your own address, now"""


def send(parser: CommandParser) -> None:
    """tell what was recorded, look ahead, and send what is due: what the scheduler does"""


class Command(SlipwayCommand):
    help = "Notifications: list, choices, choose, again, test, send."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = (list_, choices_, choose, again, test, send)
        add_actions(parser, {fill.__name__.rstrip("_"): fill for fill in actions})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        person_id = self.actor(options).must_be_person("be told of anything")
        told = []
        for row in outbox.told_to(person_id)[: options["n"]]:
            made = row.notification
            self.say(f"{made.at:%Y-%m-%d %H:%M}  {made.kind:9} {row.state:9} {made.title}")
            told.append(
                {
                    "id": str(row.pk),
                    "at": made.at,
                    "kind": made.kind,
                    "state": row.state,
                    "title": made.title,
                    "link": outbox.address_of(made.link),
                }
            )
        return told

    def run_choices(self, options: dict[str, Any]) -> dict[str, str]:
        ways = choices.ways_of(self.actor(options).must_be_person("choose how to be told"))
        return self._said(ways)

    def run_choose(self, options: dict[str, Any]) -> dict[str, str]:
        ways = {Kind(options["kind"]): Way(options["way"])}
        return self._said(choices.choose_ways(actor=self.actor(options), ways=ways))

    def run_again(self, options: dict[str, Any]) -> dict[str, str]:
        found = Mail.objects.filter(pk=options["id"]).first()
        if found is None:
            raise NotFound("no_such_mail", "You have no such mail.")
        row = mailing.send_again(actor=self.actor(options), mail=found)
        self.say("It goes out again.")
        return {"id": str(row.pk), "state": row.state}

    def run_test(self, options: dict[str, Any]) -> dict[str, str]:
        address = mailing.send_test(actor=self.actor(options))
        self.say(f"A test mail is on its way to {address}.")
        return {"address": address}

    def run_send(self, options: dict[str, Any]) -> dict[str, int]:
        n_told = reader.read_on() + reader.look_ahead()
        n_sent = mailing.send_due()
        self.say(f"{n_told} told, {n_sent} mailed.")
        return {"n_told": n_told, "n_sent": n_sent}

    def _said(self, ways: choices.Ways) -> dict[str, str]:
        for kind, way in ways.items():
            self.say(f"{kind:9} {way}")
        return {kind.value: way.value for kind, way in ways.items()}
