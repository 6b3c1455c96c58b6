"""Rows of alpha with boring fixed values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from alpha.models import Feedback, Grant, Key, Partner, UsageEvent
from alpha.selectors import month_of
from alpha.services import grants, keys, partners
from infra import clock
from infra.actors import system
from infra.ids import uuid7
from releases.models import Checkpoint, Codename, Deployment, Release, Stage
from tests import builders

ACTOR = system("test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A checkpoint live in a stage, and a partner that may call it."""

    partner: Partner
    grant: Grant
    key: Key
    key_text: str
    stage: Stage
    checkpoint: Checkpoint
    deployment: Deployment
    release: Release
    codename: Codename


def release_of(
    checkpoint: Checkpoint,
    stage: Stage,
    arm: str = "incumbent",
    since: datetime | None = None,
    share: int = 100,
) -> Release:
    return Release.objects.create(
        stage=stage,
        family=checkpoint.family,
        size=checkpoint.size,
        arm=arm,
        share=share,
        checkpoint=checkpoint,
        started_at=since or clock.now(),
    )


def access(base_url: str = "http://127.0.0.1:9/v1", **grant_fields: Any) -> Access:
    checkpoint, stage = builders.checkpoint(), builders.stage()
    deployment = builders.deployment(checkpoint, base_url)
    partner = partners.make_partner(actor=ACTOR, name="acme", contact_email="dev@acme.example")
    consent = grants.Consent(terms_version="1", accepted_by="Ada")
    grant = grants.make_grant(
        actor=ACTOR, stage=stage, partner=partner, **{"consent": consent, **grant_fields}
    )
    key, text = keys.issue_key(actor=ACTOR, partner=partner)
    return Access(
        partner=partner,
        grant=grant,
        key=key,
        key_text=text,
        stage=stage,
        checkpoint=checkpoint,
        deployment=deployment,
        release=release_of(checkpoint, stage),
        codename=Codename.objects.create(
            stage=stage, size="nano", name="quasar-alpha", opens_at=clock.now()
        ),
    )


def usage_event(of: Access, request_id: UUID | None = None, **fields: Any) -> UsageEvent:
    identifier = request_id or uuid7()
    values = {
        "month": month_of(identifier),
        "request_id": identifier,
        "partner": of.partner,
        "key": of.key,
        "grant": of.grant,
        "unit": "u" * 32,
        "stage": of.stage,
        "release": of.release,
        "checkpoint": of.checkpoint,
        "deployment": of.deployment,
        "arm": "incumbent",
        "codename": of.codename.name,
        "endpoint": "chat/completions",
        "streamed": False,
        "state": "succeeded",
        "http_status": 200,
        "tokens_in": 30,
        "tokens_out": 10,
        "tokens_cached": 0,
        "tokens_in_shown": 12,
        "cost_micros": 42,
        "currency": "USD",
        "started_at": clock.now(),
        "ended_at": clock.now(),
    }
    return UsageEvent.objects.create(**{**values, **fields})


def feedback(of: Access, **fields: Any) -> Feedback:
    values = {"partner": of.partner, "key": of.key, "comment": "odd", "received_at": clock.now()}
    return Feedback.objects.create(**{**values, **fields})
