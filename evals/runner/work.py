"""What one shard has to do, read once: the requests to send and how to grade the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from evals import ordering
from evals.formats.contract import SuiteSpec, request_body
from evals.graders.contract import GradedCase, Policy
from evals.models import Case, Result, Run
from evals.runner.leases import Lease
from evals.selectors import suites
from infra import clock
from infra.errors import InvalidMove
from releases.models import Price
from releases.selectors.checkpoints import price_at
from releases.serving import ServingDefaults, compose_request
from releases.states import DeploymentState


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One (case, repeat) that has no result yet."""

    case_pk: UUID
    repeat: int
    body: Mapping[str, Any]
    case: GradedCase


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What tokens cost at the moment the shard began, in micro-units per million."""

    fresh_input: int
    cached_input: int
    output: int

    def cost_micros(
        self, tokens_in: int | None, tokens_cached: int | None, tokens_out: int | None
    ) -> int | None:
        """Micro-units of one answer, rounded up; None when the upstream counted no tokens."""
        if tokens_in is None or tokens_out is None:
            return None
        cached = min(tokens_cached or 0, tokens_in)
        whole = (tokens_in - cached) * self.fresh_input + cached * self.cached_input
        return -(-(whole + tokens_out * self.output) // 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardWork:
    """A shard's missing items and all it takes to finish them."""

    run_id: UUID
    base_url: str
    secret_ref: str
    graders: Sequence[Mapping[str, Any]]
    policy: Policy
    pricing: Pricing | None
    concurrency: int
    calls: Sequence[Call]


def read_work(lease: Lease) -> ShardWork:
    """The items of the shard that have no result yet; InvalidMove when nothing may answer."""
    run = Run.objects.select_related("version__suite__owner", "checkpoint", "deployment").get(
        pk=lease.run_id
    )
    if run.deployment.state != DeploymentState.ACTIVE.value:
        message = f"The deployment at {run.deployment.base_url} was disabled: nothing may call it."
        raise InvalidMove("deployment_disabled", message)
    n_shards = run.shards.count()
    index = run.shards.filter(first__lt=lease.first).count()
    return ShardWork(
        run_id=run.pk,
        base_url=run.deployment.base_url,
        secret_ref=run.deployment.secret_ref,
        graders=run.version.graders,
        policy=suites.policy_of(run.version),
        pricing=_pricing(price_at(run.checkpoint_id, clock.now())),
        concurrency=max(1, ordering.share_of(run.concurrency, index, n_shards)),
        calls=_missing_calls(run, lease),
    )


def _missing_calls(run: Run, lease: Lease) -> list[Call]:
    pks = dict(run.version.cases.values_list("case_id", "pk"))
    order = ordering.ordered_items(list(pks), run.repeats, run.seed)
    recorded = set(Result.objects.filter(run=run).values_list("case_id", "repeat"))
    wanted = [
        (pks[item.case_id], item.repeat)
        for item in order[lease.first : lease.last + 1]
        if (pks[item.case_id], item.repeat) not in recorded
    ]
    cases = Case.objects.in_bulk({pk for pk, _ in wanted})
    suite = suites.head_of(run.version)
    return [_call(run, suite, cases[pk], repeat) for pk, repeat in wanted]


def _call(run: Run, suite: SuiteSpec, case: Case, repeat: int) -> Call:
    """The request that the gateway would send for these messages, under the repeat's own seed."""
    asked = request_body(suite, suites.case_spec(case))
    serving = ServingDefaults.from_row(run.checkpoint.serving)
    body = compose_request(serving, run.deployment.upstream_model, asked)
    body["seed"] = body.get("seed", run.seed) + repeat
    return Call(case_pk=case.pk, repeat=repeat, body=body, case=suites.graded_case(case))


def _pricing(price: Price | None) -> Pricing | None:
    if price is None:
        return None
    return Pricing(
        fresh_input=price.input_micros_per_million,
        cached_input=price.cached_input_micros_per_million,
        output=price.output_micros_per_million,
    )
