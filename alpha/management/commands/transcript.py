"""The keys of partners' kept text from the command line."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from alpha import selectors
from alpha.services import data_keys
from infra.cli import SlipwayCommand, add_actions


def keys(parser: CommandParser) -> None:
    """a partner's data keys, newest first"""
    parser.add_argument("partner")


def rotate(parser: CommandParser) -> None:
    """a new data key for a partner; old texts stay readable and are sealed anew"""
    parser.add_argument("partner")
    parser.add_argument("--reason", required=True)


def erase(parser: CommandParser) -> None:
    """drop a partner's data keys: all its text is gone for good"""
    parser.add_argument("partner")
    parser.add_argument("--reason", required=True)


class Command(SlipwayCommand):
    help = "Kept text of partners: its data keys, rotate them, erase."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"keys": keys, "rotate": rotate, "erase": erase})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_keys(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        partner = selectors.partner_named(options["partner"])
        rows = [
            {
                "number": key.number,
                "created_at": key.created_at,
                "dropped_at": key.dropped_at,
                "texts": key.n_texts,
            }
            for key in data_keys.data_keys_of(partner)
        ]
        for row in rows:
            ended = f", dropped {row['dropped_at']:%Y-%m-%d}" if row["dropped_at"] else ""
            self.say(
                f"key {row['number']} of {row['created_at']:%Y-%m-%d}{ended}: {row['texts']} texts"
            )
        if not rows:
            self.say(f"No text was ever kept of {partner}.")
        return rows

    def run_rotate(self, options: dict[str, Any]) -> dict[str, Any]:
        partner = selectors.partner_named(options["partner"])
        made = data_keys.rotate_data_key(
            actor=self.actor(options), partner=partner, reason=options["reason"]
        )
        self.say(f"{partner} has data key {made.number}; what is kept is sealed anew by the sweep.")
        return {"partner": partner.name, "number": made.number}

    def run_erase(self, options: dict[str, Any]) -> dict[str, Any]:
        partner = selectors.partner_named(options["partner"])
        n_texts = data_keys.drop_data_keys(
            actor=self.actor(options), partner=partner, reason=options["reason"]
        )
        self.say(f"Erased {n_texts} texts of {partner}: nobody can read them any more.")
        return {"partner": partner.name, "texts": n_texts}
