"""Which of a checkpoint's deployments answers a call. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from alpha.routing import CheckpointEntry, DeploymentEntry


def choose_deployment(
    checkpoint: CheckpointEntry, draw: int, resting: frozenset[UUID] = frozenset()
) -> DeploymentEntry:
    """One of the checkpoint's deployments by weight; `draw` is any non-negative number.

    Those that rest are chosen only where all do, one of weight 0 only where the others weigh
    nothing or rest.
    """
    return _by_weight(_awake(checkpoint.deployments, resting), draw)


def choose_fallback(
    checkpoint: CheckpointEntry,
    failed: DeploymentEntry,
    draw: int,
    resting: frozenset[UUID] = frozenset(),
) -> DeploymentEntry | None:
    """Another deployment of the same checkpoint, by weight; None when there is no other."""
    others = tuple(place for place in checkpoint.deployments if place.id != failed.id)
    return _by_weight(_awake(others, resting), draw) if others else None


def _awake(
    deployments: tuple[DeploymentEntry, ...], resting: frozenset[UUID]
) -> tuple[DeploymentEntry, ...]:
    if not resting:
        return deployments
    return tuple(place for place in deployments if place.id not in resting) or deployments


def _by_weight(deployments: Sequence[DeploymentEntry], draw: int) -> DeploymentEntry:
    total = sum(deployment.weight for deployment in deployments)
    if total == 0:
        return deployments[draw % len(deployments)]
    point = draw % total
    for deployment in deployments:
        point -= deployment.weight
        if point < 0:
            return deployment
    raise AssertionError("a draw below the total weight always meets a deployment")
