"""Webhook endpoints from the command line."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from infra import webhooks
from infra.cli import SlipwayCommand, add_actions
from infra.delivery_states import DeliveryState
from infra.errors import UpstreamError
from infra.models import WebhookEndpoint


def add(parser: CommandParser) -> None:
    """tell an address from now on"""
    parser.add_argument("name")
    parser.add_argument("url")
    parser.add_argument("secret_ref", help="env:NAME or file:/path of the whsec_ secret")


def list_(parser: CommandParser) -> None:
    """the endpoints"""


def enable(parser: CommandParser) -> None:
    """tell an address again"""
    parser.add_argument("name")
    parser.add_argument("--reason", required=True)


def disable(parser: CommandParser) -> None:
    """tell an address no longer"""
    parser.add_argument("name")
    parser.add_argument("--reason", required=True)


def test(parser: CommandParser) -> None:
    """send one signed message now; exit 1 when it does not arrive"""
    parser.add_argument("name")


def secret(parser: CommandParser) -> None:
    """print a new secret, which is kept nowhere"""


def deliveries(parser: CommandParser) -> None:
    """the newest messages, and how their calls went"""


def again(parser: CommandParser) -> None:
    """send a message again, under the same id"""
    parser.add_argument("id", type=UUID)
    parser.add_argument("--reason", required=True)


class Command(SlipwayCommand):
    help = "Webhooks: secret, add, test, list, enable, disable, deliveries, again."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = (secret, add, test, list_, enable, disable, deliveries, again)
        add_actions(parser, {fill.__name__.rstrip("_"): fill for fill in actions})

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_add(self, options: dict[str, Any]) -> dict[str, Any]:
        named = {key: options[key] for key in ("name", "url", "secret_ref")}
        made = webhooks.add_endpoint(actor=self.actor(options), **named)
        self.say(f"{made.name} is told at {made.url}")
        return {"id": str(made.pk), **named}

    def run_list(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = list(WebhookEndpoint.objects.values("name", "url", "secret_ref", "is_enabled"))
        for row in found:
            state = "" if row["is_enabled"] else "  (disabled)"
            self.say(f"{row['name']:24} {row['url']}{state}")
        return found

    def run_enable(self, options: dict[str, Any]) -> dict[str, Any]:
        return self._switched(options, True)

    def run_disable(self, options: dict[str, Any]) -> dict[str, Any]:
        return self._switched(options, False)

    def run_test(self, options: dict[str, Any]) -> dict[str, Any]:
        found = webhooks.send_test(
            actor=self.actor(options), endpoint=webhooks.endpoint_named(options["name"])
        )
        attempt = found.attempts.first()
        problem = attempt.problem if attempt else ""
        if found.state != DeliveryState.DELIVERED.value:
            raise UpstreamError("test_failed", f"{options['name']}: {problem}", retryable=True)
        self.say(f"{options['name']} answered {attempt.status if attempt else ''}")
        return {"id": str(found.pk), "state": found.state}

    def run_secret(self, options: dict[str, Any]) -> dict[str, Any]:
        made = webhooks.new_secret()
        self.say(made)
        return {"secret": made}

    def run_deliveries(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        told = []
        for row in webhooks.deliveries()[:50]:
            last = next(iter(row.attempts.all()), None)
            problem = last.problem if last else ""
            self.say(f"{row.pk}  {row.state:10} {row} ({row.n_attempts} calls) {problem}")
            told.append({"id": str(row.pk), "state": row.state, "problem": problem})
        return told

    def run_again(self, options: dict[str, Any]) -> dict[str, Any]:
        row = webhooks.send_again(
            actor=self.actor(options),
            delivery=webhooks.delivery_with_id(options["id"]),
            reason=options["reason"],
        )
        self.say(f"{row.pk} is sent again")
        return {"id": str(row.pk), "state": row.state}

    def _switched(self, options: dict[str, Any], enabled: bool) -> dict[str, Any]:
        row = webhooks.enable_endpoint(
            actor=self.actor(options),
            endpoint=webhooks.endpoint_named(options["name"]),
            enabled=enabled,
            reason=options["reason"],
        )
        self.say(f"{row.name} is {'enabled' if enabled else 'disabled'}")
        return {"name": row.name, "is_enabled": row.is_enabled}
