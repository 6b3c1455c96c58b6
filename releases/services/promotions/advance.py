"""The scheduler's look at every open promotion: a net for what no message brought."""

from __future__ import annotations

import logging

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError

from infra.actors import system
from infra.errors import DomainError
from releases.models import Promotion
from releases.selectors.promotions import open_promotions
from releases.services.beats import alone
from releases.services.promotions.evaluate import evaluate_promotion
from releases.services.promotions.execute import execute_when_approved

_LOCK = 0x511B0A72
log = logging.getLogger(__name__)


def advance_promotions() -> int:
    """Judge, expire and execute; how many promotions changed. Nothing while another one runs.

    The newest first: what waited for the same freeze or hold gives way to what was asked for later.
    """
    with alone(_LOCK) as is_alone:
        queue = open_promotions().reverse() if is_alone else ()
        return sum(_advance(promotion) for promotion in queue)


def _advance(promotion: Promotion) -> bool:
    before = promotion.state
    try:
        judged = evaluate_promotion(actor=system("scheduler"), promotion=promotion, fresh=False)
        return execute_when_approved(judged).state != before
    except (DomainError, DatabaseError, ObjectDoesNotExist):
        # One that can't be judged must not keep the others waiting; the next look is seconds away.
        log.warning("promotion %s could not be advanced", promotion.pk, exc_info=True)
        return False
