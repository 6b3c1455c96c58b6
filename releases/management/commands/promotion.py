"""`manage.py promotion request|show|list|approve|reject|answer|waive|confirm|comment|withdraw`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand, add_actions
from releases.management.arguments import uuid_of
from releases.models import Promotion
from releases.promotions import Decision, GateReason
from releases.selectors import promotions as selectors
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.pipelines import stage_named
from releases.services import promotions as services
from releases.states import Vote

LIST_LIMIT = 200


class Command(SlipwayCommand):
    help = "Requests promotions, shows what stands in their way, and decides them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {
            "request": _request,
            "show": _show,
            "list": _list,
            "approve": _approve,
            "reject": _reject,
            "answer": _answer,
            "waive": _waive,
            "confirm": _confirm,
            "comment": _comment,
            "withdraw": _withdraw,
        }
        add_actions(parser, actions)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_request(self, options: dict[str, Any]) -> Any:
        first = checkpoint_named(options["checkpoint"])
        others = [checkpoint_named(name) for name in options["with"]]
        asked: dict[str, Any] = {
            "actor": self.actor(options),
            "stage": stage_named(options["stage"]),
            "reason": options["reason"],
            "hotfix": options["hotfix"],
        }
        if not others:
            return self._told(services.request_promotion(checkpoint=first, **asked))
        members = services.request_set(checkpoints=[first, *others], **asked)
        return {"set": str(members[0].together_id), "promotions": [self._told(m) for m in members]}

    def run_show(self, options: dict[str, Any]) -> Any:
        return self._told(_promotion(options))

    def run_list(self, options: dict[str, Any]) -> Any:
        found = selectors.promotions() if options["all"] else selectors.open_promotions()
        rows = list(found[:LIST_LIMIT])
        for row in rows:
            when = f"{row.requested_at:%Y-%m-%d %H:%M}"
            self.say(f"{when}  {row.state:<11} {row}  ({row.pk})")
        if not rows:
            self.say("No promotion is open." if not options["all"] else "No promotion yet.")
        return [_as_dict(row) for row in rows]

    def run_approve(self, options: dict[str, Any]) -> Any:
        return self._voted(options, Vote.APPROVE)

    def run_reject(self, options: dict[str, Any]) -> Any:
        return self._voted(options, Vote.REJECT)

    def _voted(self, options: dict[str, Any], choice: Vote) -> Any:
        promotion = services.vote(
            actor=self.actor(options),
            promotion=_promotion(options),
            choice=choice,
            comment=options["comment"],
        )
        return self._told(promotion)

    def run_answer(self, options: dict[str, Any]) -> Any:
        promotion = services.answer_gate(
            actor=self.actor(options),
            promotion=_promotion(options),
            gate_id=options["gate"],
            yes=options["answer"] == "yes",
            comment=options["comment"],
        )
        return self._told(promotion)

    def run_waive(self, options: dict[str, Any]) -> Any:
        waiver = services.waive_gate(
            actor=self.actor(options),
            promotion=_promotion(options),
            gate_id=options["gate"],
            reason=options["reason"],
            lasts=timedelta(days=options["days"]),
        )
        self.say(f"Waiver {waiver.pk} waits for a second release manager to confirm it.")
        return {"waiver": str(waiver.pk), "gate_id": waiver.gate_id}

    def run_confirm(self, options: dict[str, Any]) -> Any:
        waiver = selectors.waiver_with_id(uuid_of(options["id"], "waiver"))
        services.confirm_waiver(actor=self.actor(options), waiver=waiver)
        self.say(f"{waiver.gate_id} is waived until {waiver.expires_at:%Y-%m-%d %H:%M} UTC.")
        return {"waiver": str(waiver.pk), "gate_id": waiver.gate_id}

    def run_comment(self, options: dict[str, Any]) -> Any:
        made = services.comment_on_promotion(
            actor=self.actor(options), promotion=_promotion(options), text=options["text"]
        )
        self.say(f"{made.person} {made.commented_at:%Y-%m-%d %H:%M} UTC: {made.text}")
        return {"comment": str(made.pk), "person": made.person.name, "text": made.text}

    def run_withdraw(self, options: dict[str, Any]) -> Any:
        promotion = services.withdraw_promotion(
            actor=self.actor(options), promotion=_promotion(options), reason=options["reason"]
        )
        return self._told(promotion)

    def _told(self, promotion: Promotion) -> Any:
        decision = selectors.decision_of(promotion)
        self.say(f"{promotion}: {promotion.state}  ({promotion.pk})")
        for reason in decision.reasons:
            self.say(f"  {_mark(reason)} {reason.gate_id:<24} {reason.sentence}")
        if promotion.decision_reason:
            self.say(f"  {promotion.decision_reason}")
        return told(promotion, decision)


def told(promotion: Promotion, decision: Decision) -> dict[str, Any]:
    """What `--json` prints of a promotion."""
    reasons = [
        selectors.as_refusal_reason(reason).as_dict() | {"shadow": reason.shadow}
        for reason in decision.reasons
    ]
    return _as_dict(promotion) | {
        "admits": decision.admits,
        "machine_clear": decision.machine_clear,
        "evidence_hash": decision.evidence_hash,
        "approvals_needed": decision.approvals_needed,
        "reasons": reasons,
    }


def _mark(reason: GateReason) -> str:
    shadow = " (shadow)" if reason.shadow else ""
    return f"{reason.outcome.value + shadow:<13}"


def _promotion(options: dict[str, Any]) -> Promotion:
    return selectors.promotion_with_id(uuid_of(options["id"], "promotion"))


def _as_dict(promotion: Promotion) -> dict[str, Any]:
    return {
        "id": str(promotion.pk),
        "checkpoint": promotion.checkpoint.name,
        "stage": str(promotion.stage),
        "state": promotion.state,
        "reason": promotion.reason,
        "requested_by": promotion.requester_name,
        "requested_at": promotion.requested_at.isoformat(),
        "expires_at": promotion.expires_at.isoformat(),
        "decision_reason": promotion.decision_reason,
        "hotfix": promotion.hotfix,
        "set": str(promotion.together_id) if promotion.together_id else None,
    }


def _request(parser: CommandParser) -> None:
    """Ask to move CHECKPOINT into STAGE"""
    parser.add_argument("checkpoint", metavar="CHECKPOINT")
    parser.add_argument("stage", metavar="STAGE", help="stage, or pipeline/stage")
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        metavar="CHECKPOINT",
        help="another size that moves together with it, or not at all",
    )
    parser.add_argument(
        "--hotfix", action="store_true", help="skip soak and exposure, and owe a follow-up"
    )
    parser.add_argument("--reason", required=True)


def _show(parser: CommandParser) -> None:
    """Every gate, approval and hold of one promotion"""
    parser.add_argument("id", metavar="ID")


def _list(parser: CommandParser) -> None:
    """The open promotions"""
    parser.add_argument("--all", action="store_true", help="those that have ended too")


def _approve(parser: CommandParser) -> None:
    """Approve one promotion"""
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--comment", default="")


def _reject(parser: CommandParser) -> None:
    """Reject one promotion, which ends it"""
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--comment", required=True)


def _answer(parser: CommandParser) -> None:
    """Answer a sign_off or manual gate"""
    parser.add_argument("id", metavar="ID")
    parser.add_argument("gate", metavar="GATE")
    parser.add_argument("answer", choices=["yes", "no"])
    parser.add_argument("--comment", required=True)


def _waive(parser: CommandParser) -> None:
    """Ask for a bypass of one gate"""
    parser.add_argument("id", metavar="ID")
    parser.add_argument("gate", metavar="GATE")
    parser.add_argument("--reason", required=True)
    parser.add_argument("--days", type=int, default=7)


def _comment(parser: CommandParser) -> None:
    """Say something about one promotion, for good"""
    parser.add_argument("id", metavar="ID")
    parser.add_argument("text", metavar="TEXT")


def _confirm(parser: CommandParser) -> None:
    """Confirm a waiver as the second person"""
    parser.add_argument("id", metavar="WAIVER")


def _withdraw(parser: CommandParser) -> None:
    """Take a promotion back"""
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--reason", required=True)
