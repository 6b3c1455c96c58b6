"""What one shard has to do, read once: the requests to send and how to grade the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload
from uuid import UUID

from evals import ordering
from evals.formats.contract import request_body
from evals.graders.contract import GradedCase, Policy
from evals.models import Case, JudgeVersion, Result, Run
from evals.runner.leases import Lease
from evals.runner.regrading import stored_body
from evals.runner.replaying import KEY, Replayed, Seal, read_case
from evals.selectors import judges, model_endpoints, run_orders, suites
from evals.selectors.model_endpoints import ModelEndpoint
from evals.states import RunSource
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
    seal: Seal | None = None
    """Seals the texts of the result: it is about a partner's conversation."""


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
    regraded_from: Run | None
    """The run whose stored outputs are graded, in place of calls."""
    graders: Sequence[Mapping[str, Any]]
    policy: Policy
    pricing: Pricing | None
    concurrency: int
    max_retries: int | None
    """Calls again after one that failed; None: as many as the client's own policy allows."""
    calls: MissingCalls
    endpoints: Mapping[str, ModelEndpoint]
    """The models that the graders ask, by the name they use."""
    replays: bool = False
    """Its cases are recorded conversations."""
    only_recorded: bool = False
    """Grades the recorded replies, in place of calls."""


def read_work(lease: Lease) -> ShardWork:
    """The items of the shard that have no result yet; InvalidMove when nothing may answer."""
    run = Run.objects.select_related(
        "version__suite__owner", "version__replay_set", "checkpoint", "deployment", "regraded_from"
    ).get(pk=lease.run_id)
    called = run.deployment
    if called is not None and called.state != DeploymentState.ACTIVE.value:
        message = f"The deployment at {called.base_url} was disabled: nothing may call it."
        raise InvalidMove("deployment_disabled", message)
    known = judges.versions_of(run.version)
    n_shards = run.shards.count()
    index = run.shards.filter(first__lt=lease.first).count()
    return ShardWork(
        run_id=run.pk,
        base_url=called.base_url if called else "",
        secret_ref=called.secret_ref if called else "",
        regraded_from=run.regraded_from,
        graders=judges.resolved(run.version.graders, known),
        policy=suites.policy_of(run.version),
        pricing=_pricing(price_at(run.checkpoint_id, clock.now())),
        concurrency=max(1, ordering.share_of(run.concurrency, index, n_shards)),
        max_retries=run.max_retries,
        calls=_missing_calls(run, lease, known),
        endpoints=model_endpoints.endpoints_of(run.version),
        replays=_replays(run),
        only_recorded=run.source == RunSource.RECORDED.value,
    )


def _replays(run: Run) -> bool:
    return getattr(run.version, "replay_set", None) is not None


class MissingCalls(Sequence[Call]):
    """The items of a shard that have no result yet, in the run's order.

    A slice is read from the database when it is asked for, so that neither the first call waits for
    the last nor a long run fills the memory.
    """

    def __init__(
        self, run: Run, wanted: Sequence[tuple[UUID, int]], known: Mapping[str, JudgeVersion]
    ) -> None:
        self._run, self._wanted, self._known = run, wanted, known
        self._suite = suites.head_of(run.version)
        self._replays = _replays(run)

    def __len__(self) -> int:
        return len(self._wanted)

    @overload
    def __getitem__(self, index: int) -> Call: ...

    @overload
    def __getitem__(self, index: slice) -> list[Call]: ...

    def __getitem__(self, index: int | slice) -> Call | list[Call]:
        if isinstance(index, int):
            return self._read([self._wanted[index]])[0]
        return self._read(self._wanted[index])

    def _read(self, wanted: Sequence[tuple[UUID, int]]) -> list[Call]:
        cases = Case.objects.in_bulk({pk for pk, _ in wanted})
        return [self._call(cases[pk], repeat) for pk, repeat in wanted]

    def _call(self, case: Case, repeat: int) -> Call:
        """The request that the gateway would send, under the repeat's own seed."""
        run = self._run
        if run.regraded_from_id is not None:
            body = stored_body(case.case_id, repeat)
            return Call(case_pk=case.pk, repeat=repeat, body=body, case=_graded(case, self._known))
        if self._replays:
            return self._replay(case, repeat, read_case(case))
        asked = request_body(self._suite, suites.case_spec(case))
        serving = ServingDefaults.from_row({**run.checkpoint.serving, **case.serving})
        body = compose_request(serving, run.deployment.upstream_model, asked)
        body["seed"] = body.get("seed", run.seed) + repeat
        return Call(case_pk=case.pk, repeat=repeat, body=body, case=_graded(case, self._known))

    def _replay(self, case: Case, repeat: int, found: Replayed) -> Call:
        """As `_call`; what its client needs beside the request is in the body."""
        run, conversation = self._run, found.conversation
        asked = {**self._suite.request, **conversation.body()}
        upstream = run.deployment.upstream_model if run.deployment else ""
        serving = ServingDefaults.from_row(run.checkpoint.serving)
        body = compose_request(serving, upstream, asked)
        body["seed"] = body.get("seed", run.seed) + repeat
        graded = replace(
            _graded(case, self._known), input=conversation.prefix, tools=conversation.tools
        )
        body[KEY] = found
        return Call(case_pk=case.pk, repeat=repeat, body=body, case=graded, seal=found.seal)


def _missing_calls(run: Run, lease: Lease, known: Mapping[str, JudgeVersion]) -> MissingCalls:
    pks = dict(run.version.cases.values_list("case_id", "pk"))
    order = run_orders.items_of(run)
    recorded = set(Result.objects.filter(run=run).values_list("case_id", "repeat"))
    items = ((pks[item.case_id], item.repeat) for item in order[lease.first : lease.last + 1])
    return MissingCalls(run, [item for item in items if item not in recorded], known)


def _graded(case: Case, known: Mapping[str, JudgeVersion]) -> GradedCase:
    """What graders see of the case, its own judges looked up."""
    graded = suites.graded_case(case)
    return replace(graded, graders=judges.resolved(graded.graders, known))


def _pricing(price: Price | None) -> Pricing | None:
    if price is None:
        return None
    return Pricing(
        fresh_input=price.input_micros_per_million,
        cached_input=price.cached_input_micros_per_million,
        output=price.output_micros_per_million,
    )
