"""The scheduler's look at every open promotion: a net for what no message brought."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, connection

from infra.actors import system
from infra.errors import DomainError
from releases.models import Promotion
from releases.selectors.promotions import open_promotions
from releases.services.promotions.evaluate import evaluate_promotion
from releases.services.promotions.execute import execute_when_approved

_LOCK = 0x511B0A72
log = logging.getLogger(__name__)


def advance_promotions() -> int:
    """Judge, expire and execute; how many promotions changed. Nothing while another one runs."""
    with _alone() as alone:
        return sum(_advance(promotion) for promotion in open_promotions()) if alone else 0


def _advance(promotion: Promotion) -> bool:
    before = promotion.state
    try:
        judged = evaluate_promotion(actor=system("scheduler"), promotion=promotion, fresh=False)
        return execute_when_approved(judged).state != before
    except (DomainError, DatabaseError, ObjectDoesNotExist):
        # One that can't be judged must not keep the others waiting; the next look is seconds away.
        log.warning("promotion %s could not be advanced", promotion.pk, exc_info=True)
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
