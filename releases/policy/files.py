"""Reads pipeline files: every mistake at once, each with its line; then stages and their policies.

A stage's policy is what its promotions freeze:
`{name, gates: [{id, kind, shadow, **options}], approvals: {required, groups, expires}, after, ramp,
cohorts, codenames: {size: name}, on_promote, holdback,
guardrails: [{id, kind, action, **options}]}`.
Durations stay as written. Freezes are no part of it: they stop a move, and judge nothing. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.roles import role_named
from releases.digests import sha256_of
from releases.documents import (
    Document,
    Problem,
    Validator,
    read_documents,
    schema_problems,
)
from releases.gates.contract import Rule
from releases.policy import checks, freezes
from releases.states import OnPromote

SCHEMA = json.loads((Path(__file__).parents[1] / "pipeline.schema.json").read_text("utf-8"))
VALIDATOR = Validator(SCHEMA)
APPROVAL_EXPIRES = "7d"
_GATE_KEYS = ("id", "kind", "shadow")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """One stage as it will be kept."""

    name: str
    position: int
    policy: Mapping[str, Any]
    digest: str
    freezes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSpec:
    """One pipeline of a file; equal digests mean that nothing changes."""

    name: str
    family: str
    stages: tuple[StageSpec, ...]
    digest: str
    document: Document
    freezes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one file holds: its documents, whatever their mistakes, and those that have none."""

    documents: tuple[Document, ...]
    specs: tuple[PipelineSpec, ...]
    problems: tuple[Problem, ...]


def read_pipelines(
    text: str, file: str, kinds: Mapping[str, Rule]
) -> tuple[list[PipelineSpec], list[Problem]]:
    """The pipelines of one file (several YAML documents allowed), and everything wrong with it."""
    found = reading_of(text, file, kinds)
    return list(found.specs), list(found.problems)


def reading_of(text: str, file: str, kinds: Mapping[str, Rule]) -> Reading:
    """As read_pipelines, with the documents: names can be looked up in a malformed one too."""
    documents, problems = read_documents(text, file)
    specs: list[PipelineSpec] = []
    for document in documents:
        found = schema_problems(document, VALIDATOR)
        found += checks.problems(document, kinds)
        if not found and not problems:
            specs.append(pipeline_spec(document))
        problems += found
    return Reading(
        documents=tuple(documents),
        specs=tuple(specs),
        problems=tuple(sorted(problems, key=lambda problem: problem.line or 0)),
    )


def pipeline_spec(document: Document) -> PipelineSpec:
    """The pipeline of a document without problems."""
    value = document.value
    stages = tuple(_stage(item, position) for position, item in enumerate(value["stages"]))
    own = _freezes(value)
    content = [value["name"], value["family"], [stage.policy for stage in stages]]
    frozen = [own, *(stage.freezes for stage in stages)]
    # Left out where there are none: files without freezes keep the digest that they had.
    if any(frozen):
        content.append(frozen)
    return PipelineSpec(
        name=value["name"],
        family=value["family"],
        stages=stages,
        digest=sha256_of(content),
        document=document,
        freezes=own,
    )


def _stage(item: Mapping[str, Any], position: int) -> StageSpec:
    approvals = item.get("approvals", {})
    policy = {
        "name": item["name"],
        "gates": [
            _plain(gate) for gate in named([*_soaks(item.get("after", {})), *item.get("gates", ())])
        ],
        "approvals": {
            "required": approvals.get("required", 0),
            "groups": [role_named(group).value for group in approvals.get("groups", ())],
            "expires": approvals.get("expires", APPROVAL_EXPIRES),
        },
        "after": item.get("after", {}),
        "ramp": item.get("ramp", []),
        "cohorts": item.get("cohorts", []),
        "codenames": item.get("codenames", {}),
        "on_promote": item.get("on_promote", OnPromote.KEEP.value),
        "holdback": item.get("holdback", 0),
        "guardrails": named(item.get("guardrails", ())),
    }
    return StageSpec(
        name=item["name"],
        position=position,
        policy=policy,
        digest=sha256_of(policy),
        freezes=_freezes(item),
    )


def _freezes(item: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(freezes.as_kept(freeze) for freeze in item.get("freezes", ()))


def _soaks(after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`after` as gates: one a stage that all have to be passed, one for a choice of stages."""
    if "all" in after:
        return [{"kind": "soak", **branch} for branch in after["all"]]
    return [{"kind": "soak", **after}] if after else []


def _plain(gate: Mapping[str, Any]) -> dict[str, Any]:
    """`{id, kind, shadow, …options}`."""
    options = {key: value for key, value in gate.items() if key not in _GATE_KEYS}
    shadow = gate.get("shadow", False)
    return {"id": gate["id"], "kind": gate["kind"], "shadow": shadow, **options}


def named(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each item with its id first: its own, or its kind and the first number that is free."""
    taken = {item["id"] for item in items if "id" in item}
    kept = []
    for item in items:
        name = item.get("id") or _free_id(item["kind"], taken)
        taken.add(name)
        kept.append({"id": name, **{key: value for key, value in item.items() if key != "id"}})
    return kept


def _free_id(kind: str, taken: set[str]) -> str:
    number = 1
    while f"{kind}-{number}" in taken:
        number += 1
    return f"{kind}-{number}"
