"""What a pipeline document says that its schema can't judge. Pure.

Reads documents that may be malformed: whatever does not have its shape is left to the schema's own
problem, so that all mistakes show at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.roles import role_named
from releases.documents import Document, Path, Problem, Validator, error_problems
from releases.gates.contract import Rule
from releases.policy import freezes, traffic
from releases.policy.shapes import Stages, branches, items, stages_of, table, too_long

_GATE_KEYS = ("id", "kind", "shadow")
_FORMS = ({"all"}, {"any"}, {"k", "of"})


def problems(document: Document, kinds: Mapping[str, Rule]) -> list[Problem]:
    """Unknown names, cycles, bad durations, and gates whose options are not of their kind."""
    stages = stages_of(document)
    names = {item["name"] for _, item in stages if isinstance(item.get("name"), str)}
    found = [*_twice(document, stages), *_cycles(document, stages)]
    for index, stage in stages:
        path: Path = ("stages", index)
        found += _after(document, path, stage, names)
        for number, gate in enumerate(items(stage, "gates")):
            if table(gate):
                found += _gate(document, (*path, "gates", number), gate, kinds, names)
        found += _approvals(document, path, stage)
    return [*found, *traffic.problems(document, stages), *freezes.problems(document, stages)]


def _twice(document: Document, stages: Stages) -> Iterator[Problem]:
    names: set[str] = set()
    codenames: dict[str, str] = {}
    for index, stage in stages:
        name = str(stage.get("name"))
        if name in names:
            yield document.problem(["stages", index, "name"], f"the stage {name} is there twice")
        names.add(name)
        for size, codename in table(stage.get("codenames")).items():
            path: Path = ("stages", index, "codenames", size)
            if codename in codenames:
                yield document.problem(path, f"{codename} is a codename of {codenames[codename]}")
            codenames[str(codename)] = f"{name} ({size})"
        ids: set[Any] = set()
        for number, gate in enumerate(items(stage, "gates")):
            gate_id = table(gate).get("id")
            if isinstance(gate_id, str) and gate_id in ids:
                path = ("stages", index, "gates", number, "id")
                yield document.problem(path, f"the gate id {gate_id} is there twice in {name}")
            ids.add(str(gate_id))


def _after(
    document: Document, path: Path, stage: Mapping[str, Any], names: set[str]
) -> Iterator[Problem]:
    after = stage.get("after")
    if isinstance(after, dict) and set(after) not in _FORMS:
        yield document.problem(
            (*path, "after"), "says all: […], any: […], or k: n with of: […], one of the three"
        )
    n_of, k = len(items(after, "of")), table(after).get("k")
    if isinstance(k, int) and n_of and k > n_of:
        yield document.problem((*path, "after", "k"), f"k is {k}, but {n_of} stages are named")
    for place, branch in branches(stage):
        yield from _known_stage(document, (*path, *place, "stage"), branch.get("stage"), names)
        yield from too_long(document, (*path, *place, "soak"), branch.get("soak"))


def _known_stage(document: Document, path: Path, name: Any, names: set[str]) -> Iterator[Problem]:
    if isinstance(name, str) and name not in names:
        known = ", ".join(sorted(names)) or "none"
        yield document.problem(path, f"there is no stage {name!r}; stages here: {known}")


def _cycles(document: Document, stages: Stages) -> Iterator[Problem]:
    """Each stage that can only be reached through itself, at its own line."""
    before = {
        stage["name"]: {b["stage"] for _, b in branches(stage) if isinstance(b.get("stage"), str)}
        for _, stage in stages
        if isinstance(stage.get("name"), str)
    }
    seen: set[str] = set()
    for index, stage in stages:
        name = stage.get("name")
        way = _way_back(name, before) if isinstance(name, str) else []
        if way and not seen & set(way):
            seen |= set(way)
            turn = " after ".join([*way, way[0]])
            yield document.problem(["stages", index, "after"], f"goes in a circle: {turn}")


def _way_back(start: str, before: Mapping[str, set[str]]) -> list[str]:
    """The stages of a circle through `start`; [] when there is none."""
    paths = [[start]]
    reached: set[str] = set()
    while paths:
        path = paths.pop(0)
        for name in sorted(before.get(path[-1], ())):
            if name == start:
                return path
            if name not in reached:
                reached.add(name)
                paths.append([*path, name])
    return []


def _gate(
    document: Document,
    path: Path,
    gate: Mapping[str, Any],
    kinds: Mapping[str, Rule],
    names: set[str],
) -> Iterator[Problem]:
    kind = gate.get("kind")
    if not isinstance(kind, str):
        return
    if kind not in kinds:
        known = ", ".join(sorted(kinds))
        yield document.problem(
            (*path, "kind"), f"there is no kind of gate {kind!r}; known: {known}"
        )
        return
    options = {key: value for key, value in gate.items() if key not in _GATE_KEYS}
    for error in Validator(kinds[kind].schema).iter_errors(options):
        yield from error_problems(document, error, path)
    yield from _role(document, (*path, "role"), options.get("role"))
    yield from _known_stage(document, (*path, "stage"), options.get("stage"), names)
    baseline = table(options.get("baseline"))
    yield from _known_stage(document, (*path, "baseline", "stage"), baseline.get("stage"), names)
    for key in ("soak", "for"):
        yield from too_long(document, (*path, key), options.get(key))


def _role(document: Document, path: Path, name: Any) -> Iterator[Problem]:
    if not isinstance(name, str):
        return
    try:
        role_named(name)
    except ValueError as error:
        yield document.problem(path, str(error))


def _approvals(document: Document, path: Path, stage: Mapping[str, Any]) -> Iterator[Problem]:
    approvals = table(stage.get("approvals"))
    place: Path = (*path, "approvals")
    for number, group in enumerate(items(approvals, "groups")):
        yield from _role(document, (*place, "groups", number), group)
    yield from too_long(document, (*place, "expires"), approvals.get("expires"))
