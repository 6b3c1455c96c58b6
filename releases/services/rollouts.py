"""A ramp's rows as its release comes and goes; part of the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from infra import audit
from infra.actors import Actor
from infra.lifecycles import check_move
from releases.gates.guarding import shared_confidence
from releases.gates.options import DEFAULT_CONFIDENCE
from releases.models import Guardrail, Ramp, Release
from releases.ramps import guardrails_of, steps_of
from releases.states import RAMP_TRANSITIONS, RampState


def start_ramp(actor: Actor, release: Release, policy: Mapping[str, Any], now: datetime) -> Ramp:
    """The candidate's ramp with its steps frozen, and one watch a guardrail.

    A stage that only holds back begins where its ramp would end.
    """
    items = list(policy.get("ramp") or ())
    steps = steps_of(items)
    ramp = Ramp.objects.create(
        release=release,
        steps=items,
        holdback=int(policy.get("holdback") or 0),
        state=(RampState.RAMPING if steps else RampState.HELD_BACK).value,
        step_started_at=now,
        step_ends_at=steps[0].ends_at(now) if steps else None,
    )
    watched = guardrails_of(policy)
    Guardrail.objects.bulk_create(
        Guardrail(
            release=release,
            guardrail_id=one.id,
            kind=one.kind,
            options=_at_shared_confidence(one.options, len(watched)),
            action=one.action,
        )
        for one in watched
    )
    tell(actor, ramp, "ramp.started", "", None)
    return ramp


def _at_shared_confidence(options: Mapping[str, Any], n_watches: int) -> dict[str, Any]:
    """Each one's level under which all of them together rarely stop a good checkpoint."""
    confidence = float(options.get("confidence", DEFAULT_CONFIDENCE))
    return {**options, "confidence": shared_confidence(n_watches, confidence)}


def stop_ramp(actor: Actor, release: Release, now: datetime, reason: str) -> None:
    """The release was halted: nothing moves its share until it is resumed."""
    ramp = _locked(release)
    if ramp is not None and ramp.state in (RampState.RAMPING, RampState.HELD_BACK):
        before = snapshot(ramp)
        move(ramp, RampState.STOPPED)
        ramp.save(update_fields=["state"])
        tell(actor, ramp, "ramp.stopped", reason, before)


def resume_ramp(actor: Actor, old: Release, new: Release, now: datetime, reason: str) -> None:
    """The ramp goes on with the resumed release; its step, and every watch, begin again."""
    ramp = _locked(old)
    if ramp is None:
        return
    before = snapshot(ramp)
    steps = steps_of(ramp.steps)
    is_done = ramp.step >= len(steps)
    move(ramp, RampState.HELD_BACK if is_done else RampState.RAMPING)
    ramp.release = new
    begin_step(ramp, now)
    ramp.save()
    Guardrail.objects.bulk_create(
        Guardrail(
            release=new,
            guardrail_id=row.guardrail_id,
            kind=row.kind,
            options=row.options,
            action=row.action,
        )
        for row in old.guardrails.order_by("pk")
    )
    tell(actor, ramp, "ramp.resumed", reason, before)


def close_ramp(
    actor: Actor, release: Release, now: datetime, reason: str, *, took_over: bool
) -> None:
    """The candidate is the incumbent now, or it was taken out."""
    ramp = _locked(release)
    if ramp is None:
        return
    before = snapshot(ramp)
    final = RampState.ENDED if took_over else RampState.STOPPED
    if ramp.state != RampState.STOPPED:
        move(ramp, final)
    ramp.ended_at, ramp.step_ends_at = now, None
    ramp.save(update_fields=["state", "ended_at", "step_ends_at"])
    tell(actor, ramp, "ramp.ended" if took_over else "ramp.stopped", reason, before)


def begin_step(ramp: Ramp, now: datetime) -> None:
    """Set the deadline of the step that the ramp is at; the caller saves it."""
    steps = steps_of(ramp.steps)
    ramp.step_started_at = now
    ramp.step_ends_at = steps[ramp.step].ends_at(now) if ramp.step < len(steps) else None
    ramp.blocked_at, ramp.blocked_reason = None, ""


def ramp_state(release: Release | None) -> RampState | None:
    """Where the release's ramp stands; None without one."""
    if release is None:
        return None
    state = Ramp.objects.filter(release=release).values_list("state", flat=True).first()
    return None if state is None else RampState(state)


def move(ramp: Ramp, new: RampState) -> None:
    """Change the state of a locked row; the caller saves it."""
    check_move(RAMP_TRANSITIONS, RampState(ramp.state), new, str(ramp))
    ramp.state = new.value


def snapshot(ramp: Ramp) -> dict[str, Any]:
    """What an audit entry says about it."""
    return {
        "state": ramp.state,
        "step": ramp.step,
        "n_steps": len(ramp.steps),
        "release": str(ramp.release_id),
        "step_ends_at": ramp.step_ends_at,
    }


def tell(
    actor: Actor, ramp: Ramp, action: str, reason: str, before: Mapping[str, Any] | None
) -> None:
    """The audit entry of a change of a ramp."""
    after = snapshot(ramp)
    audit.record(
        actor=actor, action=action, subject=ramp, reason=reason, before=before, after=after
    )


def _locked(release: Release) -> Ramp | None:
    rows = Ramp.objects.select_related("release__checkpoint", "release__stage__pipeline")
    return rows.select_for_update(of=("self",), no_key=True).filter(release=release).first()
