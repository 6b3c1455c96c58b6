"""The demo's partner: gets access, calls the codename with the stock OpenAI SDK, remarks."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from openai import OpenAI

from alpha.models import Cohort, Feedback, Terms, UsageEvent
from alpha.selectors import cohort_named, partner_named
from alpha.services import grants, partners, terms
from alpha.states import UsageState
from infra.demo.cast import PARTNER, actor
from infra.errors import InvalidMove, NotFound
from infra.supervisor.runfile import read_runfile, update_runfile
from releases.models import Stage

CODENAME = "quasar-alpha"
COHORT = "design-partners"
TERMS = "2026-01"
TERMS_TEXT = """These are the terms of a demo.

1. What you call is not finished. It may be wrong, slow or gone tomorrow.
2. Do not publish what it answers, and do not send it what you may not share.
3. Calls and tokens are counted. Their text is kept only where you agreed to it, and for as long.
4. Tell what is odd: that is what this is for.
"""
_QUESTIONS = (
    "Write one sentence that thanks a customer for waiting.",
    "List three colours, separated by commas.",
)


def closed_cohort() -> Cohort:
    """The cohort that the pipeline's closed alpha names; made when it is missing."""
    try:
        return cohort_named(COHORT)
    except NotFound:
        return partners.make_cohort(actor=actor("partner_manager"), name=COHORT)


def grant_access() -> str:
    """The cohort of the pipeline's closed alpha, with the partner in it, terms accepted."""
    manager, partner = actor("partner_manager"), partner_named(PARTNER)
    cohort = closed_cohort()
    partners.join_cohort(actor=manager, cohort=cohort, partner=partner)
    stage = Stage.objects.get(pipeline__name="chat", name="closed-alpha")
    if not Terms.objects.filter(version=TERMS).exists():
        terms.publish_terms(actor=manager, version=TERMS, text=TERMS_TEXT)
    try:
        grants.make_grant(
            actor=manager,
            stage=stage,
            cohort=cohort,
            quotas=grants.Quotas(requests_per_minute=600, concurrent_requests=16),
            consent=grants.Consent(
                terms_version=TERMS, accepted_by="Dana at demo-partner", transcripts=True
            ),
        )
    except InvalidMove:
        # The grant is there from an earlier, interrupted demo.
        return f"{PARTNER} may call {CODENAME}"
    update_runfile({"codename": CODENAME})
    return f"{PARTNER} may call {CODENAME}, terms accepted, transcripts kept with consent"


def call() -> str:
    """One plain and one streamed completion through the gateway."""
    made = UsageEvent.objects.filter(
        partner__name=PARTNER, codename=CODENAME, state=UsageState.SUCCEEDED.value
    )
    if made.count() >= len(_QUESTIONS):
        return "made already"
    client = _client()
    plain = client.chat.completions.create(
        model=CODENAME, messages=_messages(_QUESTIONS[0]), max_tokens=60
    )
    stream = client.chat.completions.create(
        model=CODENAME, messages=_messages(_QUESTIONS[1]), max_tokens=60, stream=True
    )
    n_chunks = sum(1 for _ in stream)
    return f"{plain.model} answered {plain.usage.total_tokens} tokens, streamed {n_chunks} chunks"


def remark() -> str:
    """Two remarks about two fresh calls: one thumb up, one thumb down with a comment."""
    if Feedback.objects.filter(partner__name=PARTNER).count() >= 2:
        return "left already"
    client = _client()
    remarks: tuple[dict[str, Any], ...] = (
        {"thumbs_up": True, "comment": "Short and friendly."},
        {"thumbs_up": False, "comment": "It is kind of weird when I ask for a list."},
    )
    for number, (question, remark_body) in enumerate(zip(_QUESTIONS, remarks, strict=True)):
        answer = client.chat.completions.create(
            model=CODENAME, messages=_messages(question), max_tokens=60
        )
        client.post(
            "/feedback",
            cast_to=object,
            body={
                "request_id": answer.id,
                "idempotency_key": f"demo-{number}",
                **remark_body,
            },
        )
    return "one thumb up, one thumb down with a comment"


def _messages(question: str) -> list[Any]:
    return [{"role": "user", "content": question}]


def _client() -> OpenAI:
    facts = read_runfile()
    base_url = facts.get("base_url") or settings.BASE_URL
    return OpenAI(base_url=f"{base_url}/v1", api_key=facts["partner_key"], max_retries=5)
