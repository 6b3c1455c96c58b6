"""A stage's policy, read as what a promotion is judged by. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from releases.durations import duration
from releases.gates.contract import Gate
from releases.gates.facts import ApprovalRule

DEFAULT_EXPIRY = timedelta(days=7)
_OF_EVERY_GATE = ("kind", "id", "shadow")


def gates_of(policy: Mapping[str, Any]) -> tuple[Gate, ...]:
    """The stage's gates in order, `after` first as a `soak`; ids default to `kind-n`.

    A policy that an apply kept has its `after` among its gates already.
    """
    items = list(policy.get("gates") or ())
    if policy.get("after") and not any(item["kind"] == "soak" for item in items):
        items.insert(0, {"kind": "soak", **policy["after"]})
    seen: Counter[str] = Counter()
    gates = []
    for item in items:
        kind = str(item["kind"])
        seen[kind] += 1
        options = {key: value for key, value in item.items() if key not in _OF_EVERY_GATE}
        name = str(item.get("id") or f"{kind}-{seen[kind]}")
        shadow = item.get("shadow", False) is True
        gates.append(Gate(id=name, kind=kind, options=options, shadow=shadow))
    return tuple(gates)


def approval_rule(policy: Mapping[str, Any]) -> ApprovalRule:
    """Who approves; nobody where the stage does not say."""
    given = policy.get("approvals")
    if not given:
        return ApprovalRule()
    groups = tuple(given.get("groups") or ())
    return ApprovalRule(required=int(given.get("required", 0)), groups=groups)


def expiry(policy: Mapping[str, Any]) -> timedelta:
    """How long a request waits for people: 7 days where the stage does not say."""
    text = (policy.get("approvals") or {}).get("expires")
    return duration(text) if text else DEFAULT_EXPIRY
