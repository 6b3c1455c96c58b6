"""Reads over partners, usage and feedback."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet, Sum

from alpha.models import (
    Cohort,
    Feedback,
    Finding,
    FindingReport,
    Grant,
    Key,
    Partner,
    UsageEvent,
)
from alpha.states import FindingState, UsageState
from alpha.word_search import saying
from infra import clock, ids
from infra.errors import NotFound
from releases.gates.severity import Severity
from releases.models import Checkpoint, Price

NOBODY = "nobody"


def month_of(request_id: UUID) -> date:
    """First day of the month in the request id's own time; the usage table's partition."""
    return ids.created_at(request_id).date().replace(day=1)


def usage_event(request_id: UUID | None, partner_id: UUID) -> UsageEvent | None:
    """One partner's event of that request; None when there is none, or another's."""
    if request_id is None or request_id.version != 7:
        return None
    return UsageEvent.objects.filter(
        month=month_of(request_id), request_id=request_id, partner_id=partner_id
    ).first()


def partner_named(name: str) -> Partner:
    """The partner of that name; NotFound."""
    partner = Partner.objects.filter(name=name).first()
    if partner is None:
        raise NotFound("no_such_partner", f"No partner {name!r}. `partner list` shows all.")
    return partner


def cohort_named(name: str) -> Cohort:
    """The cohort of that name; NotFound."""
    cohort = Cohort.objects.filter(name=name).first()
    if cohort is None:
        raise NotFound("no_such_cohort", f"No cohort {name!r}. `cohort list` shows all.")
    return cohort


def key_with_public(public: str) -> Key:
    """The key of that public part, with or without its prefix; NotFound."""
    wanted = public.removeprefix("slw_").split("_")[0]
    key = Key.objects.select_related("partner").filter(public=wanted).first()
    if key is None:
        raise NotFound("no_such_key", f"No key {public!r}. The public part follows 'slw_'.")
    return key


def partners() -> QuerySet[Partner]:
    """All partners with how many keys and grants of their own are in force."""
    live_key = Q(keys__revoked_at=None, keys__isnull=False)
    live_grant = Q(grants__revoked_at=None, grants__isnull=False)
    return Partner.objects.annotate(
        n_keys=Count("keys", filter=live_key, distinct=True),
        n_grants=Count("grants", filter=live_grant, distinct=True),
    ).prefetch_related("cohorts")


def grants_in_force(partner: Partner, now: datetime) -> QuerySet[Grant]:
    """Grants that serve the partner at `now`: its own and its cohorts'."""
    return Grant.objects.filter(
        Q(partner=partner) | Q(cohort__members__partner=partner),
        Q(ends_at=None) | Q(ends_at__gt=now),
        opens_at__lte=now,
        revoked_at=None,
    ).select_related("stage__pipeline", "partner", "cohort")


def usage_by_codename(partner: Partner, days: int = 30) -> list[dict[str, Any]]:
    """Requests, failures, tokens and cost per codename over the last `days` days."""
    since = clock.now() - timedelta(days=days)
    rows = (
        UsageEvent.objects.filter(
            partner=partner, month__gte=since.date().replace(day=1), started_at__gte=since
        )
        .values("codename", "currency")
        .annotate(
            n_requests=Count("request_id"),
            n_failed=Count("request_id", filter=~Q(state=UsageState.SUCCEEDED.value)),
            n_tokens_in=Sum("tokens_in_shown"),
            n_tokens_out=Sum("tokens_out"),
            spent_micros=Sum("cost_micros"),
            last_at=Max("started_at"),
        )
        .order_by("-n_requests")
    )
    return list(rows)


def requests_served(release_id: UUID, since: datetime, until: datetime) -> int:
    """How many requests a release was given between two moments, whatever became of them."""
    return UsageEvent.objects.filter(
        release=release_id,
        month__gte=since.date().replace(day=1),
        month__lte=until.date().replace(day=1),
        started_at__gte=since,
        started_at__lte=until,
    ).count()


def last_used(keys: list[Key]) -> dict[UUID, datetime]:
    """When each key served its last request, over this month and the one before."""
    this_month = clock.now().date().replace(day=1)
    since = (this_month - timedelta(days=1)).replace(day=1)
    rows = (
        UsageEvent.objects.filter(month__gte=since, key__in=keys)
        .values("key_id")
        .annotate(last_at=Max("started_at"))
    )
    return {row["key_id"]: row["last_at"] for row in rows}


