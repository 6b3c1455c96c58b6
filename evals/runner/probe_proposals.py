"""Hypotheses that a model proposes for a probe; their pairs wait for a person like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from evals.graders.contract import GraderError
from evals.models import Probe, ProbeHypothesis, ProbePrompt
from evals.probes import proposals
from evals.probes.proposals import Proposal
from evals.runner.grader_services import GraderServices, SampleServices
from evals.runner.pace import Paces
from evals.selectors import model_endpoints
from evals.selectors import probes as reads
from evals.services import runs
from evals.services.probes import design
from evals.states import HypothesisSource
from infra.actors import Actor
from infra.errors import DomainError, InvalidInput, UpstreamError

AT_ONCE = 4
MOST_PROPOSED = 10

Changed = dict[int, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What came of asking."""

    made: Sequence[ProbeHypothesis]
    refused: Sequence[str]
    """Why a proposal was left out, one sentence each."""


def propose(*, actor: Actor, probe: Probe, model: str, n: int = 3) -> Proposed:
    """Ask the model for up to n hypotheses with a changed message for every prompt.

    UpstreamError when it does not answer; InvalidInput when nothing answers to that name.
    """
    design.must_design(actor)
    if not 1 <= n <= MOST_PROPOSED:
        raise InvalidInput("bad_n", f"n is {n}: choose 1 to {MOST_PROPOSED}.")
    design.refuse_begun(probe)
    endpoints = model_endpoints.endpoints_named([model])
    prompts = [prompt for prompt in probe.prompts.all() if _text(prompt)]
    known = [row.component for row in reads.hypotheses_of(probe)]
    with Paces(redis_url=settings.REDIS_URL, own=AT_ONCE) as paces:
        services = GraderServices(endpoints, paces)
        weakness = probe.finding.title
        found = asyncio.run(_asked(services, paces, model, prompts, weakness, known, n))
        runs.record_pace(paces.taken())
    return _kept(actor, probe, found, model)


async def _asked(
    services: GraderServices,
    paces: Paces,
    model: str,
    prompts: Sequence[ProbePrompt],
    weakness: str,
    known: Sequence[str],
    n: int,
) -> list[tuple[Proposal, Changed]]:
    looking = asyncio.create_task(paces.keep_looking())
    try:
        sample, slots = services.for_sample(), asyncio.Semaphore(AT_ONCE)
        shown = [prompt.asked["messages"] for prompt in prompts]
        body = proposals.asked_for_hypotheses(weakness, shown, known, n)
        answer = (await sample.complete(model, body)).text
        return [
            (proposal, await _changed(sample, slots, model, prompts, proposal))
            for proposal in proposals.read_hypotheses(answer or "", n)
        ]
    except GraderError as error:
        raise UpstreamError("model_unanswered", error.message, retryable=True) from error
    finally:
        looking.cancel()
        await services.close()


async def _changed(
    sample: SampleServices,
    slots: asyncio.Semaphore,
    model: str,
    prompts: Sequence[ProbePrompt],
    proposal: Proposal,
) -> Changed:
    """The rewritten messages by prompt number; none where nothing was changed."""

    async def one(prompt: ProbePrompt) -> tuple[ProbePrompt, str]:
        async with slots:
            body = proposals.asked_for_change(_text(prompt), proposal)
            return prompt, ((await sample.complete(model, body)).text or "").strip()

    answers = await asyncio.gather(*(one(prompt) for prompt in prompts))
    return {
        prompt.number: [
            *prompt.asked["messages"][:-1],
            {**prompt.asked["messages"][-1], "content": text},
        ]
        for prompt, text in answers
        if text and text != _text(prompt).strip()
    }


def _text(prompt: ProbePrompt) -> str:
    """The text of its last message; "" where that is not the user's, or not text alone."""
    last: Mapping[str, Any] = prompt.asked["messages"][-1]
    content = last.get("content")
    return content if last.get("role") == "user" and isinstance(content, str) else ""


def _kept(
    actor: Actor, probe: Probe, found: Sequence[tuple[Proposal, Changed]], model: str
) -> Proposed:
    made, refused = [], []
    if not found:
        refused.append(f"{model} answered with no hypothesis that could be read.")
    for proposal, changed in found:
        try:
            made.append(
                design.write_hypothesis(
                    actor=actor,
                    probe=probe,
                    component=proposal.component,
                    sentence=proposal.sentence,
                    changed=changed,
                    source=HypothesisSource.MODEL,
                )
            )
        except DomainError as error:
            refused.append(f"{proposal.component}: {error.message}")
    return Proposed(made=made, refused=refused)
