"""The document that registers a checkpoint: its schema, and a checkpoint read from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from releases import manifest as manifests
from releases.documents import (
    Document,
    Problem,
    Validator,
    schema_problems,
    storage_problems,
)
from releases.states import CheckpointKind

NAME_PATTERN = "[A-Za-z0-9][A-Za-z0-9._-]{0,119}"
_NAME_WORDS = "letters, digits, dots, dashes and underscores, at most 120"
_SLUG = {
    "type": "string",
    "pattern": r"^[a-z0-9][a-z0-9_-]{0,59}$",
    "description": "lower-case letters, digits, dashes and underscores, at most 60",
}
_MICROS = {"type": "integer", "minimum": 0, "maximum": 10**15}


def _number(low: float, high: float) -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high}


_COUNT = {"type": "integer", "minimum": 1, "maximum": 10_000_000}
_STOP = {"type": "string", "minLength": 1, "maxLength": 200}
SAMPLING: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "temperature": _number(0, 2),
        "top_p": _number(0, 1),
        "top_k": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        "min_p": _number(0, 1),
        "seed": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
        "max_tokens": _COUNT,
        "max_completion_tokens": _COUNT,
        "presence_penalty": _number(-2, 2),
        "frequency_penalty": _number(-2, 2),
        "repeat_penalty": _number(0, 10),
        "stop": {**_STOP, "type": ["string", "array"], "items": _STOP, "maxItems": 16},
    },
}
SERVING: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "system_prompt": {"type": "string", "maxLength": 200_000},
        "sampling": SAMPLING,
        "template": {"type": "string", "maxLength": 100_000},
    },
}
MANIFEST: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": 100_000,
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["path", "size", "sha256"],
        "properties": {
            "path": {"type": "string", "minLength": 1, "maxLength": 1000},
            "size": {"type": "integer", "minimum": 0, "maximum": 2**53},
            "sha256": {
                "type": "string",
                "pattern": "^[0-9a-fA-F]{64}$",
                "description": "a SHA-256 is 64 hexadecimal digits",
            },
        },
    },
}
DEPLOYMENT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["base_url", "upstream_model"],
    "properties": {
        "base_url": {"type": "string", "minLength": 1, "maxLength": 500},
        "upstream_model": {"type": "string", "minLength": 1, "maxLength": 200},
        "secret_ref": {"type": "string", "maxLength": 200},
        "weight": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        "skip_probe_reason": {"type": "string", "maxLength": 2000},
    },
}
PRICE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["currency", "input_micros_per_million", "output_micros_per_million"],
    "properties": {
        "currency": {
            "type": "string",
            "pattern": "^[A-Z]{3}$",
            "description": "three capital letters, such as EUR",
        },
        "input_micros_per_million": _MICROS,
        "cached_input_micros_per_million": _MICROS,
        "output_micros_per_million": _MICROS,
        "effective_at": {"type": "string", "maxLength": 40},
    },
}
CHECKPOINT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["family", "size", "name", "kind", "artifact_uri", "context_window"],
    "properties": {
        "family": _SLUG,
        "size": {**_SLUG, "pattern": r"^[a-z0-9][a-z0-9._-]{0,39}$"},
        "name": {"type": "string", "pattern": f"^{NAME_PATTERN}$", "description": _NAME_WORDS},
        "kind": {"enum": [kind.value for kind in CheckpointKind]},
        "owner": {"type": "string", "minLength": 1, "maxLength": 254},
        "parent": {"type": "string", "minLength": 1, "maxLength": 120},
        "artifact_uri": {
            "type": "string",
            "pattern": r"^(s3://[^/]|file:///[^/]).{0,480}$",
            "description": "an artifact is a folder: s3://bucket/prefix or file:///folder",
        },
        "manifest": MANIFEST,
        "serving": SERVING,
        "context_window": {"type": "integer", "minimum": 1, "maximum": 100_000_000},
        "notes": {"type": "string", "maxLength": 20_000},
        "deployments": {"type": "array", "items": DEPLOYMENT, "maxItems": 100},
        "prices": {"type": "array", "items": PRICE, "maxItems": 100},
    },
}
VALIDATOR = Validator(CHECKPOINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSpec:
    """What a document says of a checkpoint; `manifest` None: to be computed from the files."""

    family: str
    size: str
    name: str
    kind: CheckpointKind
    artifact_uri: str
    context_window: int
    serving: Mapping[str, Any]
    owner: str = ""
    parent: str = ""
    notes: str = ""
    manifest: list[dict[str, Any]] | None = None


def document_problems(document: Document) -> list[Problem]:
    """Everything wrong with a registration document, at once."""
    problems = storage_problems(document) or schema_problems(document, VALIDATOR)
    if problems:
        return problems
    listed = manifests.path_problems(document.value.get("manifest", ()))
    return [document.problem(["manifest", index, "path"], sentence) for index, sentence in listed]


def checkpoint_spec(value: Mapping[str, Any]) -> CheckpointSpec:
    """The checkpoint of a document without problems; serving defaults in their full form."""
    own = {k: v for k, v in value.items() if k not in ("deployments", "prices")}
    serving = own.get("serving", {})
    listed = own.get("manifest")
    own |= {
        "kind": CheckpointKind(own["kind"]),
        "context_window": int(own["context_window"]),
        "serving": {
            "system_prompt": serving.get("system_prompt", ""),
            "sampling": serving.get("sampling", {}),
            "template": serving.get("template", ""),
        },
        "manifest": None if listed is None else manifests.in_order(listed),
    }
    return CheckpointSpec(**own)
