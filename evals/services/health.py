"""Suites measured over all checkpoints that were run on them, in the background, and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from celery import current_app
from django.db import transaction

from evals.formats.contract import sha256_of
from evals.models import Case, CaseAudit, Run, SuiteHealth, SuiteVersion
from evals.selectors import health as reads
from evals.selectors import measured_runs, signals
from evals.selectors.measured_runs import SizeClass
from evals.services import drafts
from evals.shelf import Measured, Point
from evals.states import AuditFinding
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput
from releases.statistics.verdicts import is_sufficient

if TYPE_CHECKING:
    from evals.selectors.measured_runs import Seen
    from releases.statistics.shelf_life import ShelfLife

Audits = Mapping[tuple[str, str], str]
# Part of the digest: a change of the method measures every suite anew.
METHOD = "shelf_life/1"
MEASURE = "evals.measure"
FARTHEST_DAYS = 3650.0
HINTS = 20


def measure_later() -> None:
    """Nudge a worker after commit; beat finds what a lost message left unmeasured."""
    transaction.on_commit(lambda: current_app.send_task(MEASURE), robust=True)


def measure_due() -> int:
    """Measure every size class whose newest measurement misses a run, an audit or a review."""
    return sum(measure(found) is not None for found in measured_runs.size_classes())


def measure(found: SizeClass) -> SuiteHealth | None:
    """The new measurement, or None when the kept one saw the same; safe to repeat and to race."""
    runs = measured_runs.runs_of(found)
    audits = reads.audits_of(found.version)
    digest = _digest(found, runs, audits)
    if not runs or SuiteHealth.objects.filter(input_digest=digest).exists():
        return None
    seen = measured_runs.scores_of(found.version, runs)
    if not is_sufficient(len(seen.keys), seen.n_clusters):
        # Stays judged by its date: nothing can be told from so few cases.
        return None
    measured = _measured(found, runs, seen, audits)
    row, is_new = SuiteHealth.objects.get_or_create(
        input_digest=digest,
        defaults={
            "version": found.version,
            "family_id": found.family_id,
            "size": found.size,
            "newest_run": runs[-1],
            "n_checkpoints": len(runs),
            "measured": measured.as_json(),
            "measured_at": clock.now(),
        },
    )
    return row if is_new else None


def audit_case(*, actor: Actor, case: Case, finding: AuditFinding, reason: str) -> CaseAudit:
    """Say whose fault the failures on a case are; the newest finding counts."""
    drafts.must_edit(actor)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say what was wrong, or what makes it right.")
    with transaction.atomic():
        row = CaseAudit.objects.create(
            case=case,
            finding=finding.value,
            reason=reason,
            audited_by=actor.name,
            audited_at=clock.now(),
        )
        after = {"case": case.case_id, "finding": finding.value}
        audit.record(actor=actor, action="case.audited", subject=row, reason=reason, after=after)
        measure_later()
    return row


def _digest(found: SizeClass, runs: Sequence[Run], audits: Audits) -> str:
    reviewed_at = found.version.suite.reviewed_at
    return sha256_of(
        {
            "method": METHOD,
            "version": str(found.version.pk),
            "size": [str(found.family_id), found.size],
            "runs": [str(run.pk) for run in runs],
            "audits": sorted([*key, finding] for key, finding in audits.items()),
            "reviewed_at": reviewed_at.isoformat() if reviewed_at else None,
        }
    )


def _measured(found: SizeClass, runs: Sequence[Run], seen: Seen, audits: Audits) -> Measured:
    from releases.statistics.shelf_life import Audit, shelf_life  # SciPy

    findings = [audits[key] for key in seen.keys if key in audits]
    wrong = sum(finding != AuditFinding.RIGHT.value for finding in findings)
    first = runs[0].checkpoint.registered_at
    days = [(run.checkpoint.registered_at - first) / timedelta(days=1) for run in runs]
    life = shelf_life(
        days,
        seen.table,
        cluster=seen.clusters,
        audit=Audit(audited=len(findings), mislabelled=wrong),
        counts_before=_counts_before(found.version, runs),
    )
    return _told(found, runs, seen, life, (len(findings), wrong), first)


def _counts_before(version: SuiteVersion, runs: Sequence[Run]) -> bool:
    """Whether the checkpoint before the newest was run since the last review."""
    reviewed_at = version.suite.reviewed_at
    return len(runs) > 1 and (reviewed_at is None or runs[-2].finished_at > reviewed_at)


def _told(
    found: SizeClass,
    runs: Sequence[Run],
    seen: Seen,
    life: ShelfLife,
    audited: tuple[int, int],
    first: datetime,
) -> Measured:
    items = measured_runs.item_facts(seen, HINTS)
    forecast = life.forecast
    day = forecast.date if forecast else None
    earliest, latest = (forecast.lo, forecast.hi) if forecast else (None, None)
    twins = signals.twins(found.version, runs, seen)
    return Measured(
        points=[
            Point(
                checkpoint=run.checkpoint.name,
                day=run.checkpoint.registered_at.date().isoformat(),
                score=score,
                se=se,
            )
            for run, score, se in zip(runs, life.scores, life.errors, strict=True)
        ],
        n_cases=len(seen.keys),
        n_constant=life.n_constant,
        n_passed_by_all=items.n_passed_by_all,
        difficulty=items.difficulty,
        n_no_signal=items.n_no_signal,
        to_check=items.to_check,
        best=life.best,
        ceiling=life.ceiling,
        ceiling_lo=life.ceiling_lo,
        ceiling_hi=life.ceiling_hi,
        n_audited=audited[0],
        n_mislabelled=audited[1],
        headroom=life.headroom,
        mde=life.mde,
        live_share=life.live_share,
        is_saturated=life.is_saturated,
        saturated_before=life.saturated_before,
        is_contaminated=twins is not None and twins.is_contaminated,
        forecast=_date(first, day),
        forecast_lo=_date(first, earliest) if day is not None else None,
        forecast_hi=_date(first, latest) if day is not None else None,
        **signals.exposure(found.version),
        signals=signals.of(found.version, runs, life, twins),
        link=measured_runs.link(found),
    )


def _date(first: datetime, day: float | None) -> str | None:
    """The ISO date so many days after the first checkpoint; None beyond ten years."""
    if day is None or abs(day) > FARTHEST_DAYS:
        return None
    return (first + timedelta(days=day)).date().isoformat()
