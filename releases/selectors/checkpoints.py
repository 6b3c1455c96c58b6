"""Checkpoints, where they answer, and what they cost."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Count, QuerySet

from infra.errors import NotFound
from releases.digests import sha256_of
from releases.identity import firm_part
from releases.models import Checkpoint, Deployment, Family, Price, Release
from releases.states import DeploymentState


def checkpoints(family: str = "", size: str = "") -> QuerySet[Checkpoint]:
    """Newest first, of that family and size when given."""
    found = Checkpoint.objects.select_related("family", "owner", "parent")
    if family:
        found = found.filter(family__name=family)
    return found.filter(size=size) if size else found


def checkpoint_named(name: str) -> Checkpoint:
    """The checkpoint of that name; NotFound names the nearest one."""
    found = checkpoints().filter(name=name).first()
    if found is None:
        names = list(Checkpoint.objects.values_list("name", flat=True)[:500])
        near = difflib.get_close_matches(name, names, 1)
        hint = f"Did you mean {near[0]}?" if near else "`manage.py checkpoint list` shows them."
        raise NotFound("no_such_checkpoint", f"No checkpoint is named {name!r}. {hint}")
    return found


def families() -> QuerySet[Family]:
    """Every family with `n_checkpoints`."""
    return Family.objects.annotate(n_checkpoints=Count("checkpoints")).order_by("name")


def deployment_with_id(deployment_id: UUID) -> Deployment:
    """That deployment with its checkpoint; NotFound."""
    found = Deployment.objects.select_related("checkpoint").filter(pk=deployment_id).first()
    if found is None:
        raise NotFound("no_such_deployment", f"There is no deployment {deployment_id}.")
    return found


def active_deployments(checkpoint_id: UUID) -> QuerySet[Deployment]:
    """Where traffic of that checkpoint may go, oldest first."""
    return Deployment.objects.filter(
        checkpoint_id=checkpoint_id, state=DeploymentState.ACTIVE.value
    ).order_by("created_at")


def deployments_input(checkpoint: Checkpoint, places: Iterable[Deployment]) -> dict[str, str]:
    """Where the checkpoint answers and who answered there, as an input of gates."""
    known = sorted(
        [place.base_url, place.upstream_model, sha256_of(firm_part(place.fingerprint))]
        for place in places
    )
    return {f"deployments:{checkpoint.name}": sha256_of(known)}


def price_at(checkpoint_id: UUID, moment: datetime) -> Price | None:
    """The price in force at that moment; None before the first."""
    return (
        Price.objects.filter(checkpoint_id=checkpoint_id, effective_at__lte=moment)
        .order_by("-effective_at")
        .first()
    )


def current_releases(checkpoint_id: UUID) -> QuerySet[Release]:
    """Where that checkpoint is live now."""
    return Release.objects.filter(
        checkpoint_id=checkpoint_id, ended_at__isnull=True
    ).select_related("stage__pipeline")
