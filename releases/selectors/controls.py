"""Stops of the line, rejections and follow-ups, as people look at them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet

from infra.errors import NotFound
from releases.models import Checkpoint, FollowUp, LineStop, Promotion, Rejection


def line_stops() -> QuerySet[LineStop]:
    """Every stop of the line, newest first."""
    return LineStop.objects.select_related("stopped_by", "lift_asked_by", "lifted_by")


def rejections() -> QuerySet[Rejection]:
    """Every rejection, newest first."""
    return Rejection.objects.select_related(
        "checkpoint", "rejected_by", "lift_asked_by", "lifted_by"
    )


def rejection_of(checkpoint: Checkpoint) -> Rejection | None:
    """The one in force; None for a checkpoint that may be promoted."""
    return rejections().filter(checkpoint=checkpoint, lifted_at__isnull=True).first()


def follow_ups() -> QuerySet[FollowUp]:
    """Every follow-up, what is due first."""
    return FollowUp.objects.select_related(
        "promotion__checkpoint", "promotion__stage__pipeline", "done_by"
    )


def follow_up_with_id(follow_up_id: UUID | str) -> FollowUp:
    """That follow-up; NotFound."""
    found = follow_ups().filter(pk=follow_up_id).first()
    if found is None:
        raise NotFound("no_such_follow_up", f"There is no follow-up {follow_up_id}.")
    return found


def follow_up_of(promotion: Promotion) -> FollowUp | None:
    """What a promotion owes or owed; None where it was no hotfix."""
    return follow_ups().filter(promotion=promotion).first() if promotion.hotfix else None


def members_of_set(set_id: UUID | str) -> Sequence[Promotion]:
    """The promotions of a set by size; NotFound."""
    rows = Promotion.objects.filter(together=set_id).select_related(
        "checkpoint__family", "checkpoint__owner", "stage__pipeline", "requested_by"
    )
    found = list(rows.order_by("checkpoint__size"))
    if not found:
        raise NotFound("no_such_set", f"There is no promotion set {set_id}.")
    return found
