"""What graders may use beside the sample: models of their own, each use counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evals.graders.contract import GraderError, GraderErrorKind, Limits
from evals.graders.python.sandbox import Sandbox
from evals.runner.pace import Paces
from evals.runner.work import Pricing
from evals.selectors.model_endpoints import ModelEndpoint
from infra import secrets_by_reference
from infra.errors import InvalidInput
from infra.inference import (
    ChatClient,
    Completion,
    CompletionFailed,
    RetryPolicy,
    chat_client,
)


@dataclass(slots=True, kw_only=True)
class Used:
    """What the graders of one sample used; a sum is None when a part of it is not known."""

    n_calls: int = 0
    tokens_in: int | None = 0
    tokens_out: int | None = 0
    cost_micros: int | None = 0

    def count(self, completion: Completion, cost_micros: int | None) -> None:
        """Add an answer, with the failed calls that it took."""
        self.n_calls += completion.n_calls
        self.tokens_in = _sum(self.tokens_in, completion.tokens_in)
        self.tokens_out = _sum(self.tokens_out, completion.tokens_out)
        self.cost_micros = _sum(self.cost_micros, cost_micros)

    def as_row(self) -> dict[str, Any]:
        """The columns of a result; without any call they are not known rather than zero."""
        if not self.n_calls:
            return {}
        return {
            "n_grader_calls": self.n_calls,
            "grader_tokens_in": self.tokens_in,
            "grader_tokens_out": self.tokens_out,
            "grader_cost_micros": self.cost_micros,
        }


def _sum(so_far: int | None, more: int | None) -> int | None:
    return None if so_far is None or more is None else so_far + more


class GraderServices:
    """Shared by the samples of one shard, on one event loop; a client a model, opened when asked.

    A sample holds its place among the shard's calls until it is graded, so that no more than the
    run's concurrency is ever under way, judges included.
    """

    def __init__(self, endpoints: Mapping[str, ModelEndpoint], paces: Paces | None = None) -> None:
        """Without `paces` every call begins at once."""
        self._endpoints, self._paces = endpoints, paces
        self._clients: dict[str, ChatClient] = {}
        self._sandbox = Sandbox()

    def for_sample(self) -> SampleServices:
        """The services of one sample, with a count of its own."""
        return SampleServices(self)

    async def complete(self, model: str, body: Mapping[str, Any], used: Used) -> Completion:
        """The model's answer, counted; GraderError when there is none."""
        endpoint = self._endpoint(model)
        try:
            completion = await self._client(endpoint).complete(endpoint.request(body))
        except CompletionFailed as failure:
            used.n_calls += failure.n_calls
            message = f"{model}: {failure.message}"
            raise GraderError(GraderErrorKind.MODEL_SERVER, message) from failure
        used.count(completion, _cost_micros(endpoint, completion))
        return completion

    async def run_python(
        self, source: str, sample: Mapping[str, Any], item: Mapping[str, Any], limits: Limits
    ) -> float:
        """What the code returns; GraderError when it gave no finite number."""
        return await self._sandbox.score(source, sample, item, limits)

    async def close(self) -> None:
        """Close every connection, and end the process that runs code."""
        await self._sandbox.close()
        for client in self._clients.values():
            await client.close()

    def _endpoint(self, model: str) -> ModelEndpoint:
        if model not in self._endpoints:
            known = ", ".join(sorted(self._endpoints)) or "none"
            message = f"{model!r} is not among the models that the graders named ({known})"
            raise GraderError(GraderErrorKind.MODEL_SERVER, message)
        return self._endpoints[model]

    def _client(self, endpoint: ModelEndpoint) -> ChatClient:
        if endpoint.name not in self._clients:
            try:
                secret = secrets_by_reference.resolve(endpoint.secret_ref)
            except InvalidInput as missing:
                message = f"{endpoint.name}: {missing.message}"
                raise GraderError(GraderErrorKind.MODEL_SERVER, message) from missing
            self._clients[endpoint.name] = chat_client(
                base_url=endpoint.base_url,
                secret=secret,
                timeout_s=endpoint.timeout_s,
                retry=RetryPolicy(outlasts_throttling=True),
                pace=self._paces and self._paces.of(endpoint.base_url),
            )
        return self._clients[endpoint.name]


class SampleServices:
    """What the graders of one sample may use."""

    def __init__(self, shared: GraderServices) -> None:
        self._shared = shared
        self.used = Used()

    async def complete(self, model: str, body: Mapping[str, Any]) -> Completion:
        """What the model answers, counted on the sample's result."""
        return await self._shared.complete(model, body, self.used)

    async def run_python(
        self, source: str, sample: Mapping[str, Any], item: Mapping[str, Any], limits: Limits
    ) -> float:
        """What the code returns, in a process of this sample alone."""
        return await self._shared.run_python(source, sample, item, limits)


def _cost_micros(endpoint: ModelEndpoint, completion: Completion) -> int | None:
    if endpoint.prices is None:
        return None
    prices = endpoint.prices
    pricing = Pricing(
        fresh_input=prices.input, cached_input=prices.cached_input, output=prices.output
    )
    counted = (completion.tokens_in, completion.tokens_cached, completion.tokens_out)
    return pricing.cost_micros(*counted)
