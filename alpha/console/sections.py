"""What `alpha` brings to a checkpoint's page and to a stage's."""

from __future__ import annotations

from django.db.models import Q
from django.urls import reverse

from alpha.history import exposures_of
from alpha.models import Grant
from infra import clock
from infra.actors import Actor
from infra.console.sections import Section
from releases.models import Checkpoint, Stage


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
