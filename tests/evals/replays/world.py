"""Partners whose conversations may be replayed, and one whose may not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from alpha import sealing
from alpha.models import PartnerDataKey, Transcript, UsageEvent
from alpha.services import grants
from evals.catalogues import Catalogue, catalogue_of
from evals.models import Run
from evals.services import replays
from infra import clock
from infra.ids import uuid7
from infra.storage import object_store
from releases.models import Checkpoint, Release
from tests import builders
from tests.alpha.builders import ACTOR, month_of
from tests.alpha.traffic import Caller, caller, go_live, unit
from tests.evals import builders as evals

CANARY = "canary-7f3a-only-a-partner-said-this"
PARTNERS = ("acme", "bolt", "coil", "dune", "echo")


def mode(name: str, pattern: str, severity: str = "major") -> dict[str, Any]:
    """A failure mode that shows where the pattern is found in the reply."""
    grader = {"type": "regex", "pattern": pattern, "negate": True}
    return {"mode": name, "sentence": f"It says {name}.", "severity": severity, "grader": grader}


def catalogue(*modes: dict[str, Any]) -> Catalogue:
    return catalogue_of({"modes": list(modes) or [mode("loops", "loop"), mode("swears", "damn")]})


class World:
    """Five partners in closed-alpha with consent, and a checkpoint that nobody saw yet."""

    def __init__(self, base_url: str = "http://127.0.0.1:9/v1") -> None:
        self.cast = builders.cast()
        self.stage = builders.stage("closed-alpha")
        self.old = evals.served(base_url, "chat-nano-1", checkpoint_digest="a" * 64)
        self.new = evals.served(base_url, "chat-nano-2", checkpoint_digest="b" * 64)
        self.since = clock.now() - timedelta(days=1)
        self.release = go_live(self.old, self.stage, "incumbent", 100, self.since)
        self.callers = {name: caller(name, self.stage) for name in PARTNERS}
        for who in self.callers.values():
            self.consent(who)

    def consent(self, who: Caller, given: bool = True) -> None:
        from alpha.models import Grant

        Grant.objects.filter(pk=who.grant_id).update(transcript_consent=given)

    def said(
        self,
        partner: str,
        messages: Sequence[Mapping[str, Any]],
        reply: str = "fine",
        *,
        name: object = None,
        release: Release | None = None,
        at: datetime | None = None,
        kept: bool = True,
        **request: Any,
    ) -> UUID:
        """One call with its text as the gateway keeps it; the request id."""
        who, identifier, served = self.callers[partner], uuid7(), release or self.release
        started_at = at or clock.now() - timedelta(hours=1)
        UsageEvent.objects.create(
            month=month_of(identifier), request_id=identifier, partner=who.partner,
            key_id=who.key_id, grant_id=who.grant_id,
            unit=unit(f"{partner}/{name if name is not None else identifier}"), stage=served.stage,
            release=served, checkpoint=served.checkpoint,
            deployment=served.checkpoint.deployments.first(), arm="incumbent",
            codename="quasar-alpha", endpoint="chat/completions", streamed=False,
            state="succeeded", http_status=200, tokens_in=30, tokens_out=10, tokens_cached=0,
            tokens_in_shown=12, cost_micros=42, currency="USD", started_at=started_at,
            ended_at=started_at,
        )  # fmt: skip
        if kept:
            replied = [{"role": "assistant", "content": reply}]
            text = {"request": {"messages": list(messages), **request}, "reply": replied}
            self.keep(who, identifier, text)
        return identifier

    def keep(self, who: Caller, identifier: UUID, text: Any) -> None:
        row = PartnerDataKey.objects.filter(partner=who.partner).first()
        if row is None:
            _, wrapped = sealing.new_data_key(settings.TRANSCRIPT_KEY, who.partner.pk)
            row = PartnerDataKey.objects.create(partner=who.partner, number=1, wrapped_key=wrapped)
        key = sealing.unwrap(settings.TRANSCRIPT_KEY, who.partner.pk, bytes(row.wrapped_key))
        place = f"transcripts/{identifier}"
        object_store().put(place, sealing.seal(key, identifier, json.dumps(text).encode()))
        Transcript.objects.create(
            request_id=identifier, partner=who.partner, data_key=row, object_key=place,
            stored_at=clock.now(), expires_at=clock.now() + timedelta(days=30),
        )  # fmt: skip

    def talk(self, n: int, text: str = "say {}", **fields: Any) -> list[UUID]:
        """`n` conversations of each partner, each of a unit of its own."""
        return [
            self.said(name, [user(text.format(f"{name}-{number}"))], **fields)
            for name in self.callers
            for number in range(n)
        ]

    def sampling(self, **fields: Any) -> replays.Sampling:
        now = clock.now() + timedelta(minutes=1)
        return replays.Sampling(**{"since": self.since, "until": now, **fields})

    def drawn(self, name: str = "real", **fields: Any) -> replays.MadeSet:
        options = {"catalogue": catalogue(), "sampling": self.sampling(), **fields}
        return replays.draw_set(actor=self.cast.eval_owner, name=name, stage=self.stage, **options)

    def replayed(self, made: replays.MadeSet, checkpoint: Checkpoint, **options: Any) -> Run:
        return evals.execute(
            replays.start_replay(
                actor=self.cast.engineer,
                replay_set=made.replay_set,
                checkpoint=checkpoint,
                **options,
            )
        )


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def withdraw(who: Caller, reason: str = "They left.") -> None:
    """Their grant ends."""
    from alpha.models import Grant

    grants.revoke_grant(actor=ACTOR, grant=Grant.objects.get(pk=who.grant_id), reason=reason)


def drop_key(who: Caller) -> None:
    """The partner's key is dropped: all that was sealed under it is gone."""
    PartnerDataKey.objects.filter(partner=who.partner).update(
        wrapped_key=None, dropped_at=clock.now()
    )
