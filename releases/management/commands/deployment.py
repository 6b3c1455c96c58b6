"""`manage.py deployment add NAME --base-url U --model M | disable ID | enable ID`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, add_actions
from releases.models import Deployment
from releases.selectors.checkpoints import checkpoint_named, deployment_with_id
from releases.services import deployments as services


class Command(SlipwayCommand):
    help = "Says where a checkpoint answers."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_actions(parser, {"add": _add, "disable": _disable, "enable": _enable})

    def run(self, **options: Any) -> Any:
        deployment: Deployment = getattr(self, f"_{options['action']}")(options)
        return {
            "id": deployment.pk,
            "checkpoint": deployment.checkpoint.name,
            "base_url": deployment.base_url,
            "upstream_model": deployment.upstream_model,
            "state": deployment.state,
            "fingerprint": deployment.fingerprint,
        }

    def _add(self, options: dict[str, Any]) -> Deployment:
        deployment = services.add_deployment(
            actor=self.actor(options),
            checkpoint=checkpoint_named(options["name"]),
            base_url=options["base_url"],
            upstream_model=options["model"],
            secret_ref=options["secret_ref"],
            weight=options["weight"],
            skip_probe_reason=options["skip_probe"],
        )
        self.say(f"{deployment.checkpoint.name} answers at {deployment.base_url}.")
        if deployment.fingerprint:
            said = deployment.fingerprint["text"]
            self.say(f"  {deployment.upstream_model} is served; its first token is {said!r}.")
        else:
            self.say(f"  Nobody asked the upstream: {deployment.probe_skipped_reason}")
        self.say(f"  deployment {deployment.pk}")
        return deployment

    def _disable(self, options: dict[str, Any]) -> Deployment:
        deployment = services.disable_deployment(
            actor=self.actor(options),
            deployment=deployment_with_id(options["id"]),
            reason=options["reason"],
        )
        self.say(f"No new traffic goes to {deployment.base_url}.")
        return deployment

    def _enable(self, options: dict[str, Any]) -> Deployment:
        deployment = services.enable_deployment(
            actor=self.actor(options),
            deployment=deployment_with_id(options["id"]),
            reason=options["reason"],
            skip_probe_reason=options["skip_probe"],
        )
        self.say(f"Traffic may go to {deployment.base_url} again.")
        return deployment


def _add(parser: CommandParser) -> None:
    """Add a deployment, after asking the upstream"""
    parser.add_argument("name", metavar="NAME", help="the checkpoint's name")
    parser.add_argument("--base-url", required=True, metavar="URL", help="http(s)://host:port/v1")
    parser.add_argument("--model", required=True, metavar="M", help="its name at the upstream")
    parser.add_argument("--secret-ref", default="", metavar="REF", help="env:NAME or file:/path")
    parser.add_argument("--weight", type=int, default=100, help="default: %(default)s")
    _skip(parser)


def _skip(parser: CommandParser) -> None:
    parser.add_argument(
        "--skip-probe", default="", metavar="REASON", help="why the upstream may stay unasked"
    )


def _disable(parser: CommandParser) -> None:
    """Take a deployment out of the traffic"""
    parser.add_argument("id", metavar="ID", type=UUID)
    parser.add_argument("--reason", required=True)


def _enable(parser: CommandParser) -> None:
    """Put a deployment back, after asking it who it is"""
    parser.add_argument("id", metavar="ID", type=UUID)
    parser.add_argument("--reason", required=True)
    _skip(parser)