def inbox(
    state: str = "",
    partner: str = "",
    checkpoint: str = "",
    severity: str = "",
    label: str = "",
    assignee: str = "",
    q: str = "",
) -> QuerySet[Feedback]:
    """Feedback, newest first, narrowed by what is given.

    `assignee` is a person's e-mail address, or `nobody`; `q` a part of the comment that begins
    where a word does.
    """
    related = ("partner", "checkpoint", "stage__pipeline", "release", "assignee")
    found = Feedback.objects.select_related(*related)
    given = {
        "state": state,
        # By its id, so that one partner's are read in order from their own index.
        "partner": Partner.objects.filter(name=partner).values("pk")[:1] if partner else "",
        "checkpoint__name": checkpoint,
        "severity": severity,
        "labels__contains": [label] if label else "",
        "assignee__email": "" if assignee == NOBODY else assignee,
    }
    found = found.filter(**{name: value for name, value in given.items() if value != ""})
    if q:
        words, says = saying("comment", q)
        found = found.alias(**words).filter(says)
    return found.filter(assignee=None) if assignee == NOBODY else found


def findings(state: str = "", severity: str = "", checkpoint: str = "") -> QuerySet[Finding]:
    """Findings, newest first, narrowed by what is given, with how many remarks speak of each."""
    found = Finding.objects.select_related("checkpoint", "reporter", "owner", "opened_by")
    if state:
        found = found.filter(state=state)
    if severity:
        found = found.filter(severity=severity)
    if checkpoint:
        found = found.filter(checkpoint__name=checkpoint)
    return found.annotate(n_reports=Count("reports")).order_by("-opened_at", "-pk")


def finding_of(finding_id: UUID) -> Finding:
    """The finding of that id with whoever had to do with it; NotFound."""
    related = ("checkpoint__owner", "reporter", "owner", "opened_by", "confirmed_by", "closed_by")
    more = ("reconfirmed_by", "reconfirmed_with", "fixed_in__owner")
    found = Finding.objects.select_related(*related, *more).filter(pk=finding_id).first()
    if found is None:
        raise NotFound("no_such_finding", f"No finding {finding_id}. `finding list` shows all.")
    return found


def findings_about(checkpoint: Checkpoint) -> QuerySet[Finding]:
    """Findings of the checkpoint, and those that remarks about it speak of."""
    spoken_of = FindingReport.objects.filter(feedback__checkpoint=checkpoint).values("finding")
    found = Finding.objects.filter(Q(checkpoint=checkpoint) | Q(pk__in=spoken_of))
    return found.select_related("closed_by", "reporter").order_by("opened_at", "pk")


def finding_rows(checkpoint: Checkpoint) -> dict[str, list[dict[str, Any]]]:
    """What the gate `open_findings` is told, in the shape of `docs/gates.md`."""
    rows = list(findings_about(checkpoint))
    closed = [row for row in rows if row.is_closed]
    return {
        "open": [
            {
                **_named(row),
                "state": row.state,
                "unconfirmed": row.state == FindingState.OPEN.value,
            }
            for row in rows
            if not row.is_closed
        ],
        "closed_by_owner": [
            {**_named(row), "closed_by": str(row.closed_by)}
            for row in closed
            if row.closed_by_id == checkpoint.owner_id
        ],
        # What nobody took for a weakness has nothing that could be gone.
        "unconfirmed": [
            {**_named(row), "reporter": str(row.reporter)}
            for row in closed
            if row.waits_for_reporter
        ],
    }


def _named(row: Finding) -> dict[str, str]:
    return {"id": str(row.pk), "title": row.title, "severity": row.severity}


def findings_reported(
    release_ids: Iterable[UUID], since: datetime, until: datetime, least: Severity
) -> dict[str, int]:
    """Confirmed findings at or above a severity that each partner reported of these releases.

    By the partner's name; a partner's repeats of one finding count once.
    """
    rows = (
        FindingReport.objects.filter(
            feedback__release__in=list(release_ids),
            feedback__received_at__gte=since,
            feedback__received_at__lte=until,
            finding__confirmed_at__isnull=False,
            finding__severity__in=[s.value for s in Severity if s.rank >= least.rank],
        )
        .order_by()
        .values("feedback__partner__name")
        .annotate(n=Count("finding", distinct=True))
    )
    return {row["feedback__partner__name"]: row["n"] for row in rows}


def currencies_of(checkpoints: Iterable[str]) -> set[str]:
    """In which currencies these checkpoints have prices."""
    found = Price.objects.filter(checkpoint__name__in=list(checkpoints)).order_by()
    return set(found.values_list("currency", flat=True).distinct())
