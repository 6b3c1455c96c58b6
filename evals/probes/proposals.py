"""What a model is asked when it proposes hypotheses, and how its answers are read. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_SHOWN = 5
LONGEST_SHOWN = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One suspected component, and what the changed prompts do."""

    component: str
    sentence: str


def asked_for_hypotheses(
    weakness: str, prompts: Sequence[Sequence[Mapping[str, Any]]], known: Sequence[str], n: int
) -> dict[str, Any]:
    """The request for n hypotheses on that weakness, besides those that are known."""
    shown = "\n\n".join(
        json.dumps(messages, ensure_ascii=False)[:LONGEST_SHOWN]
        for messages in prompts[:MOST_SHOWN]
    )
    text = (
        f"A language model shows this weakness: {weakness}\n\nIt shows on these conversations:\n\n"
        f"{shown}\n\nSuspected already: {', '.join(known) or 'nothing'}.\n\nName {n} other "
        "properties of the last message that may cause it. Each must be removable by rewriting "
        'that message alone. Answer with JSON only: {"hypotheses": [{"component": "the property '
        'in two or three words", "sentence": "what the rewritten message does differently"}]}'
    )
    return {"messages": [{"role": "user", "content": text}], "temperature": 0.7}


def asked_for_change(message: str, proposal: Proposal) -> dict[str, Any]:
    """The request to rewrite one message so that the hypothesis's one change is made."""
    text = (
        f"Rewrite the message below so that one thing changes: {proposal.sentence} Everything else "
        "stays word for word. If there is nothing to change, repeat it. Answer with the message "
        f"alone.\n\n{message}"
    )
    return {"messages": [{"role": "user", "content": text}], "temperature": 0}


def read_hypotheses(text: str, n: int) -> list[Proposal]:
    """At most n well-formed proposals of the answer; [] when it holds none."""
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1])
    except ValueError:
        return []
    rows = found.get("hypotheses") if isinstance(found, Mapping) else None
    proposals = [
        Proposal(component=row["component"].strip()[:200], sentence=row["sentence"].strip()[:500])
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, Mapping)
        and all(isinstance(row.get(key), str) and row[key].strip() for key in _KEYS)
    ]
    return proposals[:n]


_KEYS = ("component", "sentence")
