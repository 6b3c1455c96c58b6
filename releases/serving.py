"""How a checkpoint is asked: one pure function for the eval runner and the gateway alike.

What was judged is what is served, because both compose their requests here.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def compose_request(
    serving: ServingDefaults, upstream_model: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    """The chat request to send upstream for a client's `body`.

    The checkpoint's system text comes first, the client's messages after it, untouched; sampling
    defaults fill only what the client did not send. `model` becomes the upstream's own id.
    """
    composed = {**serving.sampling, **body, "model": upstream_model}
    hidden = [{"role": "system", "content": serving.system_prompt}] if serving.system_prompt else []
    composed["messages"] = [*hidden, *body["messages"]]
    return composed
