"""What `evals` has to tell: suites that nobody may trust much longer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.urls import reverse

from evals.models import Suite
from evals.selectors import suites
from evals.selectors.health import health_of
from infra.notifications.kinds import Fact, Kind
from infra.notifications.outbox import persons_with
from infra.roles import Role
from releases.statistics.suite_status import SuiteStatus

AHEAD = timedelta(days=14)
"""How long before its date of review a suite is told of."""


def ahead(now: datetime) -> Iterator[Fact]:
    """Suites whose review is due soon or was missed, and those that saturated; each once a date."""
    keepers, today = persons_with(Role.EVAL_OWNER), now.date()
    for suite, health in health_of(suites.suites(), today):
        if health.state is SuiteStatus.SATURATED:
            told = "is saturated", f"{health.reason} Gates on it can't pass any more."
        elif suite.review_by < today:
            told = f"has expired on {suite.review_by}", f"{health.reason} Its gates are open."
        elif suite.review_by <= today + AHEAD:
            told = f"is to be reviewed by {suite.review_by}", health.reason
        else:
            continue
        yield _fact(suite, health.state, told, keepers | {suite.owner_id})


def _fact(suite: Suite, state: SuiteStatus, told: tuple[str, str], persons: frozenset) -> Fact:
    does, text = told
    return Fact(
        kind=Kind.EXPIRY,
        key=f"suite.ends:{suite.pk}:{suite.review_by}:{does}",
        event="suite.expiring",
        title=f"The suite {suite.name} {does}",
        text=text,
        link=reverse("console-suite", args=[suite.name]),
        subject=str(suite.pk),
        persons=persons,
        data={"suite": suite.name, "review_by": suite.review_by, "state": state.value},
    )
