"""What a pipeline says about moving traffic: ramps, holdbacks, guardrails, live arms. Pure.

Reads documents that may be malformed, as `checks` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from releases.documents import Document, Path, Problem, Validator, error_problems
from releases.gates.live_options import GUARDRAIL_KINDS, needs_baseline, odds_limit
from releases.policy.shapes import Stages, branches, items, table, too_long

_GUARDRAIL_KEYS = ("id", "kind", "action")
_LIVE = frozenset({"error_rate", "feedback_rate", "latency", "cost"})


def problems(document: Document, stages: Stages) -> Iterator[Problem]:
    """What is wrong with the traffic of every stage."""
    armed = {str(stage.get("name")) for _, stage in stages if has_arms(stage)}
    names = {str(stage.get("name")) for _, stage in stages}
    for index, stage in stages:
        path: Path = ("stages", index)
        yield from _ramp(document, path, stage)
        yield from _guardrails(document, path, stage)
        for number, gate in enumerate(items(stage, "gates")):
            place: Path = (*path, "gates", number)
            yield from _arm(document, place, table(gate), stage, names - armed)
            yield from _reference(document, place, table(gate))


def has_arms(stage: Mapping[str, Any]) -> bool:
    """Whether an incumbent serves beside a candidate there for a while, or for good."""
    return bool(stage.get("ramp")) or bool(stage.get("holdback"))


def reads(stage: Mapping[str, Any], gate: Mapping[str, Any]) -> list[str]:
    """The stages whose live traffic a gate of `stage` is judged on."""
    if isinstance(gate.get("stage"), str):
        return [gate["stage"]]
    return [b["stage"] for _, b in branches(stage) if isinstance(b.get("stage"), str)]


def compares_arms(gate: Mapping[str, Any]) -> bool:
    """Whether the gate sets a candidate against the incumbent that serves beside it."""
    return gate.get("kind") in _LIVE and needs_baseline(gate)


def _ramp(document: Document, path: Path, stage: Mapping[str, Any]) -> Iterator[Problem]:
    steps, holdback = items(stage, "ramp"), _whole(stage.get("holdback")) or 0
    last = 0
    for number, step in enumerate(table(step) for step in steps):
        place: Path = (*path, "ramp", number)
        percent = _whole(step.get("percent"))
        if percent is not None:
            for sentence in _percent(percent, last, holdback):
                yield document.problem((*place, "percent"), sentence)
            last = percent
        if number + 1 < len(steps) and not _waits(step):
            sentence = "would be over at once: say `for`, `approval: true` or `monitored: true`"
            yield document.problem(place, sentence)
        yield from _monitored(document, place, step, stage)
        yield from too_long(document, (*place, "for"), step.get("for"))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _percent(percent: int, last: int, holdback: int) -> Iterator[str]:
    if percent <= last:
        yield f"{percent} follows {last}: ramps only grow"
    if percent > 100 - holdback:
        left = f"the {100 - holdback}% that the holdback of {holdback}% leaves"
        yield f"{percent}% are more than {left}"


def _waits(step: Mapping[str, Any]) -> bool:
    return "for" in step or step.get("approval") is True or step.get("monitored") is True


def _monitored(
    document: Document, place: Path, step: Mapping[str, Any], stage: Mapping[str, Any]
) -> Iterator[Problem]:
    if step.get("monitored") is not True:
        return
    if not items(stage, "guardrails"):
        sentence = "waits for the stage's guardrails, but the stage has none"
        yield document.problem((*place, "monitored"), sentence)
    if step.get("percent") == 100:
        sentence = "100% leave no incumbent arm that the candidate could be compared with"
        yield document.problem((*place, "monitored"), sentence)


def _guardrails(document: Document, path: Path, stage: Mapping[str, Any]) -> Iterator[Problem]:
    found = items(stage, "guardrails")
    if found and not has_arms(stage):
        sentence = (
            "guardrails watch a candidate beside the incumbent: the stage needs a `ramp` or a "
            "`holdback`"
        )
        yield document.problem((*path, "guardrails"), sentence)
    ids: set[str] = set()
    for number, item in enumerate(table(item) for item in found):
        place: Path = (*path, "guardrails", number)
        name = item.get("id")
        if isinstance(name, str):
            if name in ids:
                yield document.problem((*place, "id"), f"the guardrail id {name} is there twice")
            ids.add(name)
        yield from _guardrail(document, place, item)


def _guardrail(document: Document, place: Path, item: Mapping[str, Any]) -> Iterator[Problem]:
    kind = item.get("kind")
    if not isinstance(kind, str):
        return
    if kind not in GUARDRAIL_KINDS:
        known = ", ".join(sorted(GUARDRAIL_KINDS))
        sentence = f"there is no kind of guardrail {kind!r}; known: {known}"
        yield document.problem((*place, "kind"), sentence)
        return
    options = {key: value for key, value in item.items() if key not in _GUARDRAIL_KEYS}
    for error in Validator(GUARDRAIL_KINDS[kind]).iter_errors(options):
        yield from error_problems(document, error, place)
    yield from _reference(document, place, item)


def _reference(document: Document, place: Path, item: Mapping[str, Any]) -> Iterator[Problem]:
    """A reference rate at which the limit is no rate any more."""
    given = [item.get(key, 1.0) for key in ("reference_rate", "ratio_at_most", "margin")]
    if "reference_rate" not in item or not all(isinstance(n, float | int) for n in given):
        return
    try:
        odds_limit(item)
    except (ValueError, KeyError, ZeroDivisionError) as error:
        yield document.problem((*place, "reference_rate"), f"can't be used with the limit: {error}")


def _arm(
    document: Document,
    place: Path,
    gate: Mapping[str, Any],
    stage: Mapping[str, Any],
    unarmed: set[str],
) -> Iterator[Problem]:
    """A comparison of arms needs two of them, in every stage that it reads."""
    if not compares_arms(gate):
        return
    read = reads(stage, gate)
    if not read:
        sentence = (
            "compares live arms, but there is no stage to read: name it with `stage`, or give this "
            "stage an `after`"
        )
        yield document.problem(place, sentence)
    for name in read:
        if name in unarmed:
            sentence = (
                f"compares a candidate with the incumbent beside it, but {name} never has both: "
                "give it a `ramp` or a `holdback`"
            )
            yield document.problem(place, sentence)
