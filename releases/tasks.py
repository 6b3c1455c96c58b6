"""What `releases` does in the background."""

from __future__ import annotations

from celery import shared_task

from releases.services.promotions import advance_promotions


@shared_task(name="releases.advance")
def advance() -> None:
    """Judge, expire and execute open promotions."""
    advance_promotions()
