"""Says where a checkpoint answers, after asking who answers there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from infra import audit, clock, secrets_by_reference
from infra.actors import Actor
from infra.errors import DomainError, InvalidInput, InvalidMove, UpstreamError
from infra.lifecycles import check_move
from infra.roles import Role, Scope
from releases.identity import differences, differs_by_rounding, requests_of
from releases.models import Checkpoint, Deployment
from releases.selectors.checkpoints import active_deployments, deployments_input
from releases.services.promotions import inputs_changed
from releases.states import DEPLOYMENT_TRANSITIONS, DeploymentState

MIN_REASON = 20
MAX_WEIGHT = 1_000_000


def add_deployment(
    *,
    actor: Actor,
    checkpoint: Checkpoint,
    base_url: str,
    upstream_model: str,
    secret_ref: str = "",
    weight: int = 100,
    skip_probe_reason: str = "",
) -> Deployment:
    """The checkpoint's deployment there, after the upstream listed and served the model.

    The same deployment again is given back. `skip_probe_reason` (at least 20 characters, audited)
    overrides an upstream that does not answer yet. InvalidInput, UpstreamError, InvalidMove.
    """
    _must(actor, "add deployments")
    url = normal_url(base_url)
    secrets_by_reference.check(secret_ref)
    _check(upstream_model, weight, skip_probe_reason)
    values = {"secret_ref": secret_ref, "weight": weight}
    existing = Deployment.objects.filter(
        checkpoint=checkpoint, base_url=url, upstream_model=upstream_model
    ).first()
    if existing is not None:
        return _same(existing, values)
    place = Deployment(checkpoint=checkpoint, base_url=url, upstream_model=upstream_model, **values)
    _probe_into(place, skip_probe_reason)
    _insert(actor, place)
    return place


def disable_deployment(*, actor: Actor, deployment: Deployment, reason: str) -> Deployment:
    """No new traffic goes there; InvalidMove when it is disabled already."""
    _must(actor, "disable deployments")
    _need_reason(reason)
    with transaction.atomic():
        _move(deployment, DeploymentState.DISABLED)
        _moved(actor, deployment, "lost a deployment")
        audit.record(actor=actor, action="deployment.disabled", subject=deployment, reason=reason)
    return deployment


def enable_deployment(
    *, actor: Actor, deployment: Deployment, reason: str, skip_probe_reason: str = ""
) -> Deployment:
    """Traffic may go there again, after the upstream answered as it did when it was added."""
    _must(actor, "enable deployments")
    _need_reason(reason)
    _check(deployment.upstream_model, deployment.weight, skip_probe_reason)
    _check_move(deployment, DeploymentState.ACTIVE)
    recorded = deployment.fingerprint
    _probe_into(deployment, skip_probe_reason, recorded)
    if not skip_probe_reason:
        _check_identity(deployment, recorded)
    with transaction.atomic():
        _move(deployment, DeploymentState.ACTIVE)
        changed = ["fingerprint", "probed_at", "probe_skipped_reason"]
        deployment.save(update_fields=changed)
        _moved(actor, deployment, "got a deployment back")
        audit.record(
            actor=actor,
            action="deployment.enabled",
            subject=deployment,
            reason=" ".join(text for text in (reason, skip_probe_reason) if text),
            after=_snapshot(deployment),
        )
    return deployment


def _moved(actor: Actor, deployment: Deployment, what: str) -> None:
    """What was judged with the deployments before goes stale; before the change is audited."""
    checkpoint = deployment.checkpoint
    now = deployments_input(checkpoint, active_deployments(checkpoint.pk))
    inputs_changed(actor=actor, digests=now, reason=f"{checkpoint} {what}")


def normal_url(base_url: str) -> str:
    """The base URL as it is kept, without a final slash; InvalidInput says what it may not hold."""
    try:
        parts = urlsplit(base_url.strip())
        port = parts.port
    except ValueError as error:
        raise InvalidInput("bad_base_url", f"{base_url!r} is not a URL: {error}.") from error
    if parts.username or parts.password:
        raise InvalidInput(
            "bad_base_url", "The base URL holds credentials: keep them in `secret_ref` instead."
        )
    bad = parts.query or parts.fragment or port == 0 or any(c.isspace() for c in parts.geturl())
    if parts.scheme not in ("http", "https") or not parts.hostname or bad:
        raise InvalidInput(
            "bad_base_url",
            f"{base_url!r} is not an upstream: write http(s)://host[:port]/v1, without a query.",
        )
    return parts.geturl().rstrip("/")


def _insert(actor: Actor, place: Deployment) -> None:
    try:
        with transaction.atomic():
            place.save(force_insert=True)
            _moved(actor, place, "was deployed at another place")
            audit.record(
                actor=actor,
                action="deployment.added",
                subject=place,
                reason=place.probe_skipped_reason,
                after=_snapshot(place),
            )
    except IntegrityError as error:
        raise InvalidMove(
            "deployment_exists", f"{place.checkpoint.name} was deployed there a moment ago: look."
        ) from error


def _must(actor: Actor, action: str) -> None:
    actor.must(action, Role.ENGINEER, Role.RELEASE_MANAGER, scope=Scope.REGISTER)


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why: `reason` is what the audit will show.")


def _check(upstream_model: str, weight: int, skip_probe_reason: str) -> None:
    if not upstream_model.strip():
        raise InvalidInput("upstream_model_missing", "Name the model as the upstream lists it.")
    if not 0 <= weight <= MAX_WEIGHT:
        raise InvalidInput("bad_weight", f"A weight is 0 to {MAX_WEIGHT:,}; {weight} is not.")
    if skip_probe_reason and len(skip_probe_reason.strip()) < MIN_REASON:
        raise InvalidInput(
            "reason_too_short",
            f"Why may the upstream stay unasked? {MIN_REASON} characters at least, for the audit.",
        )


def _same(existing: Deployment, values: dict[str, Any]) -> Deployment:
    different = [name for name, value in values.items() if getattr(existing, name) != value]
    if existing.state != DeploymentState.ACTIVE:
        different.append("state")
    if different:
        raise InvalidMove(
            "deployment_exists",
            f"{existing.checkpoint.name} is deployed at {existing.base_url} already, with another "
            f"{', '.join(different)} (deployment {existing.pk}, {existing.state}).",
        )
    return existing


def _probe_into(
    deployment: Deployment, skip_probe_reason: str, recorded: Mapping[str, Any] | None = None
) -> None:
    """Ask the upstream and keep its answer on the (unsaved) row, or keep why it was not asked.

    What was recorded is asked again; otherwise the usual requests.
    """
    deployment.probe_skipped_reason = skip_probe_reason.strip()
    if skip_probe_reason:
        return
    try:
        from infra.identity_probe import PROBES, probe  # the SDK is heavy, and few processes probe

        identity = probe(
            base_url=deployment.base_url,
            upstream_model=deployment.upstream_model,
            secret=secrets_by_reference.resolve(deployment.secret_ref),
            requests=requests_of(recorded) if recorded else PROBES,
        )
    except (InvalidInput, UpstreamError) as refusal:
        raise _with_override(refusal) from refusal
    deployment.fingerprint = identity.as_json()
    deployment.probed_at = clock.now()


def _with_override(refusal: DomainError) -> DomainError:
    message = f"{refusal.message} To go on without asking it, give `skip_probe_reason`."
    if isinstance(refusal, UpstreamError):
        return UpstreamError(refusal.code, message, retryable=refusal.retryable)
    return InvalidInput(refusal.code, message, refusal.reasons)


def _check_identity(deployment: Deployment, recorded: dict[str, Any] | None) -> None:
    answered = deployment.fingerprint or {}
    different = differences(recorded, answered) if recorded else []
    if recorded and different and not differs_by_rounding(recorded, answered):
        raise InvalidMove(
            "fingerprint_changed",
            f"{deployment.base_url} answers otherwise than when it was added ("
            f"{'; '.join(different)}): it may serve other weights. To go on all the same, give "
            "`skip_probe_reason`.",
        )


def _check_move(deployment: Deployment, new: DeploymentState) -> None:
    old = DeploymentState(deployment.state)
    check_move(DEPLOYMENT_TRANSITIONS, old, new, f"The deployment at {deployment.base_url}")


def _move(deployment: Deployment, new: DeploymentState) -> None:
    _check_move(deployment, new)
    moved = Deployment.objects.filter(pk=deployment.pk, state=deployment.state)
    if moved.update(state=new.value) != 1:
        raise InvalidMove(
            "moved_meanwhile", f"The deployment at {deployment.base_url} changed meanwhile: look."
        )
    deployment.state = new.value


def _snapshot(deployment: Deployment) -> dict[str, Any]:
    names = "base_url upstream_model secret_ref weight state fingerprint".split()
    return {name: getattr(deployment, name) for name in names} | {
        "checkpoint": deployment.checkpoint.name
    }
