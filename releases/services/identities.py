"""Asks the upstreams of live releases again who they are, and halts what has changed.

Asked outside any transaction; kept and acted on in one. Nothing here asks a hold, a freeze or the
line: it is a way back.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from infra import audit, clock, secrets_by_reference, webhooks
from infra.actors import Actor, system
from infra.errors import DomainError, InvalidInput
from releases.identity import Judged, judge, requests_of
from releases.models import Deployment, Release
from releases.services.arms import halt_arm, lock_stage, place_system_hold
from releases.services.beats import alone
from releases.services.rollouts import stop_ramp
from releases.states import DeploymentState, Identity, ReleaseState

_LOCK = 0x511B0A76
EVERY = timedelta(minutes=5)
# An answer that departs is asked for again: an upstream may not answer alike each time.
TIMES = 5
NOT_SERVED = "model_not_served"
log = logging.getLogger(__name__)


def confirm_identities(now: datetime | None = None) -> int:
    """Ask every deployment that is due; how many have changed. Nothing while another one asks."""
    moment = now or clock.now()
    with alone(_LOCK) as is_alone:
        return sum(_confirm(row, moment) for row in due(moment)) if is_alone else 0


def due(now: datetime) -> QuerySet[Deployment]:
    """Active deployments of live releases that nobody asked within EVERY, longest ago first."""
    live = Release.objects.filter(state=ReleaseState.LIVE.value).values("checkpoint")
    return (
        Deployment.objects.filter(state=DeploymentState.ACTIVE.value, checkpoint__in=live)
        .annotate(asked_at=Coalesce("identity_asked_at", "probed_at", "created_at"))
        .filter(asked_at__lte=now - EVERY)
        .select_related("checkpoint")
        .order_by("asked_at", "pk")
    )


def _confirm(deployment: Deployment, now: datetime) -> bool:
    judged = _judged(deployment)
    try:
        with transaction.atomic():
            _keep(system("identity probe"), deployment, judged, now)
    except (DomainError, DatabaseError):
        # One that can't be kept must not leave the others unasked; it is still due.
        log.warning("the identity of %s could not be kept", deployment.pk, exc_info=True)
    return judged.identity is Identity.CHANGED


def _judged(deployment: Deployment) -> Judged:
    recorded = deployment.fingerprint
    if recorded is None or deployment.probe_skipped_reason:
        sentence = f"It was not asked when it was added: {deployment.probe_skipped_reason or '–'}"
        return Judged(identity=Identity.UNVERIFIABLE, sentence=sentence)
    answers: list[dict[str, Any]] = []
    try:
        for _ in range(TIMES):
            answers.append(_answer(deployment, recorded))
            if judge(recorded, answers).identity is not Identity.CHANGED:
                break
    except InvalidInput as refusal:
        # It lists its models, and this is none of them any more.
        is_gone = refusal.code == NOT_SERVED
        identity = Identity.CHANGED if is_gone else Identity.UNREACHABLE
        return Judged(identity=identity, sentence=refusal.message)
    except DomainError as error:
        return Judged(identity=Identity.UNREACHABLE, sentence=error.message)
    return judge(recorded, answers)


def _answer(deployment: Deployment, recorded: dict[str, Any]) -> dict[str, Any]:
    from infra.identity_probe import probe  # the SDK is heavy, and few processes probe

    return probe(
        base_url=deployment.base_url,
        upstream_model=deployment.upstream_model,
        secret=secrets_by_reference.resolve(deployment.secret_ref),
        requests=requests_of(recorded),
    ).as_json()


def _keep(actor: Actor, deployment: Deployment, judged: Judged, now: datetime) -> None:
    """Write what was found; a change halts every live release of the checkpoint."""
    halted = _halt_all(actor, deployment, judged, now) if _has_changed(judged) else []
    row = Deployment.objects.select_for_update(of=("self",), no_key=True).get(pk=deployment.pk)
    before, row.identity = row.identity, judged.identity.value
    row.identity_sentence, row.identity_asked_at = judged.sentence, now
    row.save(update_fields=["identity", "identity_sentence", "identity_asked_at"])
    if before == row.identity and not halted:
        return
    after = {
        "identity": row.identity,
        "checkpoint": row.checkpoint.name,
        "base_url": row.base_url,
        "halted": [str(release) for release in halted],
    }
    audit.record(
        actor=actor,
        action="deployment.identity_asked",
        subject=row,
        reason=judged.sentence,
        before={"identity": before},
        after=after,
    )
    if _has_changed(judged):
        data = {**after, "deployment": str(row.pk), "sentence": judged.sentence}
        webhooks.tell(
            event="deployment.identity_changed",
            subject=row,
            data=data,
            ordered_by=str(row.checkpoint_id),
        )


def _halt_all(actor: Actor, deployment: Deployment, judged: Judged, now: datetime) -> list[Release]:
    """The releases halted; stages are locked in the order of all moves."""
    live = Release.objects.filter(
        checkpoint=deployment.checkpoint_id, state=ReleaseState.LIVE.value
    )
    for stage_id in sorted(set(live.values_list("stage_id", flat=True))):
        lock_stage(stage_id)
    locked = live.select_related("checkpoint", "stage__pipeline", "promotion").order_by("pk")
    halted = list(locked.select_for_update(of=("self",), no_key=True))
    why = f"{deployment.base_url}: {judged.sentence}"
    for release in halted:
        halt_arm(actor, release, now, why)
        stop_ramp(actor, release, now, why)
        place_system_hold(actor, release, f"Halted in {release.stage}: {why}", now)
    return halted


def _has_changed(judged: Judged) -> bool:
    return judged.identity is Identity.CHANGED
