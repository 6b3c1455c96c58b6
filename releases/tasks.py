"""What `releases` does in the background."""

from __future__ import annotations

from celery import shared_task

from releases.services.forecasts import observe_due
from releases.services.guardrails import count_exposed, something_moves, watch_guardrails
from releases.services.identities import confirm_identities as confirm
from releases.services.promotions import advance_promotions
from releases.services.ramps import advance_ramps


@shared_task(name="releases.advance")
def advance() -> None:
    """Judge, expire and execute open promotions."""
    advance_promotions()


@shared_task(name="releases.watch")
def watch() -> None:
    """Look at guardrails first, so that no ramp moves on unseen; then move ramps on."""
    if something_moves():
        watch_guardrails()
        advance_ramps()
        count_exposed()


@shared_task(name="releases.confirm_identities")
def confirm_identities() -> None:
    """Ask upstreams of live releases again who they are; it may wait for slow ones."""
    confirm()


@shared_task(name="releases.observe_forecasts")
def observe_forecasts() -> None:
    """Put what stages showed beside what promotions predicted."""
    observe_due()
