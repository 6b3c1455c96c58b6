"""What would happen if a checkpoint were asked into a stage; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from infra import clock
from infra.actors import Actor
from infra.errors import InvalidInput, NotPermitted, Reason
from infra.models import User
from infra.roles import Role, Scope, role_named
from releases.evidence import gather_all
from releases.gates.terms import approval_rule, expiry, gates_of
from releases.models import Checkpoint, Promotion, Release, Stage
from releases.promotions import APPROVALS, Decision, GateReason, decide
from releases.ramps import WHOLE, Step, is_gradual, share_at, steps_of
from releases.selectors.facts import facts_of, subject_of
from releases.selectors.promotions import OPEN, open_for_the_same_place, promotions
from releases.selectors.releases import current_release
from releases.services.promotions.request import request_refusals
from releases.services.promotions.votes import vote_refusals
from releases.services.undone import undone
from releases.states import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question that people would be asked, and the persons who may answer it now."""

    gate_id: str
    groups: Sequence[str]
    persons: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A share of the stage and when it would begin; the earliest moment where `waits` is not empty.

    `starts_at` None: it is not known when the checkpoint would go live.
    """

    percent: int
    starts_at: datetime | None
    after_s: float
    """Seconds after going live."""
    waits: Sequence[str]
    """What the step before is left for besides its time."""

    @property
    def after(self) -> str:
        """`24 h after going live`."""
        return f"{self.after_s / 3600:g} h after going live" if self.after_s else "at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one person may do about it; empty: nothing refuses."""

    name: str
    request: Sequence[Reason]
    approve: Sequence[Reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The whole answer."""

    checkpoint: Checkpoint
    stage: Stage
    at: datetime
    open_promotion: Promotion | None
    """Its open request, whose votes, answers and frozen policy count; None: a new one."""
    refusals: Sequence[Reason]
    """Why a new request would be refused."""
    decision: Decision
    asked: Sequence[Asked]
    replaces: Sequence[Release]
    supersedes: Sequence[Promotion]
    goes_live_at: datetime | None
    steps: Sequence[PlannedStep]
    rights: Rights | None = field(default=None)
    sentence: str


def simulate(
    *,
    checkpoint: Checkpoint,
    stage: Stage,
    at: datetime | None = None,
    viewer: Actor | None = None,
) -> Simulation:
    """Judged on the evidence of now as of `at`, which is not past; rows stay as they are."""
    now = clock.now()
    at = at or now
    if at < now - timedelta(minutes=1):
        message = "A simulation looks ahead; `history` and `backtest` look back."
        raise InvalidInput("looks_back", message)
    with undone():
        return _simulated(checkpoint, stage, at, viewer)


def _simulated(
    checkpoint: Checkpoint, stage: Stage, at: datetime, viewer: Actor | None
) -> Simulation:
    standing = promotions().filter(checkpoint=checkpoint, stage=stage, state__in=OPEN).first()
    subject = standing or _hypothetical(checkpoint, stage, at)
    gates = gather_all(gates_of(subject.policy), subject_of(subject), at)
    decision = decide(facts_of(subject, at, gates), at)
    refusals = [] if standing else request_refusals(checkpoint, stage)
    live_at = None if refusals else _live_at(decision, at)
    return Simulation(
        checkpoint=checkpoint,
        stage=stage,
        at=at,
        open_promotion=standing,
        refusals=refusals,
        decision=decision,
        asked=_asked(decision, subject),
        replaces=_replaced(subject),
        supersedes=_superseded(subject),
        goes_live_at=live_at,
        steps=_steps(subject, live_at),
        rights=_rights(viewer, subject, refusals) if viewer else None,
        sentence=_sentence(decision, refusals, at),
    )


def _hypothetical(checkpoint: Checkpoint, stage: Stage, at: datetime) -> Promotion:
    """The request that nobody made: never saved, and nobody is excluded for having made it."""
    return Promotion(
        checkpoint=checkpoint,
        stage=stage,
        requester_name="",
        requested_at=at,
        expires_at=at + expiry(stage.policy),
        policy=stage.policy,
        policy_digest=stage.policy_digest,
    )


def _live_at(decision: Decision, at: datetime) -> datetime | None:
    """When it would go live by itself; None when people, or something without a date, decide."""
    if decision.admits:
        return at
    clearing = [reason.clears_at for reason in decision.unmet if reason.gate_id != APPROVALS]
    known = [moment for moment in clearing if moment is not None]
    needs_people = decision.approvals_needed > 0
    return max(known) if known and len(known) == len(clearing) and not needs_people else None


def _asked(decision: Decision, subject: Promotion) -> list[Asked]:
    """Whom the unanswered questions go to, in the order of the reasons."""
    open_questions = [reason for reason in decision.reasons if reason.human and not reason.admits]
    return [_question(reason, subject) for reason in open_questions]


def _question(reason: GateReason, subject: Promotion) -> Asked:
    if reason.gate_id == APPROVALS:
        groups = sorted(approval_rule(subject.policy).voters)
        barred = set(facts_of(subject, clock.now()).excluded)
    else:
        groups, barred = [_group(reason.owner)], set()
    people = User.objects.filter(
        is_active=True, person__left_at__isnull=True, groups__name__in=groups
    ).exclude(person__in=barred)
    names = people.values_list("person__name", flat=True).order_by("person__name").distinct()
    return Asked(gate_id=reason.gate_id, groups=groups, persons=list(names))


def _group(owner: str) -> str:
    try:
        return role_named(owner).value
    except ValueError:
        return owner


def _replaced(subject: Promotion) -> list[Release]:
    """What is live there in its size, the incumbent first."""
    size = subject.checkpoint.size
    found = [current_release(subject.stage, size, arm) for arm in (Arm.INCUMBENT, Arm.CANDIDATE)]
    return [release for release in found if release is not None]


def _superseded(subject: Promotion) -> list[Promotion]:
    """Older open requests for the same place: they end when this one is promoted."""
    rivals = open_for_the_same_place(subject).filter(requested_at__lt=subject.requested_at)
    return list(rivals.exclude(pk=subject.pk).exclude(checkpoint=subject.checkpoint))


def _steps(subject: Promotion, live_at: datetime | None) -> list[PlannedStep]:
    """The shares it would be given, beside an incumbent; at once everything where none is live."""
    policy: Mapping[str, Any] = subject.policy
    beside = current_release(subject.stage, subject.checkpoint.size)
    if beside is None or not is_gradual(policy):
        return [_planned(WHOLE, live_at, timedelta(0), ())]
    steps, holdback = steps_of(policy.get("ramp") or ()), int(policy.get("holdback") or 0)
    found, after, waits = [], timedelta(0), list[str]()
    for number in range(len(steps) + 1):
        share = share_at(steps, holdback, number)
        if number < len(steps) or not found or found[-1].percent != share:
            found.append(_planned(share, live_at, after, waits))
        if number < len(steps):
            after += steps[number].lasts or timedelta(0)
            waits = _waits(steps[number])
    return found


def _planned(
    percent: int, live_at: datetime | None, after: timedelta, waits: Iterable[str]
) -> PlannedStep:
    return PlannedStep(
        percent=percent,
        starts_at=live_at + after if live_at else None,
        after_s=after.total_seconds(),
        waits=list(waits),
    )


def _waits(step: Step) -> list[str]:
    waits = ["a release manager lets it go on"] if step.approval else []
    return [*waits, "every guardrail is safe"] if step.monitored else waits


def _rights(viewer: Actor, subject: Promotion, refusals: Sequence[Reason]) -> Rights:
    try:
        viewer.must("request promotions", Role.ENGINEER, Role.RELEASE_MANAGER, scope=Scope.PROMOTE)
        request: list[Reason] = []
    except NotPermitted as refusal:
        request = list(refusal.reasons)
    approve = vote_refusals(viewer, subject) if viewer.is_person else _no_person(viewer)
    return Rights(name=viewer.name, request=[*request, *refusals], approve=approve)


def _no_person(viewer: Actor) -> list[Reason]:
    sentence = f"Only a person may approve or reject promotions; {viewer.name} is none."
    return [Reason(code="person_required", sentence=sentence)]


def _sentence(decision: Decision, refusals: Sequence[Reason], at: datetime) -> str:
    when = f"At {at:%Y-%m-%d %H:%M} UTC"
    if refusals:
        return f"{when} the request would be refused: {refusals[0].sentence}"
    if decision.admits:
        return f"{when} it would go live."
    first = decision.unmet[0]
    n_more = len(decision.unmet) - 1
    more = f" (and {n_more} more)" if n_more else ""
    return f"{when} it would wait: {first.gate_id}: {first.sentence}{more}"
