"""A gate as a promotion's checklist shows it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from releases.clearing import what_clears
from releases.models import GateOutcome
from releases.promotions import GateReason
from releases.replay.method_inputs import LIVE_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLine:
    """Its reason, its frozen row, and what this person may do about it."""

    reason: GateReason
    row: GateOutcome | None
    may_waive: bool
    may_answer: bool
    doubt: str = ""
    """Why forecasts from this kind of evidence deserve care; it changes no outcome."""

    @property
    def clears(self) -> str:
        """What would clear it; empty when nothing has to."""
        return what_clears(self.reason)

    @property
    def evidence_url(self) -> str:
        """The page with the numbers; an address outside this product is never made a link."""
        if self.row is None:
            return ""
        if self.row.evidence_url.startswith("/") and not self.row.evidence_url.startswith("//"):
            return self.row.evidence_url
        run_id = self.row.evidence.get("run_id") if isinstance(self.row.evidence, dict) else None
        try:
            return reverse("console-run", args=[UUID(str(run_id))]) if run_id else ""
        except ValueError:
            return ""

    @property
    def inputs(self) -> list[tuple[str, str]]:
        """What the statistics' input of each number is about, and where it is downloaded."""
        evidence = self.row.evidence if self.row is not None else None
        if self.row is None or not isinstance(evidence, dict):
            return []
        address = reverse("gate-input", args=[self.row.pk])
        nodes = evidence.get("nodes")
        if isinstance(nodes, dict) and ("run_id" in evidence or "comparison_id" in evidence):
            return [(n or "whole suite", f"{address}?{urlencode({'name': n})}") for n in nodes]
        has_interval = self.row.kind in LIVE_KINDS and evidence.get("interval")
        return [("interval", address)] if has_interval else []
