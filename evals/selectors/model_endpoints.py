"""Which model a grader's `model` names, and where it answers.

An entry of the setting `SLIPWAY_JUDGE_ENDPOINTS`, else a checkpoint with an active deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from evals import graders
from evals.models import SuiteVersion
from evals.selectors import judges
from infra import clock
from infra.errors import InvalidInput
from releases.models import Checkpoint
from releases.selectors.checkpoints import active_deployments, price_at
from releases.serving import ServingDefaults, compose_request


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Micro-units per million tokens."""

    input: int
    cached_input: int
    output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEndpoint:
    """Where a grader's model answers."""

    name: str
    base_url: str
    upstream_model: str
    secret_ref: str = ""
    prices: Prices | None = None
    """None: what its answers cost is not known."""
    timeout_s: float = 120.0
    """Seconds until a call of it has failed."""
    structured: bool = True
    """Whether the endpoint takes `response_format` of type `json_schema`."""
    serving: ServingDefaults = ServingDefaults()

    def request(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The whole request for a body without `model`."""
        composed = compose_request(self.serving, self.upstream_model, body)
        if not self.structured:
            composed.pop("response_format", None)
        return composed


def endpoint_named(name: str) -> ModelEndpoint | None:
    """The endpoint of that name; None when nothing answers to it."""
    configured = settings.JUDGE_ENDPOINTS.get(name)
    if configured is not None:
        return _configured(name, configured)
    return _deployed(name)


def endpoints_of(version: SuiteVersion) -> dict[str, ModelEndpoint]:
    """The models that the version's graders and its cases' own ask; as endpoints_named."""
    specs = judges.resolved(judges.all_specs(version), judges.versions_of(version))
    return endpoints_named(name for spec in specs for name in graders.models_of(spec))


def endpoints_named(names: Iterable[str]) -> dict[str, ModelEndpoint]:
    """Every endpoint by name; InvalidInput naming those that nothing answers to."""
    found = {name: endpoint_named(name) for name in sorted(set(names))}
    unknown = [name for name, endpoint in found.items() if endpoint is None]
    if unknown:
        known = ", ".join(sorted(settings.JUDGE_ENDPOINTS)) or "no model"
        message = (
            f"A grader asks {', '.join(map(repr, unknown))}, and nothing answers to that: name it "
            f"in SLIPWAY_JUDGE_ENDPOINTS (it has {known}), or deploy a checkpoint of that name."
        )
        raise InvalidInput("judge_endpoint_unknown", message)
    return {name: endpoint for name, endpoint in found.items() if endpoint is not None}


def _configured(name: str, entry: Mapping[str, Any]) -> ModelEndpoint:
    price = entry.get("price")
    return ModelEndpoint(
        name=name,
        base_url=entry["base_url"],
        upstream_model=entry.get("model", name),
        secret_ref=entry.get("secret", ""),
        prices=price
        and Prices(
            input=price["input"],
            cached_input=price.get("cached_input", price["input"]),
            output=price["output"],
        ),
        timeout_s=entry.get("timeout_s", 120.0),
        structured=entry.get("structured", True),
    )


def _deployed(name: str) -> ModelEndpoint | None:
    checkpoint = Checkpoint.objects.filter(name=name).first()
    place = checkpoint and active_deployments(checkpoint.pk).order_by("-weight").first()
    if checkpoint is None or place is None:
        return None
    price = price_at(checkpoint.pk, clock.now())
    return ModelEndpoint(
        name=name,
        base_url=place.base_url,
        upstream_model=place.upstream_model,
        secret_ref=place.secret_ref,
        prices=price
        and Prices(
            input=price.input_micros_per_million,
            cached_input=price.cached_input_micros_per_million,
            output=price.output_micros_per_million,
        ),
        serving=ServingDefaults.from_row(checkpoint.serving),
    )
