"""What one version of a pipeline changes against another, in sentences. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Part(StrEnum):
    """What of a pipeline changes."""

    STAGE = "stage"
    GATE = "gate"
    CODENAME = "codename"
    SETTING = "setting"
    FREEZE = "freeze"


class Action(StrEnum):
    """How it changes."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


MARKS = {Action.ADD: "+", Action.CHANGE: "~", Action.REMOVE: "-"}
_SETTINGS = ("after", "approvals", "ramp", "cohorts", "on_promote", "holdback", "guardrails")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a plan."""

    part: Part
    action: Action
    stage: str
    name: str
    sentence: str

    def as_dict(self) -> dict[str, str]:
        return {
            "part": self.part.value,
            "action": self.action.value,
            "stage": self.stage,
            "name": self.name,
            "sentence": self.sentence,
        }


Policies = Mapping[str, Mapping[str, Any]]


def changes(before: Policies, after: Policies) -> list[Change]:
    """From the policies by stage name, in order, to those of the new version."""
    found = [_stage(name, Action.REMOVE, "is retired") for name in before if name not in after]
    for name, policy in after.items():
        if name not in before:
            gates = ", ".join(gate["id"] for gate in policy["gates"]) or "none"
            found.append(_stage(name, Action.ADD, f"is new; gates: {gates}"))
        found += _inside(name, before.get(name, {}), policy, new=name not in before)
    kept_before = [name for name in before if name in after]
    kept_after = [name for name in after if name in before]
    if kept_before != kept_after:
        order = " → ".join(after)
        found.append(_stage(kept_after[0], Action.CHANGE, f"and others change place: {order}"))
    return found


def freeze_changes(
    stage: str, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> list[Change]:
    """From the freezes that a file has placed to those of the new one; stage empty: of all."""
    old, new = ({freeze["name"]: freeze for freeze in freezes} for freezes in (before, after))
    found = [_freeze(stage, name, Action.REMOVE, "is ended") for name in old if name not in new]
    for name, freeze in new.items():
        if name not in old:
            said = f"from {freeze['starts']} ({freeze['time_zone']}) for {freeze['lasts']}"
            rule = f", {freeze['rule']}" if freeze["rule"] else ""
            found.append(_freeze(stage, name, Action.ADD, f"is new: {said}{rule}"))
            continue
        wanted = {key: value for key, value in freeze.items() if key in old[name]}
        if wanted != old[name]:
            what = f"changes: {_differences(old[name], wanted)}"
            found.append(_freeze(stage, name, Action.CHANGE, what))
    return found


def _freeze(stage: str, name: str, action: Action, what: str) -> Change:
    sentence = f"{stage or 'Every stage'}: freeze {name} {what}."
    return Change(part=Part.FREEZE, action=action, stage=stage, name=name, sentence=sentence)


def _stage(name: str, action: Action, what: str) -> Change:
    return Change(
        part=Part.STAGE, action=action, stage=name, name=name, sentence=f"Stage {name} {what}."
    )


def _inside(
    stage: str, before: Mapping[str, Any], after: Mapping[str, Any], *, new: bool
) -> Iterator[Change]:
    yield from _codenames(stage, before.get("codenames", {}), after["codenames"])
    if new:
        return
    yield from _gates(stage, before["gates"], after["gates"])
    for name in _SETTINGS:
        if before.get(name) != after.get(name):
            sentence = f"{stage}: {name} {_short(before.get(name))} → {_short(after.get(name))}."
            yield Change(
                part=Part.SETTING, action=Action.CHANGE, stage=stage, name=name, sentence=sentence
            )


def _codenames(stage: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for size in [*before, *(size for size in after if size not in before)]:
        old, new = before.get(size), after.get(size)
        if old == new:
            continue
        if old is None:
            action, sentence = Action.ADD, f"{stage}: {size} is called {new}."
        elif new is None:
            action, sentence = Action.REMOVE, f"{stage}: {size} is no longer called {old}."
        else:
            action, sentence = Action.CHANGE, f"{stage}: {size} is called {new} instead of {old}."
        yield Change(
            part=Part.CODENAME, action=action, stage=stage, name=str(new or old), sentence=sentence
        )


def _gates(stage: str, before: list[Any], after: list[Any]) -> Iterator[Change]:
    old, new = ({gate["id"]: gate for gate in gates} for gates in (before, after))
    for name in old:
        if name not in new:
            yield _gate(stage, name, Action.REMOVE, "is removed")
    for name, gate in new.items():
        if name not in old:
            yield _gate(stage, name, Action.ADD, f"is new: {_short(gate)}")
        elif gate != old[name]:
            yield _gate(stage, name, Action.CHANGE, f"changes: {_differences(old[name], gate)}")
    if list(old) != list(new) and set(old) == set(new):
        yield _gate(stage, next(iter(new)), Action.CHANGE, f"and others: {', '.join(new)}")


def _gate(stage: str, name: str, action: Action, what: str) -> Change:
    sentence = f"{stage}: gate {name} {what}."
    return Change(part=Part.GATE, action=action, stage=stage, name=name, sentence=sentence)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    keys = [*old, *(key for key in new if key not in old)]
    pairs = [(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]
    return "; ".join(f"{key} {_short(before)} → {_short(after)}" for key, before, after in pairs)


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:157]}…"
