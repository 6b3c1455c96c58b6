"""Whom a checkpoint has served: since when, how often, and what they know it by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Max, Min, QuerySet

from alpha.models import Notice, NoticeRecipient, Partner, UsageEvent
from infra.errors import NotFound
from releases.models import Checkpoint, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What one partner was served by one checkpoint."""

    partner: Partner
    codenames: tuple[str, ...]
    n_calls: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One recipient of a notice, with what it was served where that is known."""

    recipient: NoticeRecipient
    exposure: Exposure | None


def exposed_to(checkpoint: Checkpoint) -> list[Exposure]:
    """Every partner that the checkpoint has served, by name; whatever became of the calls."""
    releases = Release.objects.filter(checkpoint=checkpoint).values_list("pk", flat=True)
    rows: QuerySet[Any, dict[str, Any]] = (
        UsageEvent.objects.filter(release__in=list(releases))
        .values("partner_id")
        .annotate(
            n_calls=Count("request_id"),
            first_at=Min("started_at"),
            last_at=Max("started_at"),
            codenames=ArrayAgg("codename", distinct=True),
        )
        .order_by()
    )
    found = {row.pop("partner_id"): row for row in rows}
    partners = Partner.objects.filter(pk__in=found).order_by("name")
    return [
        Exposure(partner=partner, codenames=tuple(sorted(row.pop("codenames"))), **row)
        for partner, row in ((each, found[each.pk]) for each in partners)
    ]


def notices() -> QuerySet[Notice]:
    """Every notice, newest first, with `n_recipients` and `n_acknowledged`."""
    found = Notice.objects.select_related("sent_by", "stage__pipeline", "checkpoint").annotate(
        n_recipients=Count("recipients"),
        n_acknowledged=Count("recipients__acknowledged_at"),
    )
    return found.order_by("-sent_at", "-pk")


def notice_of(notice_id: UUID) -> Notice:
    """The notice of that id; NotFound."""
    found = notices().filter(pk=notice_id).first()
    if found is None:
        raise NotFound("no_such_notice", f"No notice {notice_id}.")
    return found


def told(notice: Notice) -> list[Told]:
    """Who got the notice; of a recall with what each was served, as it is known today."""
    exposures = exposed_to(notice.checkpoint) if notice.checkpoint else []
    served = {one.partner.pk: one for one in exposures}
    related = ("partner", "acknowledged_with", "acknowledged_by")
    recipients = notice.recipients.select_related(*related)
    return [Told(recipient=one, exposure=served.get(one.partner_id)) for one in recipients]
