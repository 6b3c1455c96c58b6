"""Suites and runs as things to find."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from evals.models import Suite
from evals.selectors.runs import runs
from infra.search.contract import Hit, Sought
from infra.search.kinds import HitKind


def suites(sought: Sought) -> Iterator[Hit]:
    """By name, description or owner."""
    if not sought.text:
        return
    wanted = sought.by_name_or_id("name", "description", "owner__name")
    rows = Suite.objects.filter(wanted, is_internal=False).select_related("owner")
    for row in rows.order_by("name")[: sought.most]:
        yield Hit(
            kind=HitKind.SUITE,
            title=row.name,
            detail=f"{row.owner}, review by {row.review_by}",
            address=reverse("console-suite", args=[row.name]),
        )


def found_runs(sought: Sought) -> Iterator[Hit]:
    """By checkpoint and suite, the newest first."""
    if not sought.text:
        return
    wanted = sought.by_name_or_id("checkpoint__name", "version__suite__name", "state")
    for row in runs().filter(wanted).order_by("-created_at")[: sought.most]:
        yield Hit(
            kind=HitKind.RUN,
            title=f"{row.checkpoint.name} on {row.version}",
            detail=f"{row.state}, {row.created_at:%Y-%m-%d %H:%M} UTC",
            address=reverse("console-run", args=[row.pk]),
        )
