"""Live numbers as a test says them, for stories about guardrails."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from releases.gates.contract import Evidence, Gate, Subject

SOURCE = "tests.releases.live.Told"
RATIO = {"kind": "error_rate", "ratio_at_most": 2.0, "action": "halt"}


def counted(x0: int, n0: int, x1: int, n1: int, lo: float, hi: float) -> dict[str, Any]:
    """An `error_rate` against the incumbent: events of units a side, and the recorded interval."""
    estimate = max(lo, min(hi, (x1 * n0) / (x0 * n1) if x0 and n1 else lo))
    return {
        "baseline_arm": "incumbent",
        "unit": "unit",
        "strata": [[x0, n0, x1, n1]],
        "running": None,
        "split": {"counts": [n0, n1], "expected_share": [n0 / (n0 + n1), n1 / (n0 + n1)]},
        "since": "2026-03-02T09:00:00+00:00",
        "until": "2026-03-02T09:30:00+00:00",
        "n_partners": 9,
        "again": [0, 0],
        "interval": {"lo": lo, "hi": hi, "estimate": estimate, "p_always_valid": 0.5},
    }


EARLY = counted(9, 900, 0, 100, 0.1, 20.0)
WORSE = counted(2, 900, 3, 100, 0.8, 30.0)
HARM = counted(9, 900, 30, 100, 2.5, 60.0)
SAFE = counted(90, 9000, 10, 1000, 0.6, 1.6)


class Told:
    """A source that answers what the test put there, or fails as it was told."""

    kinds = frozenset({"error_rate", "latency", "cost", "feedback_rate"})
    says: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[tuple[Gate, Subject]]] = []

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        self.asked.append((gate, subject))
        said = self.says.get(gate.id, self.says.get(gate.kind))
        if isinstance(said, Exception):
            raise said
        return Evidence(observed=said, live=True)


def served(release_id: UUID, since: datetime, until: datetime) -> int:
    """One request a second."""
    return int((until - since).total_seconds())
