"""What becomes of a confirmed finding: its cause is isolated, it is fixed, or it is none.

An investigation ends in one of three ways, each with what it rests on: a component that a probe
isolated, what was tried in vain and the rate that would have been seen, or a reason why it is
meant to be so.
"""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from alpha.models import Finding
from alpha.services.finding_moves import JUDGES, move, must_give_reason, must_not_own
from alpha.states import FindingState
from infra import clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove
from infra.roles import Role
from releases.models import Checkpoint

COMPONENT_LENGTH = 200
TRIED_LENGTH = 20_000


def isolate_finding(
    *, actor: Actor, finding: Finding, component: str, probe_id: UUID, reason: str
) -> Finding:
    """A probe has shown what causes it; InvalidMove when no such probe says so.

    `settings.ISOLATION_SOURCES` names the functions that are asked: finding id -> rows with
    `component` and `probe_id`.
    """
    actor.must("isolate findings", *JUDGES, Role.ENGINEER)
    actor.must_be_person("isolate a finding")
    shown = component.strip()
    if not shown or len(shown) > COMPONENT_LENGTH:
        limit = (
            f"Name the component that the probe isolated, in at most {COMPONENT_LENGTH} letters."
        )
        raise InvalidInput("component_missing", limit)
    _must_be_isolated(finding, shown, probe_id)
    return move(
        actor=actor,
        finding=finding,
        to=FindingState.ISOLATED,
        reason=must_give_reason(reason),
        fields={"component": shown, "probe_id": probe_id},
        owner_may=True,
    )


def isolated_components(finding_id: UUID) -> list[tuple[str, UUID]]:
    """What probes have isolated for the finding: components and the probes that did."""
    found = [
        (str(row.component), UUID(str(row.probe_id)))
        for path in settings.ISOLATION_SOURCES
        for row in import_string(path)(finding_id)
    ]
    return list(dict.fromkeys(found))


def start_fix(*, actor: Actor, finding: Finding, reason: str) -> Finding:
    """Somebody is at work on what was isolated; its checkpoint's owner may say so too."""
    actor.must("start fixes", *JUDGES, Role.ENGINEER)
    actor.must_be_person("start a fix")
    return move(
        actor=actor,
        finding=finding,
        to=FindingState.FIXING,
        reason=must_give_reason(reason),
        fields={},
        owner_may=True,
    )


def close_as_fixed(
    *, actor: Actor, finding: Finding, checkpoint: Checkpoint, reason: str
) -> Finding:
    """Another checkpoint no longer has it; its reporters are asked once they can call that one.

    NotPermitted for the owner of either checkpoint.
    """
    if checkpoint.pk == finding.checkpoint_id:
        message = f"{checkpoint.name} has this weakness: name the checkpoint that no longer has it."
        raise InvalidInput("same_checkpoint", message)
    must_not_own(actor, checkpoint)
    return _close(actor, finding, FindingState.FIXED, reason, {"fixed_in": checkpoint})


def close_as_not_reproduced(
    *, actor: Actor, finding: Finding, tried: str, detectable_rate: float, reason: str
) -> Finding:
    """It was looked for and not seen; `detectable_rate` (0 to 1) is the least that would have been.

    InvalidInput without what was tried, or for a rate that is none.
    """
    told = tried.strip()
    if not told or len(told) > TRIED_LENGTH:
        limit = f"Say what was tried, in at most {TRIED_LENGTH:,} letters."
        raise InvalidInput("tried_missing", limit)
    if not math.isfinite(detectable_rate) or not 0 < detectable_rate <= 1:
        message = (
            "detectable_rate: the least rate that would have been seen, above 0 and up to 1; such "
            "as 0.01 for one request in a hundred."
        )
        raise InvalidInput("detectable_rate_invalid", message)
    fields = {"tried": told, "detectable_rate": detectable_rate}
    return _close(actor, finding, FindingState.NOT_REPRODUCED, reason, fields)


def close_by_design(*, actor: Actor, finding: Finding, reason: str) -> Finding:
    """It is meant to be so; the reason says why."""
    return _close(actor, finding, FindingState.BY_DESIGN, reason, {})


def _close(
    actor: Actor, finding: Finding, to: FindingState, reason: str, fields: dict[str, Any]
) -> Finding:
    actor.must("close findings", *JUDGES)
    person_id = actor.must_be_person("close a finding")
    told = must_give_reason(reason)
    closing = {"closed_by_id": person_id, "closed_at": clock.now(), "close_reason": told}
    return move(actor=actor, finding=finding, to=to, reason=told, fields={**fields, **closing})


def _must_be_isolated(finding: Finding, component: str, probe_id: UUID) -> None:
    found = isolated_components(finding.pk)
    if (component, probe_id) in found:
        return
    if found:
        named = "; ".join(f"“{what}” by probe {probe}" for what, probe in found)
        message = f"Probe {probe_id} did not isolate “{component}”. Isolated so far: {named}."
    else:
        message = (
            "No probe of this finding has isolated a component yet: run one, or close the finding "
            "as not reproduced (with what was tried) or by design."
        )
    raise InvalidMove("not_isolated", message)
