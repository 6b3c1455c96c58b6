"""The road of a remark: from what a partner said to the checkpoint that no longer has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from alpha import selectors as alpha_reads
from alpha.models import Feedback, Finding, PreferenceSession
from evals.models import Case, Probe, TrainingExport, TrainingRow
from evals.selectors.lineage.judged import Measured, measured, outcomes_on
from evals.selectors.lineage.subjects import Subject, subject_of
from evals.states import VersionState
from releases.models import GateOutcome

SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One thing on the road."""

    kind: str
    id: str
    title: str
    at: datetime | None = None
    state: str = ""
    place: tuple[str, ...] = ()
    """What its page is addressed by, where that is not the id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """All things of one kind on the road."""

    name: str
    stops: Sequence[Stop]
    n_more: int = 0
    """Beyond those that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """Every step in its order; one without stops has not been taken yet."""

    subject: Subject
    steps: Sequence[Step]
    fixed_by: Stop | None
    """The first checkpoint that passes every case, after one that did not."""


def road(subject_id: UUID) -> Road:
    """The whole road that the thing of that id is on; NotFound when nothing has the id."""
    subject = subject_of(subject_id)
    findings = _findings(subject)
    remarks = _remarks(subject, findings)
    cases = _cases(remarks, findings)
    results = measured(cases)
    outcomes = outcomes_on(cases)
    steps = (
        _step("Feedback", (_remark_stop(one) for one in remarks)),
        _step("Call", _calls(remarks)),
        _step("Finding", (_finding_stop(one) for one in findings)),
        _step("Probe", _probes(findings)),
        _step("Case", _case_stops(cases)),
        _step("Suite version", _version_stops(cases)),
        _step("Run results", (_measured_stop(one) for one in results)),
        _step("Gate outcome", (_outcome_stop(one) for one in outcomes)),
        _step("Promotion", _promotions(outcomes)),
        _step("Re-confirmation", _reconfirmations(findings)),
        *((_step("Side by side", _voted(subject)),) if subject.preferences else ()),
        _step("Training rows", _exports(remarks, subject)),
    )
    return Road(subject=subject, steps=steps, fixed_by=_fixed_by(results))


def _step(name: str, stops: Iterable[Stop]) -> Step:
    every = list(stops)
    return Step(name=name, stops=every[:SHOWN], n_more=max(0, len(every) - SHOWN))


def _findings(subject: Subject) -> list[Finding]:
    """Those named, and those that the remarks speak of."""
    which = Q(pk__in=subject.findings) | Q(reports__feedback__in=subject.feedback)
    which |= Q(notices__recipients__answered_in__in=subject.feedback)
    found = Finding.objects.filter(which).distinct().order_by("opened_at", "pk")
    return list(found.select_related("checkpoint", "reporter", "fixed_in", "reconfirmed_by"))


def _remarks(subject: Subject, findings: Sequence[Finding]) -> list[Feedback]:
    """Those named, and those that speak of the weaknesses; the first one first."""
    which = Q(pk__in=subject.feedback) | Q(reports__finding__in=findings)
    found = Feedback.objects.filter(which).distinct().order_by("received_at", "pk")
    return list(found.select_related("partner", "checkpoint"))


def _cases(remarks: Sequence[Feedback], findings: Sequence[Finding]) -> list[Case]:
    """Each in every version that holds it, the oldest version first."""
    which = Q(feedback__in=remarks) | Q(finding__in=findings)
    found = Case.objects.filter(which).select_related("version__suite")
    return list(found.order_by("version__suite__name", "version__number", "position"))


def _remark_stop(one: Feedback) -> Stop:
    said = one.comment or one.correction or "no words"
    title = f"{one.partner}: {said[:120]}"
    return Stop(kind="feedback", id=str(one.pk), title=title, at=one.received_at, state=one.state)


def _calls(remarks: Sequence[Feedback]) -> Iterable[Stop]:
    for one in remarks:
        if one.request_id is None:
            continue
        event = alpha_reads.usage_event(one.request_id, one.partner_id)
        served = f", answered by {one.checkpoint}" if one.checkpoint else ""
        yield Stop(
            kind="call",
            id=str(one.request_id),
            title=f"Request {one.request_id}{served}",
            at=event.started_at if event else None,
            state=event.state if event else "",
            place=(str(one.pk),),
        )


def _finding_stop(one: Finding) -> Stop:
    title = f"{one.title} ({one.severity}, of {one.checkpoint})"
    return Stop(kind="finding", id=str(one.pk), title=title, at=one.opened_at, state=one.state)


def _probes(findings: Sequence[Finding]) -> Iterable[Stop]:
    for one in Probe.objects.filter(finding__in=findings).order_by("created_at"):
        title = f"{one.title}: {one.sentence}" if one.sentence else one.title
        yield Stop(kind="probe", id=str(one.pk), title=title, at=one.created_at, state=one.state)


