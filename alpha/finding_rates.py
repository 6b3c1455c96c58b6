"""How often a finding is reported: per release, against the requests that release answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Count

from alpha.models import Finding, UsageEvent
from alpha.states import UsageState
from releases.models import Checkpoint, Release

if TYPE_CHECKING:
    from releases.statistics.feedback import FeedbackRate


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRate:
    """One release: who reported the finding of it, and what it answered."""

    release: Release
    n_reports: int
    """Partners that reported it of this release; one's repeats count once."""
    n_remarks: int
    n_requests: int
    """Requests answered in full, by whichever partner."""
    interval: FeedbackRate
    """Per 1,000 requests, exact Poisson at 95 %."""

    @property
    def sentence(self) -> str:
        """The rate with its interval, in words."""
        name = f"{self.release.checkpoint.name} in {self.release.stage}"
        if self.interval.rate is None or self.interval.hi is None:
            return f"{name}: it answered no request yet, so there is no rate."
        if self.n_reports == 0:
            return (
                f"{name}: no reports in {self.n_requests:,} requests: at most "
                f"{self.interval.hi:.3g} per 1,000 (95%)."
            )
        return (
            f"{name}: {self.interval.rate:.3g} per 1,000 requests (95% CI "
            f"{self.interval.lo:.3g}..{self.interval.hi:.3g}; {self.n_reports} in "
            f"{self.n_requests:,})."
        )


def affected_checkpoints(finding: Finding) -> list[Checkpoint]:
    """The finding's own checkpoint, then those that its remarks are about, by name."""
    told = Checkpoint.objects.filter(feedback__reports__finding=finding).distinct()
    others = told.exclude(pk=finding.checkpoint_id).order_by("name")
    return [finding.checkpoint, *others]


def finding_rates(finding: Finding) -> list[ReleaseRate]:
    """Each release of the affected checkpoints, and of the one with the fix, oldest first."""
    shown = [checkpoint.pk for checkpoint in affected_checkpoints(finding)]
    shown += [finding.fixed_in_id] if finding.fixed_in_id else []
    found = Release.objects.filter(checkpoint__in=shown).select_related(
        "checkpoint", "stage__pipeline"
    )
    releases = list(found.order_by("started_at", "pk"))
    reports, requests = _reports(finding), _requests(releases)
    return [
        _rate(release, *reports.get(release.pk, (0, 0)), requests.get(release.pk, 0))
        for release in releases
    ]


def _rate(release: Release, n_reports: int, n_remarks: int, n_requests: int) -> ReleaseRate:
    from releases.statistics.feedback import feedback_rate  # SciPy

    return ReleaseRate(
        release=release,
        n_reports=n_reports,
        n_remarks=n_remarks,
        n_requests=n_requests,
        interval=feedback_rate(n_reports, n_requests),
    )


def _reports(finding: Finding) -> dict[UUID, tuple[int, int]]:
    rows = (
        finding.reports.filter(feedback__release__isnull=False)
        .order_by()
        .values_list("feedback__release")
        .annotate(n=Count("feedback__partner", distinct=True), n_remarks=Count("pk"))
    )
    return {release: (n, n_remarks) for release, n, n_remarks in rows}


def _requests(releases: Iterable[Release]) -> dict[UUID, int]:
    of = [release.pk for release in releases]
    rows = (
        UsageEvent.objects.filter(state=UsageState.SUCCEEDED.value, release__in=of)
        .order_by()
        .values_list("release")
        .annotate(n=Count("request_id"))
    )
    return dict(rows)
