"""What `alpha` brings to the first page and to a stage's page."""

from __future__ import annotations

from django.db.models import Count, Q
from django.urls import reverse

from alpha import selectors
from alpha.history import exposures_of
from alpha.models import Feedback, Grant, UsageEvent
from alpha.states import FeedbackState, UsageState
from infra import clock
from infra.actors import Actor
from infra.console.sections import Section
from releases.models import Checkpoint, Stage


def newest_feedback(*, actor: Actor) -> Section:
    """What came in and nobody has looked at."""
    rows = selectors.inbox(state=FeedbackState.NEW.value)[:6]
    return Section(
        title="New feedback",
        template="alpha/section_feedback.html",
        column="side",
        link=reverse("console-feedback"),
        link_text="Inbox",
        content={"rows": list(rows), "any": Feedback.objects.exists()},
    )


def traffic_today(*, actor: Actor) -> Section:
    """Today's calls, by codename."""
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    rows = (
        UsageEvent.objects.filter(month=midnight.date().replace(day=1), started_at__gte=midnight)
        .values("codename", "checkpoint__name")
        .annotate(
            n_requests=Count("request_id"),
            n_failed=Count("request_id", filter=~Q(state=UsageState.SUCCEEDED.value)),
        )
        .order_by("-n_requests")
    )
    return Section(
        title="Alpha traffic today",
        template="alpha/section_traffic.html",
        column="side",
        link=reverse("console-partners"),
        link_text="Partners",
        content={"rows": list(rows[:8])},
    )


def served_to(*, checkpoint: Checkpoint, actor: Actor) -> Section:
    """Where the checkpoint was live, with which share, and who called it there."""
    return Section(
        title="Served to",
        template="alpha/section_served.html",
        link=reverse("console-history"),
        link_text="Look back",
        content={"stays": exposures_of(checkpoint)},
    )


def who_may_call(*, stage: Stage) -> Section:
    """Partners and cohorts with a grant in force to the stage."""
    now = clock.now()
    grants = Grant.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=now), stage=stage, revoked_at=None, opens_at__lte=now
    ).select_related("partner", "cohort")
    return Section(
        title="Who may call it",
        template="alpha/section_callers.html",
        column="side",
        link=reverse("console-partners"),
        link_text="Partners",
        content={"grants": list(grants.prefetch_related("cohort__partners"))},
    )
