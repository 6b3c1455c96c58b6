"""One promotion: every gate with its numbers, who decides, and what happened so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from infra import clock
from infra.console.fields import NoForm, WhyForm
from infra.console.pages import Crumbs, Page
from infra.roles import Role
from releases.console.forms import (
    AnswerForm,
    FreezeWaiverForm,
    NoteForm,
    RowForm,
    VoteForm,
    WaiveForm,
)
from releases.gates.terms import approval_rule
from releases.models import GateOutcome, Promotion, Release
from releases.promotions import NEVER_WAIVED, GateReason
from releases.ramps import WHOLE, first_share
from releases.replay.method_inputs import LIVE_KINDS
from releases.selectors import controls
from releases.selectors import promotions as reads
from releases.selectors.forecasts import doubted_gates, forecasts_of
from releases.selectors.freezes import freeze_with_id, freezes_on
from releases.selectors.ramps import RampView, ramp_views
from releases.selectors.waiting import is_asked
from releases.services import freezes, holds
from releases.services import promotions as services
from releases.services.follow_ups import complete_follow_up
from releases.services.promotions.votes import vote_refusals
from releases.states import ADMITTING, OPEN_PROMOTIONS, Arm, Outcome, PromotionState, Vote

_CLEARS = {
    Outcome.FAIL: "Waiting does not clear it: it takes another checkpoint, or a waiver.",
    Outcome.INCONCLUSIVE: "More evidence clears it.",
    Outcome.ERROR: "The gate itself failed: repair what the sentence names, then evaluate again.",
    Outcome.STALE: "An input changed: evaluate again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLine:
    """A gate as the checklist shows it."""

    reason: GateReason
    row: GateOutcome | None
    may_waive: bool
    may_answer: bool
    doubt: str = ""
    """Why forecasts from this kind of evidence deserve care; it changes no outcome."""

    @property
    def clears(self) -> str:
        """What would clear it; empty when nothing has to."""
        if self.reason.outcome in ADMITTING:
            return ""
        if self.reason.human:
            return f"An answer of {self.reason.owner} clears it." if self.reason.owner else ""
        return _CLEARS[self.reason.outcome]

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


class PromotionPage(Page):
    """The checklist and what people may do about it."""

    template_name = "releases/promotion.html"
    forms = {
        "approve": VoteForm,
        "reject": VoteForm,
        "answer": AnswerForm,
        "waive": WaiveForm,
        "confirm": RowForm,
        "withdraw": WhyForm,
        "hold": WhyForm,
        "evaluate": NoForm,
        "waive_freeze": FreezeWaiverForm,
        "follow_up": NoteForm,
    }
    decisions = frozenset(
        {"approve", "reject", "answer", "waive", "confirm", "waive_freeze", "follow_up"}
    )
    promotion: Promotion

    def load(self, **kwargs: Any) -> None:
        self.promotion = reads.promotion_with_id(kwargs["promotion_id"])

    def heading(self) -> str:
        return f"{self.promotion.checkpoint.name} → {self.promotion.stage.name}"

    def crumbs(self) -> Crumbs:
        return [("Promotions", reverse("console-promotions")), (self.heading(), "")]

    def context(self) -> dict[str, Any]:
        detail = reads.promotion_detail(self.promotion)
        is_open = PromotionState(self.promotion.state) in OPEN_PROMOTIONS
        return {
            "detail": detail,
            "promotion": self.promotion,
            "lines": self.lines(detail),
            "is_open": is_open,
            "rule": approval_rule(self.promotion.policy),
            "vote_refusals": vote_refusals(self.actor, self.promotion) if is_open else [],
            "in_voting_group": self.actor.roles & approval_rule(self.promotion.policy).voters,
            "releases": Release.objects.filter(promotion=self.promotion).select_related("stage"),
            "incumbent": self._incumbent(),
            "first_share": first_share(self.promotion.policy),
            "ramp": self._ramp(),
            "forecasts": list(forecasts_of(self.promotion)),
            **self._controls(),
        }

    def lines(self, detail: reads.PromotionDetail) -> list[GateLine]:
        """The checklist's gates, in their order."""
        is_open = PromotionState(detail.promotion.state) in OPEN_PROMOTIONS
        rows = {}
        if detail.evaluation is not None:
            rows = {row.gate_id: row for row in detail.evaluation.outcomes.all()}
        may_waive = is_open and self.actor.may(Role.RELEASE_MANAGER)
        doubted = doubted_gates()
        return [
            GateLine(
                reason=reason,
                row=rows.get(reason.gate_id),
                may_waive=may_waive
                and not reason.admits
                and reason.gate_id in rows
                and reason.kind not in NEVER_WAIVED,
                may_answer=is_open and reason.human and is_asked(self.actor, reason),
                doubt=doubted.get(reason.kind, ""),
            )
            for reason in detail.decision.gates
        ]

    def _controls(self) -> dict[str, Any]:
        """The freezes in force here, the other sizes of its set, and what a hotfix owes."""
        promotion, now = self.promotion, clock.now()
        in_force = freezes_on([promotion.stage], [promotion.pk], now)
        together = promotion.together_id
        return {
            "freezes": [found for found in in_force if not found.lets(promotion.pk)],
            "members": controls.members_of_set(together) if together else (),
            "follow_up": controls.follow_up_of(promotion),
            "now": now,
            "may_brake": self.actor.may(Role.RELEASE_MANAGER),
        }

    def _incumbent(self) -> Release | None:
        """What a promotion would replace, or serve beside."""
        current = Release.objects.filter(
            stage=self.promotion.stage_id, ended_at=None, arm=Arm.INCUMBENT.value
        )
        size = self.promotion.checkpoint.size
        return current.filter(size=size).select_related("checkpoint").first()

    def _ramp(self) -> RampView | None:
        """How far its release has come, while it is on its way up."""
        rows = Release.objects.filter(promotion=self.promotion, ended_at=None)
        return next(iter(ramp_views(rows, clock.now()).values()), None)

    def do_approve(self, data: dict[str, Any]) -> str:
        moved = self._vote(Vote.APPROVE, data)
        if moved.state == PromotionState.PROMOTED:
            release = moved.releases.order_by("-started_at").first()
            share = f" with {release.share} %" if release and release.share < WHOLE else ""
            return f"Approved: {moved.checkpoint} is live in {moved.stage} now{share}."
        return "Your approval is recorded."

    def do_reject(self, data: dict[str, Any]) -> str:
        self._vote(Vote.REJECT, data)
        return "Rejected: the request has ended, and its requester sees your comment."

    def _vote(self, choice: Vote, data: dict[str, Any]) -> Promotion:
        return services.vote(
            actor=self.actor,
            promotion=self.promotion,
            choice=choice,
            comment=data["comment"],
            evidence_hash=data["evidence_hash"],
        )

    def do_answer(self, data: dict[str, Any]) -> str:
        services.answer_gate(
            actor=self.actor,
            promotion=self.promotion,
            gate_id=data["gate_id"],
            yes=data["answer"] == "yes",
            comment=data["comment"],
        )
        return f"Your answer to {data['gate_id']} is recorded."

    def do_waive(self, data: dict[str, Any]) -> str:
        services.waive_gate(actor=self.actor, promotion=self.promotion, **data)
        return f"Asked to waive {data['gate_id']}: a second release manager has to confirm it."

    def do_confirm(self, data: dict[str, Any]) -> str:
        waiver = reads.waiver_with_id(data["id"])
        services.confirm_waiver(actor=self.actor, waiver=waiver)
        return f"{waiver.gate_id} is waived."

    def do_withdraw(self, data: dict[str, Any]) -> str:
        services.withdraw_promotion(
            actor=self.actor, promotion=self.promotion, reason=data["reason"]
        )
        return "Withdrawn."

    def do_hold(self, data: dict[str, Any]) -> str:
        checkpoint = self.promotion.checkpoint
        holds.place_hold(actor=self.actor, checkpoint=checkpoint, reason=data["reason"])
        return f"{checkpoint} is held: nothing promotes it until every hold is lifted."

    def do_waive_freeze(self, data: dict[str, Any]) -> str:
        freeze = freeze_with_id(data["id"])
        freezes.waive_freeze(
            actor=self.actor, freeze=freeze, promotion=self.promotion, reason=data["reason"]
        )
        return f"The freeze {freeze} lets this promotion through."

    def do_follow_up(self, data: dict[str, Any]) -> str:
        row = controls.follow_up_with_id(data["id"])
        complete_follow_up(actor=self.actor, follow_up=row, note=data["note"])
        return "The follow-up is done."

    def do_evaluate(self, data: dict[str, Any]) -> str:
        services.evaluate_promotion(actor=self.actor, promotion=self.promotion)
        return "Every gate was judged again on the newest evidence."
