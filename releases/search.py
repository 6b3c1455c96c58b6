"""Checkpoints, promotions and stages as things to find."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from infra.search.contract import Hit, Sought
from infra.search.kinds import HitKind
from releases.models import Checkpoint, Stage
from releases.selectors.promotions import promotions


def checkpoints(sought: Sought) -> Iterator[Hit]:
    """By name, family, size or owner; also by a digest's beginning. Newest first."""
    if not sought.text:
        return
    wanted = sought.by_name_or_id("name", "family__name", "size", "owner__name")
    if len(sought.text) >= 12:
        wanted |= sought.within("checkpoint_digest")
    rows = Checkpoint.objects.filter(wanted).select_related("family", "owner")
    for row in rows.order_by("-registered_at")[: sought.most]:
        yield Hit(
            kind=HitKind.CHECKPOINT,
            title=row.name,
            detail=f"{row.family.name} {row.size}, {row.owner}, {row.registered_at:%Y-%m-%d}",
            address=reverse("console-checkpoint", args=[row.pk]),
        )


def found_promotions(sought: Sought) -> Iterator[Hit]:
    """By checkpoint, stage, state or requester; the newest first."""
    if not sought.text:
        return
    wanted = sought.by_name_or_id("checkpoint__name", "stage__name", "state", "requester_name")
    for row in promotions().filter(wanted).order_by("-requested_at")[: sought.most]:
        yield Hit(
            kind=HitKind.PROMOTION,
            title=f"{row.checkpoint.name} → {row.stage.name}",
            detail=f"{row.state}, asked by {row.requester_name} {row.requested_at:%Y-%m-%d}",
            address=reverse("console-promotion", args=[row.pk]),
        )


def stages(sought: Sought) -> Iterator[Hit]:
    """By name, pipeline, or a codename that is called there."""
    if not sought.text:
        return
    wanted = sought.by_name_or_id("name", "pipeline__name", "codenames__name")
    rows = Stage.objects.filter(wanted, retired_at=None).select_related("pipeline").distinct()
    for row in rows.order_by("pipeline__name", "position")[: sought.most]:
        yield Hit(
            kind=HitKind.STAGE,
            title=str(row),
            detail=f"stage {row.position + 1}",
            address=reverse("console-stage", args=[row.pk]),
        )
