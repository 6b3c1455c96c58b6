"""A judge asked about labelled outputs, outside any run, so that it can be calibrated."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.conf import settings

from evals.graders import judge
from evals.graders.contract import GradedCase, GraderError, Sample
from evals.models import Calibration, JudgeVersion, LabelItem
from evals.runner.grader_services import GraderServices
from evals.runner.pace import Paces
from evals.selectors import judges as reads
from evals.selectors import model_endpoints
from evals.selectors.model_endpoints import ModelEndpoint
from evals.services import calibrations, runs
from evals.services.calibrations import Verdict
from infra.actors import Actor, ActorKind

AT_ONCE = 8
# Verdicts are kept in such portions: a killed worker asks no more than these again.
KEPT_AT_ONCE = 50


def calibrate(*, actor: Actor, version: JudgeVersion) -> Calibration:
    """Ask the judge about what people have labelled since, then measure; safe to run twice."""
    left = calibrations.take_verdicts(version)
    if left:
        endpoints = model_endpoints.endpoints_named([version.model])
        for start in range(0, len(left), KEPT_AT_ONCE):
            part = left[start : start + KEPT_AT_ONCE]
            with Paces(redis_url=settings.REDIS_URL, own=AT_ONCE) as paces:
                verdicts = asyncio.run(_asked(version, part, endpoints, paces))
                runs.record_pace(paces.taken())
            calibrations.keep_verdicts(version, verdicts)
    return calibrations.calibrate(actor=actor, version=version)


def calibrate_for(version_id: UUID, asked_by: str) -> None:
    """What a worker does for somebody who asked before."""
    version = JudgeVersion.objects.select_related("judge").get(pk=version_id)
    actor = Actor(
        kind=ActorKind.SYSTEM, name="calibration", id="calibration", on_behalf_of=asked_by
    )
    calibrate(actor=actor, version=version)


async def _asked(
    version: JudgeVersion,
    items: Sequence[LabelItem],
    endpoints: Mapping[str, ModelEndpoint],
    paces: Paces,
) -> list[Verdict]:
    services, slots = GraderServices(endpoints, paces), asyncio.Semaphore(AT_ONCE)
    looking = asyncio.create_task(paces.keep_looking())
    resolved = reads.resolved_version(version)

    async def one(item: LabelItem) -> Verdict:
        async with slots:
            return await _verdict(resolved, item, services)

    try:
        return await asyncio.gather(*(one(item) for item in items))
    finally:
        looking.cancel()
        await services.close()


async def _verdict(resolved: reads.Resolved, item: LabelItem, shared: GraderServices) -> Verdict:
    services = shared.for_sample()
    case = GradedCase(
        case_id=item.case_id, input=item.input, target=item.target, metadata=item.metadata
    )
    try:
        answer = await judge.ask(resolved, case, Sample(output_text=item.output), services)
    except GraderError as error:
        return Verdict(item=item, error_code=error.kind.value, error_message=error.message)
    return Verdict(
        item=item,
        choice=answer.choice,
        explanation=answer.explanation,
        tokens_in=services.used.tokens_in,
        tokens_out=services.used.tokens_out,
    )
