"""One promotion: every gate with its numbers, who decides, and what happened so far."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.conf import settings
from django.urls import reverse

from infra import clock
from infra.console.fields import NoForm, WhyForm
from infra.console.pages import Crumbs, Page
from infra.console.sections import Sections, sections_of
from infra.errors import Reason
from infra.roles import Role
from releases.console.forms import (
    AnswerForm,
    CommentForm,
    FreezeWaiverForm,
    NoteForm,
    RowForm,
    VoteForm,
    WaiveForm,
)
from releases.console.gate_lines import GateLine
from releases.gates.terms import approval_rule
from releases.models import Promotion, Release
from releases.promotions import APPROVALS, NEVER_WAIVED, Decision
from releases.ramps import WHOLE
from releases.selectors import controls
from releases.selectors import promotions as reads
from releases.selectors.changes import Changes, changes_of
from releases.selectors.decided import SeenDecision, as_decided, record_of, seen_decision
from releases.selectors.effects import effect_of
from releases.selectors.forecasts import doubted_gates, forecasts_of
from releases.selectors.freezes import freeze_with_id, freezes_on
from releases.selectors.ramps import RampView, ramp_views
from releases.selectors.waiting import is_asked
from releases.services import freezes, holds
from releases.services import promotions as services
from releases.services.follow_ups import complete_follow_up
from releases.services.promotions.votes import vote_refusals
from releases.states import OPEN_PROMOTIONS, PromotionState, Vote


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
        "comment": CommentForm,
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
        promotion, now = self.promotion, clock.now()
        detail = reads.promotion_detail(promotion)
        seen = self._seen
        if seen is not None:
            detail = as_decided(detail, seen)
        changes = changes_of(promotion, now)
        rule, lines = approval_rule(promotion.policy), self.lines(detail)
        refusals = vote_refusals(self.actor, promotion) if self._is_open else []
        return {
            "detail": detail,
            "promotion": promotion,
            "seen": seen,
            "lines": lines,
            "n_counted": sum(not line.reason.shadow for line in lines),
            "n_clear": sum(line.reason.admits and not line.reason.shadow for line in lines),
            "completes": _is_one_vote_short(detail.decision),
            "is_mine": self._is_mine(detail.decision, refusals),
            "is_open": self._is_open,
            "rule": rule,
            "vote_refusals": refusals,
            "in_voting_group": self.actor.roles & rule.voters,
            "releases": Release.objects.filter(promotion=promotion).select_related("stage"),
            "changes": changes,
            "sections": self._sections(changes),
            "effect": effect_of(promotion, now) if self._is_open else None,
            "ramp": self._ramp(),
            "forecasts": list(forecasts_of(promotion)),
            **self._controls(),
        }

    def _is_mine(self, decision: Decision, refusals: Sequence[Reason]) -> bool:
        """Whether the first thing in the way waits for this person, who may give it."""
        first = next(iter(decision.unmet), None)
        if first is None or not first.human or not is_asked(self.actor, first):
            return False
        return first.kind != APPROVALS or not refusals

    @property
    def _is_open(self) -> bool:
        return PromotionState(self.promotion.state) in OPEN_PROMOTIONS

    @cached_property
    def _seen(self) -> SeenDecision | None:
        """The decision that is shown: the one asked for, or the newest; `?now` shows today's."""
        if "now" in self.request.GET:
            return None
        record = record_of(self.promotion, self.request.GET.get("decision", ""))
        return seen_decision(record) if record is not None else None

    def _sections(self, changes: Changes) -> Sections:
        """What other apps know of both checkpoints, as of the decision once there is one."""
        return sections_of(
            settings.PROMOTION_SECTIONS,
            incoming=changes.incoming,
            current=changes.current,
            until=self.promotion.decided_at or clock.now(),
        )

    def lines(self, detail: reads.PromotionDetail) -> list[GateLine]:
        """The checklist's gates, in their order."""
        rows = {}
        if detail.evaluation is not None:
            rows = {row.gate_id: row for row in detail.evaluation.outcomes.all()}
        may_waive = self._is_open and self.actor.may(Role.RELEASE_MANAGER)
        doubted = doubted_gates() if self._seen is None else {}
        return [
            GateLine(
                reason=reason,
                row=rows.get(reason.gate_id),
                may_waive=may_waive
                and not reason.admits
                and reason.gate_id in rows
                and reason.kind not in NEVER_WAIVED,
                may_answer=self._is_open and reason.human and is_asked(self.actor, reason),
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

    def do_comment(self, data: dict[str, Any]) -> str:
        services.comment_on_promotion(actor=self.actor, promotion=self.promotion, text=data["text"])
        return "Your comment stands in the timeline."

    def do_evaluate(self, data: dict[str, Any]) -> str:
        services.evaluate_promotion(actor=self.actor, promotion=self.promotion)
        return "Every gate was judged again on the newest evidence."


def _is_one_vote_short(decision: Decision) -> bool:
    """Whether nothing but one approval stands in the way."""
    return decision.approvals_needed == 1 and all(r.kind == APPROVALS for r in decision.unmet)
