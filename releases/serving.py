"""How a checkpoint is asked: one pure function for the eval runner and the gateway alike.

What was judged is what is served, because both compose their requests here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingDefaults:
    """What a checkpoint brings to every request."""

    system_prompt: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_row(cls, serving: Mapping[str, Any]) -> ServingDefaults:
        """From a checkpoint's `serving` JSON."""
        return cls(
            system_prompt=serving.get("system_prompt") or "",
            sampling=serving.get("sampling") or {},
        )


Composer = Callable[[ServingDefaults, str, Mapping[str, Any]], dict[str, Any]]


def compose_request(
    serving: ServingDefaults, upstream_model: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    """The chat request to send upstream for a client's `body`.

    The checkpoint's system text comes first, the client's messages after it, untouched; sampling
    defaults fill only what the client did not send. `model` becomes the upstream's own id.
    """
    composed = _filled(serving, upstream_model, body)
    hidden = [{"role": "system", "content": serving.system_prompt}] if serving.system_prompt else []
    composed["messages"] = [*hidden, *body["messages"]]
    return composed


def compose_response(
    serving: ServingDefaults, upstream_model: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    """The same for a request of the Responses API: the system text begins its `instructions`.

    That API has another name for the most tokens to answer; a default follows it.
    """
    composed = _filled(serving, upstream_model, body)
    for name in ("max_tokens", "max_completion_tokens"):
        if (limit := composed.pop(name, None)) is not None:
            composed.setdefault("max_output_tokens", limit)
    if told := _joined(serving.system_prompt, body.get("instructions") or ""):
        composed["instructions"] = told
    return composed


def compose_completion(
    serving: ServingDefaults, upstream_model: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    """The same for a plain completion, which has no roles: each prompt begins with the text."""
    composed = _filled(serving, upstream_model, body)
    prompt, text = body["prompt"], serving.system_prompt
    several = isinstance(prompt, list)
    composed["prompt"] = [_joined(text, p) for p in prompt] if several else _joined(text, prompt)
    return composed


def compose_embedding(
    serving: ServingDefaults, upstream_model: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    """The same for embeddings: nothing is generated, so neither text nor sampling goes along."""
    return {**body, "model": upstream_model}


def _filled(
    serving: ServingDefaults, upstream_model: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    return {**serving.sampling, **body, "model": upstream_model}


def _joined(hidden: str, text: str) -> str:
    return "\n\n".join(filter(None, (hidden, text)))
