"""`soak`: was the checkpoint live upstream long enough, without a break? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from releases.durations import duration
from releases.gates import options, reading
from releases.gates.contract import Evidence, Gate, Verdict
from releases.states import Outcome

_DURATION: options.Schema = {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"}
_BRANCH: options.Schema = {
    "type": "object",
    "properties": {"stage": {"type": "string", "minLength": 1}, "soak": _DURATION},
    "required": ["stage"],
    "additionalProperties": False,
}
_BRANCHES: options.Schema = {"type": "array", "items": _BRANCH, "minItems": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One upstream stage and how long a checkpoint stays there; zero: it was live there."""

    stage: str
    required: timedelta
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """Where one branch stands; `clears_at` None: done, or nothing runs that would clear it."""

    branch: Branch
    done: bool
    clears_at: datetime | None
    sentence: str


class Soak:
    """`{stage, soak}`, or `all`, `any`, `k` of several; what was reached once is kept."""

    kind = "soak"
    human = False
    schema: options.Schema = {
        "type": "object",
        "properties": {
            "stage": {"type": "string", "minLength": 1},
            "soak": _DURATION,
            "all": _BRANCHES,
            "any": _BRANCHES,
            "of": _BRANCHES,
            "k": {"type": "integer", "minimum": 1},
        },
        "oneOf": [
            {"required": ["stage"]},
            {"required": ["all"]},
            {"required": ["any"]},
            {"required": ["k", "of"]},
        ],
        "dependentRequired": {"soak": ["stage"], "k": ["of"]},
        "additionalProperties": False,
    }

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """Pass when enough branches have soaked; else inconclusive with the moment it clears."""
        branches, needed = wanted(gate.options)
        found = reading.table(evidence.observed or {}, "stages")
        progress = [_progress(branch, found, now) for branch in branches]
        done = sum(item.done for item in progress)
        sentence = "; ".join(item.sentence for item in progress)
        if len(branches) > 1:
            sentence = f"{done} of {needed} needed stages soaked: {sentence}"
        cleared = done >= needed
        return Verdict(
            outcome=Outcome.PASS if cleared else Outcome.INCONCLUSIVE,
            code="soaked" if cleared else "still_soaking",
            # Only the first letter: a stage's name keeps its own.
            sentence=f"{sentence[:1].upper()}{sentence[1:]}.",
            observed={"n_soaked": done},
            required={"n_stages": needed, "soak": {b.stage: b.text for b in branches}},
            clears_at=None if cleared else _clears_at(progress, needed - done),
        )


def wanted(given: Mapping[str, Any]) -> tuple[list[Branch], int]:
    """The branches and how many of them have to soak."""
    if "stage" in given:
        return [_branch(given)], 1
    if "any" in given:
        return [_branch(item) for item in given["any"]], 1
    branches = [_branch(item) for item in given["all" if "all" in given else "of"]]
    needed = len(branches) if "all" in given else int(given["k"])
    if not 1 <= needed <= len(branches):
        raise reading.BadEvidence(f"k is {needed}, but {len(branches)} stages are named")
    return branches, needed


def _branch(item: Mapping[str, Any]) -> Branch:
    text = item.get("soak", "0s")
    return Branch(stage=item["stage"], required=duration(text), text=text)


def _progress(branch: Branch, found: Mapping[str, Any], now: datetime) -> _Progress:
    seen = reading.table(found, branch.stage)
    longest = timedelta(seconds=reading.number(seen, "longest_s"))
    if "since" not in seen:
        raise reading.BadEvidence(f"{branch.stage}: since is not there; it is null without a stay")
    since = None if seen["since"] is None else reading.moment(seen, "since")
    if since is not None and since > now:
        raise reading.BadEvidence(f"{branch.stage}: occupied since {since}, which is not yet")
    was_there = since is not None or longest > timedelta(0)
    clears_at = since + branch.required if since is not None else None
    done = was_there and longest >= branch.required
    if done or (clears_at is not None and clears_at <= now):
        sentence = (
            f"{branch.text} in {branch.stage} are done"
            if branch.required
            else (f"was live in {branch.stage}")
        )
        return _Progress(branch=branch, done=True, clears_at=None, sentence=sentence)
    return _Progress(
        branch=branch, done=False, clears_at=clears_at, sentence=_waiting(branch, since, clears_at)
    )


def _waiting(branch: Branch, since: datetime | None, clears_at: datetime | None) -> str:
    if since is None or clears_at is None:
        span = f"{branch.text} without a break" if branch.required else "once"
        return f"not live in {branch.stage} now: it has to be there {span}"
    return (
        f"live in {branch.stage} since {since:%Y-%m-%d %H:%M} UTC: "
        f"{branch.text} are reached on {clears_at:%Y-%m-%d %H:%M} UTC"
    )


def _clears_at(progress: list[_Progress], missing: int) -> datetime | None:
    """When the branches that now run have brought the missing number; None when too few run."""
    running = sorted(item.clears_at for item in progress if item.clears_at is not None)
    return running[missing - 1] if len(running) >= missing else None
