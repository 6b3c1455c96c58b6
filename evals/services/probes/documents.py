"""A probe as a document carries it: what the API, the command line and the console take alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from alpha.models import Finding
from alpha.selectors import finding_of
from evals.caps import Caps
from evals.models import Probe, ProbeHypothesis
from evals.services.probes import design
from evals.services.probes.specs import ProbeSpec, PromptSpec
from infra.actors import Actor
from infra.errors import InvalidInput
from releases.selectors.checkpoints import checkpoint_named

_CAPS = tuple(field.name for field in fields(Caps))
_NUMBERS = ("repeats", "concurrency", "seed")
_OBJECT: Mapping[str, Any] = {"type": "object"}
_OBJECTS: Mapping[str, Any] = {"type": "array", "items": _OBJECT}
PROMPT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["messages"],
    "additionalProperties": False,
    "properties": {
        "messages": {**_OBJECTS, "minItems": 1},
        "tools": _OBJECTS,
        "request": _OBJECT,
        "target": {},
    },
}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["finding", "title", "checkpoints"],
    "additionalProperties": False,
    "properties": {
        "kind": {"const": "Probe"},
        "finding": {"type": "string", "format": "uuid"},
        "title": {"type": "string"},
        "checkpoints": {"type": "array", "items": {"type": "string"}},
        "prompts": {"type": "array", "items": PROMPT_SCHEMA},
        "from_remarks": {"type": "boolean"},
        "templates": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "graders": _OBJECTS,
        "question": {"type": "string"},
        "request": _OBJECT,
        "may_stop_early": {"type": "boolean"},
        **{name: {"type": "integer"} for name in (*_NUMBERS, *_CAPS)},
    },
}
HYPOTHESIS_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["component", "sentence", "changed"],
    "additionalProperties": False,
    "properties": {
        "component": {"type": "string"},
        "sentence": {"type": "string"},
        "changed": {
            "type": "object",
            "minProperties": 1,
            "patternProperties": {"^[0-9]{1,5}$": {**_OBJECTS, "minItems": 1}},
            "additionalProperties": False,
        },
    },
}
_HYPOTHESIS = Draft202012Validator(HYPOTHESIS_SCHEMA)
_VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def create_from_document(*, actor: Actor, document: Any) -> Probe:
    """The draft that the document describes; InvalidInput names the field.

    With `from_remarks` the prompts of the finding's remarks come first: those whose partners agreed
    that their text is kept.
    """
    _must_fit(_VALIDATOR, document)
    design.must_design(actor)
    finding = finding_of(_uuid(document["finding"]))
    spec = ProbeSpec(
        title=document["title"],
        prompts=_prompts(actor, finding, document),
        checkpoints=[checkpoint_named(name) for name in document["checkpoints"]],
        caps=Caps(**{name: document[name] for name in _CAPS if name in document}),
        **{name: document[name] for name in _PLAIN if name in document},
    )
    return design.create_probe(actor=actor, finding=finding, spec=spec)


def write_from_document(*, actor: Actor, probe: Probe, document: Any) -> ProbeHypothesis:
    """A hypothesis of one's own: component, sentence, and the changed messages by prompt number.

    InvalidInput names the field.
    """
    if isinstance(document, Mapping) and isinstance(document.get("changed"), Mapping):
        named = {str(number): said for number, said in document["changed"].items()}
        document = {**document, "changed": named}
    _must_fit(_HYPOTHESIS, document)
    return design.write_hypothesis(
        actor=actor,
        probe=probe,
        component=document["component"],
        sentence=document["sentence"],
        changed={int(number): said for number, said in document["changed"].items()},
    )


def _must_fit(schema: Draft202012Validator, document: Any) -> None:
    problem = best_match(schema.iter_errors(document))
    if problem is not None:
        where = problem.json_path[2:] or "the document"
        raise InvalidInput("probe_document", f"{where}: {problem.message}.")


def _prompts(actor: Actor, finding: Finding, document: Mapping[str, Any]) -> Sequence[PromptSpec]:
    written = [PromptSpec(**prompt) for prompt in document.get("prompts", ())]
    if not document.get("from_remarks"):
        return written
    return [*design.prompts_of_finding(actor=actor, finding=finding), *written]


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput("probe_document", f"finding: {text!r} is no id of a finding.") from None


_PLAIN = ("templates", "graders", "question", "request", "may_stop_early", *_NUMBERS)
