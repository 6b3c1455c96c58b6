"""What a pipeline document says that its schema can't judge. Pure.

Reads documents that may be malformed: whatever does not have its shape is left to the schema's own
problem, so that all mistakes show at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.roles import role_named
from releases.documents import Document, Path, Problem, Validator, error_problems
from releases.durations import duration
from releases.gates.contract import Rule

_GATE_KEYS = ("id", "kind", "shadow")
_FORMS = ({"all"}, {"any"}, {"k", "of"})
Stages = list[tuple[int, Mapping[str, Any]]]


def problems(document: Document, kinds: Mapping[str, Rule]) -> list[Problem]:
    """Unknown names, cycles, bad durations, and gates whose options are not of their kind."""
    stages = [(i, item) for i, item in enumerate(_items(document.value, "stages")) if _table(item)]
    names = {item["name"] for _, item in stages if isinstance(item.get("name"), str)}
    found = [*_twice(document, stages), *_cycles(document, stages)]
    for index, stage in stages:
        path: Path = ("stages", index)
        found += _after(document, path, stage, names)
        for number, gate in enumerate(_items(stage, "gates")):
            if _table(gate):
                found += _gate(document, (*path, "gates", number), gate, kinds, names)
        found += _approvals(document, path, stage)
        found += _ramp(document, path, stage)
        found += _in_one_step(document, path, stage)
    return found


def _items(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _twice(document: Document, stages: Stages) -> Iterator[Problem]:
    names: set[str] = set()
    codenames: dict[str, str] = {}
    for index, stage in stages:
        name = str(stage.get("name"))
        if name in names:
            yield document.problem(["stages", index, "name"], f"the stage {name} is there twice")
        names.add(name)
        for size, codename in _table(stage.get("codenames")).items():
            path: Path = ("stages", index, "codenames", size)
            if codename in codenames:
                yield document.problem(path, f"{codename} is a codename of {codenames[codename]}")
            codenames[str(codename)] = f"{name} ({size})"
        ids: set[Any] = set()
        for number, gate in enumerate(_items(stage, "gates")):
            gate_id = _table(gate).get("id")
            if isinstance(gate_id, str) and gate_id in ids:
                path = ("stages", index, "gates", number, "id")
                yield document.problem(path, f"the gate id {gate_id} is there twice in {name}")
            ids.add(str(gate_id))


def _branches(stage: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    after = _table(stage.get("after"))
    for form in ("all", "any", "of"):
        for number, branch in enumerate(_items(after, form)):
            if _table(branch):
                yield ("after", form, number), branch


def _after(
    document: Document, path: Path, stage: Mapping[str, Any], names: set[str]
) -> Iterator[Problem]:
    after = stage.get("after")
    if isinstance(after, dict) and set(after) not in _FORMS:
        yield document.problem(
            (*path, "after"), "says all: […], any: […], or k: n with of: […], one of the three"
        )
    n_of, k = len(_items(after, "of")), _table(after).get("k")
    if isinstance(k, int) and n_of and k > n_of:
        yield document.problem((*path, "after", "k"), f"k is {k}, but {n_of} stages are named")
    for place, branch in _branches(stage):
        yield from _known_stage(document, (*path, *place, "stage"), branch.get("stage"), names)
        yield from _duration(document, (*path, *place, "soak"), branch.get("soak"))


def _known_stage(document: Document, path: Path, name: Any, names: set[str]) -> Iterator[Problem]:
    if isinstance(name, str) and name not in names:
        known = ", ".join(sorted(names)) or "none"
        yield document.problem(path, f"there is no stage {name!r}; stages here: {known}")


def _duration(document: Document, path: Path, text: Any) -> Iterator[Problem]:
    """A duration that is too long; the schema tells of one that is misspelt."""
    if not isinstance(text, str) or not text[:-1].isdigit() or text[-1:] not in "smhd":
        return
    try:
        duration(text)
    except ValueError as error:
        yield document.problem(path, str(error))


def _cycles(document: Document, stages: Stages) -> Iterator[Problem]:
    """Each stage that can only be reached through itself, at its own line."""
    before = {
        stage["name"]: {b["stage"] for _, b in _branches(stage) if isinstance(b.get("stage"), str)}
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
    baseline = _table(options.get("baseline"))
    yield from _known_stage(document, (*path, "baseline", "stage"), baseline.get("stage"), names)
    for key in ("soak", "for"):
        yield from _duration(document, (*path, key), options.get(key))


def _role(document: Document, path: Path, name: Any) -> Iterator[Problem]:
    if not isinstance(name, str):
        return
    try:
        role_named(name)
    except ValueError as error:
        yield document.problem(path, str(error))


def _approvals(document: Document, path: Path, stage: Mapping[str, Any]) -> Iterator[Problem]:
    approvals = _table(stage.get("approvals"))
    place: Path = (*path, "approvals")
    for number, group in enumerate(_items(approvals, "groups")):
        yield from _role(document, (*place, "groups", number), group)
    yield from _duration(document, (*place, "expires"), approvals.get("expires"))


def _ramp(document: Document, path: Path, stage: Mapping[str, Any]) -> Iterator[Problem]:
    last = -1
    for number, step in enumerate(_items(stage, "ramp")):
        place: Path = (*path, "ramp", number)
        percent = _table(step).get("percent")
        if isinstance(percent, int) and percent <= last:
            yield document.problem(
                (*place, "percent"), f"{percent} follows {last}: ramps only grow"
            )
        last = percent if isinstance(percent, int) else last
        yield from _duration(document, (*place, "for"), _table(step).get("for"))


def _in_one_step(document: Document, path: Path, stage: Mapping[str, Any]) -> Iterator[Problem]:
    """Traffic moves in one step so far; a file that asks for more must not seem to get it."""
    for key in ("ramp", "holdback", "guardrails"):
        if stage.get(key):
            yield document.problem(
                (*path, key),
                f"`{key}` is not carried out yet: all traffic moves in one step. Leave it out.",
            )
