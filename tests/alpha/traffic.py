"""Live traffic written the way the gateway writes it: through the journal and the shipper."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from alpha.gateway.shipper import BIND, INSERT
from alpha.models import Partner
from alpha.services import grants, keys, partners
from infra import clock
from infra.ids import uuid7
from releases.models import Checkpoint, Deployment, Release, ShareChange, Stage
from tests import builders
from tests.alpha.builders import ACTOR

SINCE = builders.NOW
"""When everything here goes live."""


def request_id_at(moment: datetime) -> UUID:
    """A request id whose first 48 bits tell that moment, as those of the gateway do."""
    fresh = uuid7().int & ((1 << 80) - 1)
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | fresh)


def unit(name: object) -> str:
    return hashlib.blake2b(str(name).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A partner with a key and a grant."""

    partner: Partner
    key_id: UUID
    grant_id: UUID


def caller(name: str, stage: Stage) -> Caller:
    partner = partners.make_partner(actor=ACTOR, name=name, contact_email=f"dev@{name}.example")
    consent = grants.Consent(terms_version="1", accepted_by="Ada")
    grant = grants.make_grant(actor=ACTOR, stage=stage, partner=partner, consent=consent)
    key, _ = keys.issue_key(actor=ACTOR, partner=partner)
    return Caller(partner=partner, key_id=key.pk, grant_id=grant.pk)


def go_live(
    checkpoint: Checkpoint, stage: Stage, arm: str, share: int, since: datetime = SINCE
) -> Release:
    release = Release.objects.create(
        stage=stage,
        family=checkpoint.family,
        size=checkpoint.size,
        arm=arm,
        share=share,
        checkpoint=checkpoint,
        started_at=since,
    )
    ShareChange.objects.create(release=release, arm=arm, share=share, at=since)
    return release


def set_share(release: Release, share: int, at: datetime, arm: str = "") -> None:
    release.arm, release.share = arm or release.arm, share
    release.save(update_fields=["arm", "share"])
    ShareChange.objects.create(release=release, arm=release.arm, share=share, at=at)


class Traffic:
    """A stage with an incumbent, and what partners call there."""

    def __init__(self, *names: str) -> None:
        self.stage = builders.stage("closed-alpha")
        self.old = builders.checkpoint("chat-nano-1", checkpoint_digest="a" * 64)
        self.new = builders.checkpoint("chat-nano-2", checkpoint_digest="b" * 64)
        self.places: dict[UUID, Deployment] = {}
        self.callers = {name: caller(name, self.stage) for name in names or ("acme",)}
        self.incumbent = go_live(self.old, self.stage, "incumbent", 100, SINCE - timedelta(days=2))
        self.candidate: Release | None = None

    def begin(self, share: int = 50, since: datetime = SINCE) -> Release:
        """Put the new checkpoint beside the old one."""
        with transaction.atomic():
            set_share(self.incumbent, 100 - share, since)
            self.candidate = go_live(self.new, self.stage, "candidate", share, since)
        return self.candidate

    def event(self, release: Release, who: Caller, name: object, **fields: Any) -> dict[str, Any]:
        """One usage event as the gateway's journal holds it."""
        started_at = fields.pop("at", SINCE + timedelta(minutes=5))
        place = self.places.get(release.checkpoint_id)
        if place is None:
            place = builders.deployment(release.checkpoint)
            self.places[release.checkpoint_id] = place
        return {
            "month": f"{started_at:%Y-%m}-01",
            "request_id": request_id_at(started_at),
            "partner_id": who.partner.pk,
            "key_id": who.key_id,
            "grant_id": who.grant_id,
            "unit": unit(f"{who.partner.pk}/{name}"),
            "stage_id": release.stage_id,
            "release_id": release.pk,
            "checkpoint_id": release.checkpoint_id,
            "deployment_id": place.pk,
            "arm": release.arm,
            "codename": "quasar-alpha",
            "endpoint": "chat/completions",
            "streamed": False,
            "state": "succeeded",
            "http_status": 200,
            "problem": "",
            "tokens_in": 30,
            "tokens_out": 10,
            "tokens_cached": 0,
            "tokens_in_shown": 12,
            "cost_micros": 42,
            "currency": "USD",
            "first_token_ms": 10.0,
            "total_ms": 100.0,
            "started_at": started_at,
            "ended_at": started_at + timedelta(seconds=1),
            **fields,
        }

    def calls(
        self, release: Release, n: int, *, partner: str = "acme", prefix: str = "u", **fields: Any
    ) -> list[dict[str, Any]]:
        """One call each of `n` units."""
        who = self.callers[partner]
        return [
            self.event(release, who, f"{release.pk}/{prefix}{number}", **fields)
            for number in range(n)
        ]


FAILED: dict[str, Any] = {"state": "failed", "http_status": 502, "problem": "broken: 500"}


def ship(events: Iterable[dict[str, Any]]) -> list[UUID]:
    """Into PostgreSQL by the shipper's own statements; the request ids in order."""
    listed = list(events)
    ids = [event["request_id"] for event in listed]
    months = sorted({event["month"] for event in listed})
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [orjson.dumps(listed).decode()])
        cursor.execute(BIND, [[identifier.hex for identifier in ids], months])
    return ids


def later(**parts: float) -> datetime:
    return SINCE + timedelta(**parts)


def frozen(moment: datetime | None = None) -> Any:
    return clock.frozen_at(moment or later(hours=1))
