"""Where releases, ramps and guardrails of a stage stand, for pages that stay open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from infra import clock
from releases.models import Release
from releases.selectors.ramps import RampView, ramp_views
from releases.selectors.releases import releases


def stages(ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Facts by stage; in a constant number of queries."""
    wanted = list(ids)
    current = list(releases().filter(stage__in=wanted, ended_at__isnull=True))
    views = ramp_views(current, clock.now())
    by_stage: dict[UUID, list[Release]] = defaultdict(list)
    for release in current:
        by_stage[release.stage_id].append(release)
    return {stage_id: facts_of(by_stage[stage_id], views) for stage_id in wanted}


def facts_of(current: Sequence[Release], views: dict[UUID, RampView]) -> dict[str, Any]:
    """`state` changes with everything that has buttons; the sentences change by themselves."""
    facts: dict[str, Any] = {}
    marks = []
    for release in sorted(current, key=lambda row: row.pk):
        marks.append(f"{release.pk}:{release.state}:{release.arm}:{release.share}")
        view = views.get(release.pk)
        if view is None:
            continue
        marks.append(f"{view.ramp.state}:{view.ramp.step}:{','.join(view.waits)}")
        facts[f"ramp-{view.ramp.pk}"] = view.sentence
        for row in view.guardrails:
            marks.append(f"{row.watch}:{row.n_exposed}")
            facts[f"rail-{row.pk}"] = row.sentence or "Nobody has looked yet."
            facts[f"looks-{row.pk}"] = looks(row.n_looks)
    return {"state": "|".join(marks), **facts}


def looks(n: int) -> str:
    """How often a guardrail was looked at."""
    return f"{n} look{'s' * (n != 1)}"
