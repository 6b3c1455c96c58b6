"""How commands name a release and print it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from infra.errors import InvalidInput, NotFound
from releases.management.arguments import uuid_of
from releases.models import Release
from releases.selectors.pipelines import stage_named
from releases.selectors.releases import current_release, release_with_id
from releases.states import Arm


def add_release(parser: CommandParser, arm: Arm = Arm.INCUMBENT) -> None:
    """By id, or by the place where it is live: on `arm`, unless another one is named."""
    parser.add_argument("release", metavar="RELEASE", nargs="?", default="", help="its id")
    parser.add_argument("--stage", metavar="STAGE", default="", help="where it is live")
    parser.add_argument("--size", metavar="SIZE", default="", help="which one there")
    arms = [each.value for each in Arm]
    parser.add_argument("--arm", choices=arms, default=arm.value, help="on which arm")


def release_asked(options: dict[str, Any]) -> Release:
    """The release that the arguments name; InvalidInput or NotFound otherwise."""
    if options["release"]:
        return release_with_id(uuid_of(options["release"], "release"))
    if not (options["stage"] and options["size"]):
        raise InvalidInput("release_missing", "Name the release: its id, or --stage and --size.")
    stage = stage_named(options["stage"])
    found = current_release(stage, options["size"], Arm(options["arm"]))
    if found is None:
        sentence = f"No {options['arm']} of size {options['size']} is live in {stage}."
        raise NotFound("nothing_live", sentence)
    return found


def release_dict(release: Release) -> dict[str, Any]:
    """A release as `--json` prints it."""
    return {
        "id": str(release.pk),
        "checkpoint": release.checkpoint.name,
        "stage": str(release.stage),
        "size": release.size,
        "arm": release.arm,
        "share": release.share,
        "state": release.state,
        "started_at": release.started_at.isoformat(),
        "ended_at": release.ended_at.isoformat() if release.ended_at else None,
        "end_reason": release.end_reason,
    }
