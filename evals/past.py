"""Suites, runs and baselines as they were at a past moment."""

from __future__ import annotations

from datetime import date, datetime

from django.db.models import Q

from evals.models import Run, Suite, SuiteVersion
from evals.selectors import runs
from evals.selectors.suites import suite_named
from evals.states import VersionState
from infra.errors import NotFound
from infra.models import AuditEntry
from releases.gates.contract import Subject
from releases.models import Checkpoint, Release
from releases.states import Arm


def version_then(reference: str, then: datetime) -> SuiteVersion:
    """What `sql` (the newest) or `sql@7` named at that moment; NotFound."""
    name, _, number = reference.partition("@")
    suite = suite_named(name)
    published = suite.versions.filter(
        state=VersionState.PUBLISHED.value, published_at__lte=then
    ).order_by("-number")
    version = (published.filter(number=int(number)) if number.isdecimal() else published).first()
    if version is None:
        message = f"{reference} had no published version on {then:%Y-%m-%d %H:%M} UTC."
        raise NotFound("no_such_version", message)
    version.suite = suite
    return version


def run_then(
    version: SuiteVersion,
    checkpoint: Checkpoint,
    then: datetime,
    *,
    imported: bool = True,
    against: Run | None = None,
) -> Run | None:
    """The newest run of the checkpoint that was evidence by that moment: see `runs.completed`."""
    return (
        runs.completed(imported=imported, against=against)
        .filter(version=version, checkpoint_id=checkpoint.pk, finished_at__lte=then)
        .first()
    )


def incumbent_then(subject: Subject, stage: str, then: datetime) -> Checkpoint | None:
    """What was the incumbent of that stage of the subject's pipeline, for its family and size."""
    release = (
        Release.objects.filter(
            Q(ended_at=None) | Q(ended_at__gte=then),
            stage__pipeline_id=subject.pipeline_id,
            stage__name=stage,
            family__name=subject.family,
            size=subject.size,
            arm=Arm.INCUMBENT.value,
            # What began at that very moment is what was decided then.
            started_at__lt=then,
        )
        .select_related("checkpoint")
        .order_by("-started_at")
        .first()
    )
    return release.checkpoint if release else None


def review_by_then(suite: Suite, then: datetime) -> date:
    """The review date that stood then: each renewal's audit entry keeps the date before it."""
    renewals = AuditEntry.objects.filter(
        action="suite.renewed", object_id=str(suite.pk), at__gt=then
    )
    first = renewals.order_by("seq").first()
    before = (first.before or {}).get("review_by") if first else None
    return date.fromisoformat(before) if before else suite.review_by
