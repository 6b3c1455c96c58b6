"""Computes the recorded intervals again from what the record carries, where NumPy is present."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from releases.replay.judge import Difference
from releases.replay.method_inputs import MethodInput, found_at, live_inputs, method_input
from releases.replay.records import DATA, NoRecord
from releases.statistics.methods import METHODS

_NEEDS = ("numpy", "scipy")
# Another release of SciPy may round its last digits otherwise; a changed digit is far beyond.
_RELATIVE, _ABSOLUTE = 1e-9, 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Deep:
    """What was computed again, what could not be, and what came out otherwise."""

    lines: tuple[str, ...]
    n_computed: int
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        return not self.differences


def deepened(given: Mapping[str, Any]) -> Deep:
    """Every interval of the file's gates, computed again; NoRecord for data that can't be read."""
    absent = [name for name in _NEEDS if find_spec(name) is None]
    if absent:
        line = f"Not deep: {' and '.join(absent)} are not installed here; nothing was computed."
        return Deep(lines=(line,), n_computed=0, differences=())
    lines, differences, n_computed = [], [], 0
    for gate in given["gates"]:
        calls = _calls_of(gate, given.get(DATA) or {})
        found = [change for call in calls for change in _changes(gate, call)]
        n_computed += len(calls)
        differences += found
        lines.append(_line(gate, len(calls), len(found)))
    return Deep(lines=tuple(lines), n_computed=n_computed, differences=tuple(differences))


def _line(gate: Mapping[str, Any], n_calls: int, n_changed: int) -> str:
    if n_calls == 0:
        why = "the file carries nothing that an interval of it is computed from"
        if str(gate["kind"]).startswith("eval_") and gate["kind"] != "eval_fresh":
            why = "the file carries no cases; export it with --cases"
        return f"  not computed   {gate['id']:<24} {why}"
    told = "equal" if n_changed == 0 else f"{n_changed} differ"
    return f"  computed       {gate['id']:<24} {n_calls} calls, {told}"


def _calls_of(gate: Mapping[str, Any], data: Mapping[str, Any]) -> list[MethodInput]:
    try:
        if gate["id"] in data:
            return [method_input(row) for row in data[gate["id"]]]
        observed = gate["evidence"]
        return live_inputs(gate["kind"], gate["options"], observed) if observed else []
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NoRecord(f"gate {gate['id']}: its data can't be read: {error!r}") from error


def _changes(gate: Mapping[str, Any], call: MethodInput) -> Iterator[Difference]:
    where = f"gate {gate['id']}" + (f", {call.name}" if call.name else "")
    recorded = found_at(gate["evidence"], call.at)
    if call.method not in METHODS or recorded is None:
        told = f"{where}: {call.method} at {'.'.join(call.at)} is not in this record."
        yield Difference(where=where, sentence=told)
        return
    try:
        answer = METHODS[call.method].call(call.given)
    except ValueError as error:
        yield Difference(where=where, sentence=f"{where}: {call.method} refuses its data: {error}.")
        return
    for field, shown in call.fields.items():
        if not _same(recorded.get(shown), answer[field]):
            told = (
                f"{where}: {shown} is recorded as {recorded.get(shown)}, but {call.method} gives "
                f"{answer[field]}."
            )
            yield Difference(where=where, sentence=told)


def _same(recorded: Any, computed: Any) -> bool:
    ours, theirs = _number(recorded), _number(computed)
    if ours is None or theirs is None:
        return ours is theirs
    return math.isclose(ours, theirs, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float, str)) else None
