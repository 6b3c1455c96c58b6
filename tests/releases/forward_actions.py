"""What can be asked of a promotion, and by whom; each with the moment at which it can be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.actors import Actor
from releases.digests import sha256_of
from releases.models import Checkpoint, FollowUp, Promotion, Stage, Waiver
from releases.services import deployments, follow_ups, holds, promotions
from releases.services.pipelines import apply_pipelines
from releases.states import Vote
from tests import builders
from tests.releases import story
from tests.releases.callers import NAMES, Callers

YES = ""
PERMIT, PERSON, SECOND = "not_permitted", "person_required", "second_person_required"
CHECK = {**story.MANUAL, "role": "release-manager"}
LONG = "The engineer is away this week."
FILE = """\
kind: Pipeline
name: chat
family: chat
stages:
  - name: closed-alpha
    gates: [{kind: manual, question: "Is it fine?"}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action: what must be there first, how it is asked, and what each caller is told.

    `told`: a refusal's code by the callers' order, empty for those who may. `call`: path and body
    over HTTP; None where no caller has such a path.
    """

    name: str
    told: tuple[str, ...]
    begin: Callable[[Callers], Any]
    do: Callable[[Actor, Any], Any]
    call: Callable[[Any], tuple[str, dict[str, Any]]] | None

    def code_for(self, caller: str) -> str:
        return self.told[NAMES.index(caller)]


def row(
    requester: str = YES,
    owner: str = YES,
    editor: str = YES,
    approver: str = YES,
    *,
    superuser: str = PERMIT,
    key: str = PERSON,
    partner: str = PERSON,
    second_login: str | None = None,
    removed: str = PERMIT,
) -> tuple[str, ...]:
    """A line of the matrix; the requester's second login is the requester."""
    same = requester if second_login is None else second_login
    return (requester, owner, editor, approver, superuser, key, partner, same, removed)


MANAGERS = row()
MANAGERS_OR_SYSTEM = row(key=PERMIT, partner=PERMIT)
PIPELINE_TOO = row(key=YES, partner=PERMIT)
FAR = row("own_request", "own_checkpoint", "own_edit")


def made(name: str, by: Callers) -> Checkpoint:
    return builders.checkpoint(name, owner=by.person("owner"), checkpoint_digest=sha256_of(name))


def stage() -> Stage:
    return story.stage(CHECK)


def open_promotion(by: Callers) -> Promotion:
    """Asked by the requester, of the owner's checkpoint, which the editor deployed."""
    checkpoint = made("chat-nano-2", by)
    deployments.add_deployment(
        actor=by.actors["editor"],
        checkpoint=checkpoint,
        base_url="http://127.0.0.1:9/v1",
        upstream_model="m",
        skip_probe_reason="The upstream starts tonight only.",
    )
    return story.requested(by.actors["requester"], checkpoint, stage())


def answered(by: Callers) -> Promotion:
    """Ready but for what a hold keeps back, and approved."""
    promotion = open_promotion(by)
    hold = holds.place_hold(
        actor=by.actors["requester"], reason="odd", checkpoint=promotion.checkpoint
    )
    promotions.answer_gate(
        actor=by.actors["requester"],
        promotion=promotion,
        gate_id="manual-1",
        yes=True,
        comment="ok",
    )
    story.approved(by.actors["approver"], promotion)
    holds.lift_hold(actor=by.actors["requester"], hold=hold, reason="fine")
    return promotion


def waiver(by: Callers) -> Waiver:
    promotion = open_promotion(by)
    return promotions.waive_gate(
        actor=by.actors["requester"], promotion=promotion, gate_id="manual-1", reason=LONG
    )


def follow_up(by: Callers) -> FollowUp:
    promotion = promotions.request_promotion(
        actor=by.actors["requester"],
        checkpoint=made("chat-nano-2", by),
        stage=stage(),
        reason=LONG,
        hotfix=True,
    )
    _answer(by.actors["owner"], promotion)
    story.approved(by.actors["approver"], promotion)
    return FollowUp.objects.get()


def _asks(by: Callers) -> tuple[Checkpoint, Stage]:
    return made("chat-nano-2", by), stage()


def _asked(body: dict[str, Any]) -> Callable[[Any], tuple[str, dict[str, Any]]]:
    place = {"checkpoint": "chat-nano-2", "stage": "chat/closed-alpha"}
    return lambda context: ("promotions/", {**place, **body})


def _on(action: str, **body: Any) -> Callable[[Promotion], tuple[str, dict[str, Any]]]:
    return lambda promotion: (f"promotions/{promotion.pk}/{action}/", body)


def _request(actor: Actor, context: tuple[Checkpoint, Stage], **fields: Any) -> Promotion:
    checkpoint, to = context
    return promotions.request_promotion(
        actor=actor, checkpoint=checkpoint, stage=to, reason=LONG, **fields
    )


def _answer(actor: Actor, promotion: Promotion) -> Promotion:
    return promotions.answer_gate(
        actor=actor, promotion=promotion, gate_id="manual-1", yes=True, comment="ok"
    )


def _vote(choice: Vote) -> Callable[[Actor, Promotion], Promotion]:
    return lambda actor, promotion: promotions.vote(
        actor=actor, promotion=promotion, choice=choice, comment="Too terse."
    )


ACTIONS = [
    Action(
        name="request",
        told=PIPELINE_TOO,
        begin=_asks,
        do=_request,
        call=_asked({"reason": LONG}),
    ),
    Action(
        name="request a hotfix",
        told=MANAGERS_OR_SYSTEM,
        begin=_asks,
        do=lambda actor, context: _request(actor, context, hotfix=True),
        call=_asked({"reason": LONG, "hotfix": True}),
    ),
    Action(
        name="evaluate",
        told=PIPELINE_TOO,
        begin=open_promotion,
        do=lambda actor, p: promotions.evaluate_promotion(actor=actor, promotion=p),
        call=_on("evaluate"),
    ),
    Action(
        name="answer",
        told=MANAGERS,
        begin=open_promotion,
        do=_answer,
        call=_on("answer", gate_id="manual-1", yes=True, comment="ok"),
    ),
    Action(
        name="approve",
        told=FAR,
        begin=open_promotion,
        do=_vote(Vote.APPROVE),
        call=_on("approve"),
    ),
    Action(
        name="reject",
        told=FAR,
        begin=open_promotion,
        do=_vote(Vote.REJECT),
        call=_on("reject", comment="Too terse."),
    ),
    Action(
        name="waive",
        told=MANAGERS,
        begin=open_promotion,
        do=lambda actor, p: promotions.waive_gate(
            actor=actor, promotion=p, gate_id="manual-1", reason=LONG
        ),
        call=_on("waive", gate_id="manual-1", reason=LONG),
    ),
    Action(
        name="confirm waiver",
        told=row(SECOND, SECOND),
        begin=waiver,
        do=lambda actor, w: promotions.confirm_waiver(actor=actor, waiver=w),
        call=lambda w: (f"waivers/{w.pk}/confirm/", {}),
    ),
    Action(
        name="withdraw",
        told=MANAGERS_OR_SYSTEM,
        begin=open_promotion,
        do=lambda actor, p: promotions.withdraw_promotion(actor=actor, promotion=p, reason="no"),
        call=_on("withdraw", reason="no"),
    ),
    Action(
        name="execute",
        told=MANAGERS_OR_SYSTEM,
        begin=answered,
        do=lambda actor, p: promotions.execute_promotion(actor=actor, promotion=p),
        call=None,
    ),
    Action(
        name="complete follow-up",
        told=MANAGERS,
        begin=follow_up,
        do=lambda actor, f: follow_ups.complete_follow_up(actor=actor, follow_up=f, note=LONG),
        call=lambda f: (f"follow-ups/{f.pk}/complete/", {"note": LONG}),
    ),
    Action(
        name="apply",
        told=MANAGERS_OR_SYSTEM,
        begin=lambda by: None,
        do=lambda actor, _: apply_pipelines(actor=actor, files={"chat.yaml": FILE}),
        call=lambda _: ("pipelines/apply/", {"source": FILE}),
    ),
]
