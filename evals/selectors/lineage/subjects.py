"""Which remarks and weaknesses an id leads back to, whatever it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from alpha.models import Feedback, Finding, PreferenceSession
from evals.models import Case, Probe, Run, SuiteVersion, TrainingExport, TrainingRow
from infra.errors import NotFound
from releases.models import GateOutcome, Promotion


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the id names, and where its road begins."""

    kind: str
    id: UUID
    title: str
    feedback: frozenset[UUID] = frozenset()
    findings: frozenset[UUID] = frozenset()
    preferences: frozenset[UUID] = frozenset()
    """Blind side by sides, which speak of no weakness: their road leads to training rows."""


def subject_of(subject_id: UUID) -> Subject:
    """What has that id: a remark, a call, or anything that was made from one; NotFound."""
    for look in _LOOKS:
        found = look(subject_id)
        if found is not None:
            return found
    message = (
        f"Nothing with the id {subject_id} leads to a remark. Give the id of feedback, a call, a "
        "finding, probe, case, suite version, run, gate outcome, promotion, training row, export "
        "or blind side by side."
    )
    raise NotFound("no_such_lineage", message)


def _feedback(pk: UUID) -> Subject | None:
    found = Feedback.objects.filter(pk=pk).select_related("partner").first()
    if found is None:
        return None
    title = f"Feedback of {found.partner}"
    return Subject(kind="feedback", id=pk, title=title, feedback=frozenset({pk}))


def _call(request_id: UUID) -> Subject | None:
    found = frozenset(Feedback.objects.filter(request_id=request_id).values_list("pk", flat=True))
    if not found:
        return None
    return Subject(kind="call", id=request_id, title=f"Call {request_id}", feedback=found)


def _finding(pk: UUID) -> Subject | None:
    found = Finding.objects.filter(pk=pk).first()
    return found and Subject(
        kind="finding", id=pk, title=found.title, findings=frozenset({found.pk})
    )


def _probe(pk: UUID) -> Subject | None:
    found = Probe.objects.filter(pk=pk).first()
    return found and Subject(
        kind="probe", id=pk, title=found.title, findings=frozenset({found.finding_id})
    )


def _case(pk: UUID) -> Subject | None:
    found = Case.objects.filter(pk=pk).select_related("version__suite").first()
    if found is None:
        return None
    return _of_cases("case", pk, f"Case {found.case_id} of {found.version}", Q(pk=pk))


def _version(pk: UUID) -> Subject | None:
    found = SuiteVersion.objects.filter(pk=pk).select_related("suite").first()
    return found and _of_cases("suite version", pk, str(found), Q(version=found))


def _run(pk: UUID) -> Subject | None:
    found = Run.objects.filter(pk=pk).select_related("version__suite", "checkpoint").first()
    return found and _of_cases("run", pk, str(found), Q(version=found.version_id))


def _outcome(pk: UUID) -> Subject | None:
    found = GateOutcome.objects.filter(pk=pk).first()
    if found is None:
        return None
    title = f"Gate {found.gate_id}: {found.outcome}"
    return _of_cases("gate outcome", pk, title, Q(version__in=versions_judged([found])))


def _promotion(pk: UUID) -> Subject | None:
    found = Promotion.objects.filter(pk=pk).select_related("checkpoint", "stage").first()
    if found is None:
        return None
    outcomes = list(GateOutcome.objects.filter(evaluation__promotion=found))
    title = f"{found.checkpoint} into {found.stage}"
    return _of_cases("promotion", pk, title, Q(version__in=versions_judged(outcomes)))


def _row(pk: UUID) -> Subject | None:
    found = TrainingRow.objects.filter(pk=pk).first()
    return found and Subject(
        kind="training row",
        id=pk,
        title=str(found),
        feedback=frozenset({found.feedback_id} - {None}),
        preferences=frozenset({found.preference_id} - {None}),
    )


def _export(pk: UUID) -> Subject | None:
    found = TrainingExport.objects.filter(pk=pk).first()
    if found is None:
        return None
    feedback = found.rows.filter(feedback__isnull=False).values_list("feedback", flat=True)
    voted = found.rows.filter(preference__isnull=False).values_list("preference", flat=True)
    return Subject(
        kind="training export",
        id=pk,
        title=str(found),
        feedback=frozenset(feedback),
        preferences=frozenset(voted),
    )


def _side_by_side(pk: UUID) -> Subject | None:
    found = PreferenceSession.objects.filter(pk=pk).first()
    return found and Subject(
        kind="side by side", id=pk, title=str(found), preferences=frozenset({pk})
    )


def versions_judged(outcomes: list[GateOutcome]) -> list[UUID]:
    """The suite versions on whose numbers these outcomes rest."""
    wanted = Q(pk__in=[])
    for outcome in outcomes:
        told = outcome.evidence or {}
        if isinstance(told.get("suite"), str) and isinstance(told.get("version"), int):
            wanted |= Q(suite__name=told["suite"], number=told["version"])
    return list(SuiteVersion.objects.filter(wanted).values_list("pk", flat=True))


def _of_cases(kind: str, pk: UUID, title: str, which: Q) -> Subject:
    """Whatever the cases came from; of nothing where people wrote them all."""
    rows = Case.objects.filter(which).values_list("feedback_id", "finding_id").distinct()
    rows = rows.filter(Q(feedback__isnull=False) | Q(finding__isnull=False)).order_by()
    found = list(rows)
    return Subject(
        kind=kind,
        id=pk,
        title=title,
        feedback=frozenset(feedback for feedback, _ in found if feedback),
        findings=frozenset(finding for _, finding in found if finding),
    )


_LOOKS: tuple[Callable[[UUID], Subject | None], ...] = (
    _feedback,
    _finding,
    _probe,
    _case,
    _version,
    _run,
    _promotion,
    _outcome,
    _row,
    _export,
    _side_by_side,
    _call,
)
