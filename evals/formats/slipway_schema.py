"""JSON Schemas of `suite.yaml` and of one line of `cases.jsonl`."""

from __future__ import annotations

from typing import Any

from evals.states import CaseSource

TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
SHARE: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
NEVER: dict[str, Any] = {"not": {}}
"""The runner sets it; a suite may not."""
REQUEST: dict[str, Any] = {
    "type": "object",
    "properties": {
        "max_tokens": {"type": "integer", "minimum": 1},
        "max_completion_tokens": {"type": "integer", "minimum": 1},
        "response_format": {"type": "object", "required": ["type"]},
        "messages": NEVER,
        "model": NEVER,
        "stream": NEVER,
        "n": NEVER,
    },
}
GRADERS: dict[str, Any] = {
    "type": "array",
    "items": {"type": "object", "required": ["type"]},
}
SUITE: dict[str, Any] = {
    "type": "object",
    "required": ["kind", "name", "components"],
    "additionalProperties": False,
    "properties": {
        "kind": {"const": "Suite"},
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,99}$"},
        "description": {"type": "string"},
        "owner": TEXT,
        "shelf_days": {"type": "integer", "minimum": 1, "maximum": 3650},
        "review_by": {"type": "string", "format": "date"},
        "canary": TEXT,
        "components": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string"},
        },
        "graders": GRADERS,
        "policy": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "refused": SHARE,
                "unparsable": SHARE,
                "timed_out": SHARE,
                "refusal_patterns": {"type": "array", "items": TEXT},
                "request_timeout_s": {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "maximum": 3600,
                },
            },
        },
        "request": REQUEST,
    },
}
CASE: dict[str, Any] = {
    "type": "object",
    "required": ["id", "input"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 200},
        "input": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role"],
                "properties": {
                    "role": {
                        "enum": ["system", "developer", "user", "assistant", "tool", "function"]
                    }
                },
            },
        },
        "tools": {"type": "array", "items": {"type": "object"}},
        "target": {},
        "metadata": {"type": "object"},
        "components": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "cluster": {"type": "string"},
        "source": {"enum": [source.value for source in CaseSource]},
        "request": REQUEST,
        "serving": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"system_prompt": {"type": "string"}},
        },
        "graders": GRADERS,
    },
}
