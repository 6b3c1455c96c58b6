"""What is sent upstream: the checkpoint's own text first, defaults only where nothing was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from releases.serving import (
    Composer,
    ServingDefaults,
    compose_completion,
    compose_embedding,
    compose_request,
    compose_response,
)

FULL = ServingDefaults(system_prompt="Brief.", sampling={"temperature": 0, "max_tokens": 9})
BARE = ServingDefaults()
USER = {"role": "user", "content": "hi"}
OWN = {"role": "system", "content": "Brief."}
DEFAULTS = {"model": "up", "temperature": 0, "max_tokens": 9}
CASES: list[tuple[str, Composer, ServingDefaults, Mapping[str, Any], Mapping[str, Any]]] = [
    ("chat", compose_request, FULL, {"messages": [USER]}, {**DEFAULTS, "messages": [OWN, USER]}),
    ("chat, bare", compose_request, BARE, {"messages": [USER]},
     {"model": "up", "messages": [USER]}),
    ("a response", compose_response, FULL, {"input": "hi"},
     {"model": "up", "temperature": 0, "max_output_tokens": 9, "input": "hi",
      "instructions": "Brief."}),
    ("a response with its own", compose_response, FULL,
     {"input": "hi", "instructions": "Kind.", "max_output_tokens": 4, "temperature": 1},
     {"model": "up", "temperature": 1, "max_output_tokens": 4, "input": "hi",
      "instructions": "Brief.\n\nKind."}),
    ("a response, bare", compose_response, BARE, {"input": "hi"}, {"model": "up", "input": "hi"}),
    ("a completion", compose_completion, FULL, {"prompt": "hi"},
     {**DEFAULTS, "prompt": "Brief.\n\nhi"}),
    ("completions", compose_completion, FULL, {"prompt": ["a", "b"]},
     {**DEFAULTS, "prompt": ["Brief.\n\na", "Brief.\n\nb"]}),
    ("a completion, bare", compose_completion, BARE, {"prompt": "hi"},
     {"model": "up", "prompt": "hi"}),
    ("an embedding", compose_embedding, FULL, {"input": "hi"}, {"model": "up", "input": "hi"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "compose", "serving", "body", "expected"), CASES, ids=[case[0] for case in CASES]
)
def test_a_body_is_composed(
    name: str,
    compose: Composer,
    serving: ServingDefaults,
    body: Mapping[str, Any],
    expected: Mapping[str, Any],
) -> None:
    sent = dict(body)
    assert compose(serving, "up", body) == expected, name
    assert body == sent, "the client's body stays as it was"
