"""The scheduler's look at every open promotion: a net for what no message brought."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from infra.actors import system
from infra.errors import InvalidMove
from releases.models import Promotion
from releases.selectors.promotions import open_promotions
from releases.services.promotions.evaluate import evaluate_promotion
from releases.services.promotions.execute import execute_when_approved

_LOCK = 0x511B0A72


def advance_promotions() -> int:
    """Judge, expire and execute; how many promotions changed. Nothing while another one runs."""
    with _alone() as alone:
        return sum(_advance(promotion) for promotion in open_promotions()) if alone else 0


def _advance(promotion: Promotion) -> bool:
    before = promotion.state
    try:
        judged = evaluate_promotion(actor=system("scheduler"), promotion=promotion, fresh=False)
        return execute_when_approved(judged).state != before
    except InvalidMove:
        # It keeps changing under somebody else's hands: the next look is seconds away.
        return False


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether this connection holds the scheduler's lock; two beats never work at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        alone = bool(cursor.fetchone()[0])
    try:
        yield alone
    finally:
        if alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