def _case_stops(cases: Sequence[Case]) -> Iterable[Stop]:
    """Each case once, where it stands now."""
    newest = {(case.version.suite_id, case.case_id): case for case in cases}
    for case in newest.values():
        suite, number = case.version.suite.name, case.version.number
        title = f"{case.case_id} of {suite}: {', '.join(case.components)}"
        yield Stop(
            kind="case",
            id=str(case.pk),
            title=title,
            state=case.version.state,
            place=(suite, str(number), case.case_id),
        )


def _version_stops(cases: Sequence[Case]) -> Iterable[Stop]:
    """Published versions that hold a case; the first is the one that it came in by."""
    for version in {case.version_id: case.version for case in cases}.values():
        if version.state == VersionState.PUBLISHED.value:
            yield Stop(
                kind="suite version",
                id=str(version.pk),
                title=f"{version}, {version.n_cases} cases",
                at=version.published_at,
                state=version.state,
                place=(version.suite.name, str(version.number)),
            )


def _measured_stop(one: Measured) -> Stop:
    told = f"{one.n_passed} of {one.n_expected} passed"
    missing = f", {one.n_missing} missing" if one.n_missing else ""
    title = f"{one.run.checkpoint} on {one.run.version}: {told}{missing}"
    state = "passed" if one.passes else "failed" if not one.n_missing else "inconclusive"
    return Stop(kind="run", id=str(one.run.pk), title=title, at=one.run.finished_at, state=state)


def _outcome_stop(one: GateOutcome) -> Stop:
    return Stop(
        kind="gate outcome",
        id=str(one.pk),
        title=f"{one.gate_id} for {one.evaluation.promotion.checkpoint}: {one.sentence}",
        at=one.evaluation.evaluated_at,
        state=one.outcome,
        place=(str(one.evaluation.promotion_id), one.gate_id),
    )


def _promotions(outcomes: Sequence[GateOutcome]) -> Iterable[Stop]:
    rested = {one.evaluation.promotion_id: one.evaluation.promotion for one in outcomes}
    for one in sorted(rested.values(), key=lambda promotion: promotion.requested_at):
        yield Stop(
            kind="promotion",
            id=str(one.pk),
            title=f"{one.checkpoint} into {one.stage}",
            at=one.decided_at or one.requested_at,
            state=one.state,
        )


def _reconfirmations(findings: Sequence[Finding]) -> Iterable[Stop]:
    for one in findings:
        if one.reconfirmed_at is None:
            continue
        gone = f" in {one.fixed_in}" if one.fixed_in else ""
        yield Stop(
            kind="finding",
            id=str(one.pk),
            title=f"{one.reporter or 'The house'} confirms that it is gone{gone}",
            at=one.reconfirmed_at,
            state=one.state,
        )


def _voted(subject: Subject) -> Iterable[Stop]:
    """Neither the choice nor the checkpoints: who looks may still be a blind rater."""
    found = PreferenceSession.objects.filter(pk__in=subject.preferences).order_by("asked_at", "pk")
    for one in found:
        title = f"Two answers to one prompt of {'a partner' if one.partner_id else 'a reviewer'}"
        yield Stop(
            kind="side by side", id=str(one.pk), title=title, at=one.asked_at, state=one.state
        )


def _exports(remarks: Sequence[Feedback], subject: Subject) -> Iterable[Stop]:
    which = Q(feedback__in=remarks) | Q(preference__in=subject.preferences)
    held = TrainingExport.objects.filter(pk__in=TrainingRow.objects.filter(which).values("export"))
    for one in held.order_by("made_at"):
        ours = one.rows.filter(which).order_by("split", "line")
        for row in ours[:SHOWN]:
            title = f"{row.split}.jsonl:{row.line} of the {one.kind} export"
            yield Stop(
                kind="training row",
                id=str(row.pk),
                title=title,
                at=one.made_at,
                place=(str(one.pk),),
            )


def _fixed_by(results: Sequence[Measured]) -> Stop | None:
    """The earliest run that passes every case, where an earlier one of another did not."""
    had_it: set[UUID] = set()
    for one in results:
        if one.passes and had_it - {one.run.checkpoint_id}:
            return Stop(
                kind="checkpoint",
                id=str(one.run.checkpoint_id),
                title=str(one.run.checkpoint),
                at=one.run.finished_at,
            )
        if not one.passes and not one.n_missing:
            had_it.add(one.run.checkpoint_id)
    return None


def as_json(found: Road) -> Mapping[str, Any]:
    """The road for machines; moments in ISO 8601."""
    return {
        "subject": {
            "kind": found.subject.kind,
            "id": str(found.subject.id),
            "title": found.subject.title,
        },
        "steps": [
            {"name": step.name, "stops": [_told(one) for one in step.stops], "n_more": step.n_more}
            for step in found.steps
        ],
        "fixed_by": _told(found.fixed_by) if found.fixed_by else None,
    }


def _told(one: Stop) -> dict[str, Any]:
    at = one.at.isoformat() if one.at else None
    return {"kind": one.kind, "id": one.id, "title": one.title, "at": at, "state": one.state}
