"""What ends soon, and ramps whose step waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.urls import reverse

from infra.notifications.kinds import Fact, Kind
from infra.notifications.outbox import persons_with
from infra.roles import Role
from releases.models import Waiver
from releases.selectors.freezes import as_it_stands, standing_freezes
from releases.selectors.ramps import ramps, views_of
from releases.states import RampState
from releases.wording import quoted

AHEAD = timedelta(days=7)
"""How long before a waiver's end or a freeze's beginning people are told."""


def ahead(now: datetime) -> Iterator[Fact]:
    """Waivers that end, freezes that begin, and ramps whose step waits for a person."""
    yield from _waivers_ahead(now)
    yield from _freezes_ahead(now)
    yield from _ramps_asking(now)


def _waivers_ahead(now: datetime) -> Iterator[Fact]:
    rows = Waiver.objects.filter(
        confirmed_by__isnull=False, expires_at__gt=now, expires_at__lte=now + AHEAD
    ).select_related("checkpoint", "stage__pipeline")
    for row in rows:
        day = f"{row.expires_at:%Y-%m-%d}"
        yield Fact(
            kind=Kind.EXPIRY,
            key=f"waiver.ends:{row.pk}:{row.expires_at.isoformat()}",
            event="waiver.expiring",
            title=f"The waiver of {row.gate_id} for {row.checkpoint} ends {day}",
            text=f"From then on the gate counts again in {row.stage}.",
            link=reverse("console-checkpoint", args=[row.checkpoint_id]),
            subject=str(row.pk),
            ordered_by=str(row.checkpoint_id),
            persons=persons_with(Role.RELEASE_MANAGER) | {row.asked_by_id},
            data={"expires_at": row.expires_at, "gate_id": row.gate_id},
        )


def _freezes_ahead(now: datetime) -> Iterator[Fact]:
    for row in standing_freezes():
        window = as_it_stands(row, now).following
        if window is None or not now < window.opens_at <= now + AHEAD:
            continue
        where = row.stage or row.pipeline or "every stage"
        yield Fact(
            kind=Kind.EXPIRY,
            key=f"freeze.begins:{row.pk}:{window.opens_at.isoformat()}",
            event="freeze.ahead",
            title=f"The freeze {row.name} begins {window.opens_at:%Y-%m-%d}",
            text=(
                f"Nothing moves forward in {where} until "
                f"{window.closes_at:%Y-%m-%d %H:%M} UTC: {quoted(row.reason)}"
            ),
            link=reverse("console-stage", args=[row.stage_id])
            if row.stage_id
            else reverse("console-board"),
            subject=str(row.pk),
            persons=persons_with(Role.RELEASE_MANAGER, Role.ENGINEER),
            data={"opens_at": window.opens_at, "closes_at": window.closes_at},
        )


def _ramps_asking(now: datetime) -> Iterator[Fact]:
    going = list(ramps().filter(state=RampState.RAMPING.value))
    for view in views_of(going, now):
        ramp, release = view.ramp, view.ramp.release
        if not view.asks_approval:
            continue
        began = ramp.step_started_at.isoformat()
        yield Fact(
            kind=Kind.DECISION,
            key=f"ramp.asks:{ramp.pk}:{ramp.step}:{began}",
            event="ramp.waiting",
            title=f"The ramp of {release.checkpoint} in {release.stage} waits for approval",
            text=view.sentence,
            link=reverse("console-stage", args=[release.stage_id]),
            subject=str(release.pk),
            ordered_by=str(release.checkpoint_id),
            persons=persons_with(Role.RELEASE_MANAGER),
            data={"step": view.number, "n_steps": view.n_steps},
        )
