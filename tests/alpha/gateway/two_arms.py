"""An incumbent and a candidate behind one codename, each before an upstream of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from alpha.models import PreferenceSession
from releases.models import Checkpoint, Release
from tests import builders
from tests.alpha.builders import Access, access, release_of
from tests.alpha.gateway.upstream import Upstream

PROMPT = "PLANTED-PROMPT: which of you is it?"
CANDIDATE_MODEL = "acme-tuned-9b-instruct"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoArms:
    """What a partner compares."""

    granted: Access
    candidate: Checkpoint
    candidate_release: Release
    incumbent_upstream: Upstream
    candidate_upstream: Upstream

    @property
    def upstreams(self) -> tuple[Upstream, Upstream]:
        return self.incumbent_upstream, self.candidate_upstream


def two_arms(incumbent: Upstream, candidate: Upstream, **grant_fields: Any) -> TwoArms:
    """A partner's grant to a stage where a candidate has a tenth of the traffic."""
    granted = access(incumbent.url, **grant_fields)
    serving = {"system_prompt": "You are the tuned one.", "sampling": {"temperature": 0.2}}
    checkpoint = builders.checkpoint("chat-nano-2-tuned", serving=serving)
    builders.deployment(checkpoint, candidate.url, upstream_model=CANDIDATE_MODEL)
    with transaction.atomic():
        Release.objects.filter(pk=granted.release.pk).update(share=90)
        release = release_of(checkpoint, granted.stage, arm="candidate", share=10)
    return TwoArms(
        granted=granted,
        candidate=checkpoint,
        candidate_release=release,
        incumbent_upstream=incumbent,
        candidate_upstream=candidate,
    )


def question(**fields: Any) -> dict[str, Any]:
    """A body for `/v1/preferences`."""
    messages = [{"role": "user", "content": PROMPT}]
    return {"model": "quasar-alpha", "messages": messages, **fields}


def session_of(reply: dict[str, Any]) -> PreferenceSession:
    """The row behind what the partner was told."""
    return PreferenceSession.objects.get(pk=reply["id"])
