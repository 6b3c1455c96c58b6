"""JSON Schema fragments that several kinds share. Pure.

A rule's `schema` describes its options alone: `kind`, `id` and `shadow` belong to every gate and
are described where pipeline files are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

SUITE: Schema = {
    "type": "string",
    "pattern": "^[a-zA-Z0-9_-]+(@[0-9]+)?$",
    "description": "A suite by name; `sql@7` pins a version.",
}
NODE: Schema = {"type": "string", "maxLength": 200, "description": "Empty: the whole suite."}
NODES: Schema = {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True}
MARGIN: Schema = {"type": "number", "minimum": 0, "maximum": 1}
CONFIDENCE: Schema = {"type": "number", "minimum": 0.5, "exclusiveMaximum": 1}
BLOCK_ON: Schema = {"enum": ["regression", "worse"]}
ALLOW_IMPORTED: Schema = {
    "type": "boolean",
    "description": "Whether runs that another tool made and scored may admit; false by default.",
}
BASELINE: Schema = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"stage": {"type": "string", "minLength": 1}},
            "required": ["stage"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"checkpoint": {"type": "string", "minLength": 1}},
            "required": ["checkpoint"],
            "additionalProperties": False,
        },
    ],
    "description": "The incumbent of a stage, or a named checkpoint.",
}

DEFAULT_CONFIDENCE = 0.95


def options_schema(properties: Schema, required: Sequence[str] = ()) -> Schema:
    """The schema of one kind's options: nothing unknown is taken silently."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }
