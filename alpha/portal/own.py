"""What one partner may know of itself: its codenames, notices, remarks and comparisons.

No row of a checkpoint is read here, so that no name of one can reach a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from alpha.access_matrix import is_accepted
from alpha.models import (
    Feedback,
    FindingReport,
    Grant,
    NoticeRecipient,
    Partner,
    PreferenceSession,
    Terms,
    TermsAcceptance,
)
from alpha.selectors import grants_in_force
from alpha.services.terms import terms_asked
from alpha.states import PUBLIC_FINDING_STATES, FeedbackState, FindingState, PreferenceState
from infra import clock
from releases.models import Codename

_REMARK_STATES = {
    FeedbackState.UNBOUND.value: "received",
    FeedbackState.NEW.value: "received",
    FeedbackState.LINKED.value: "received",
    FeedbackState.DUPLICATE.value: "received",
    FeedbackState.IN_SUITE.value: "tested from now on",
    FeedbackState.DISMISSED.value: "closed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnModel:
    """One codename that the partner may call, by which of its grants, and until when."""

    name: str
    grant: Grant
    until: datetime | None
    is_accepted: bool
    terms: Terms | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRemark:
    """One remark in the partner's own words, and how it goes on."""

    remark: Feedback
    state: str


def own_models(partner: Partner) -> list[OwnModel]:
    """What the partner can call, or could once it accepts the terms; by name."""
    now = clock.now()
    grants = list(grants_in_force(partner, now))
    # As the gateway: a grant whose terms are accepted before one that waits.
    accepted = set(
        TermsAcceptance.objects.filter(partner=partner).values_list(
            "grant_id", "partner_id", "terms__version"
        )
    )
    best: dict[object, tuple[bool, Grant]] = {}
    for grant in grants:
        good = is_accepted(grant, partner.pk, accepted)
        kept = best.get(grant.stage_id)
        if kept is None or (good and not kept[0]):
            best[grant.stage_id] = (good, grant)
    open_ones = Q(ends_at=None) | Q(ends_at__gt=now)
    rows = Codename.objects.filter(open_ones, stage__in=list(best), opens_at__lte=now)
    found = []
    for row in rows.filter(stage__retired_at=None).order_by("name"):
        good, grant = best[row.stage_id]
        ends = [end for end in (grant.ends_at, row.ends_at) if end is not None]
        found.append(
            OwnModel(
                name=row.name,
                grant=grant,
                until=min(ends, default=None),
                is_accepted=good,
                terms=None if good else terms_asked(grant),
            )
        )
    return found


def own_notices(partner: Partner) -> QuerySet[NoticeRecipient]:
    """What the partner was told, newest first."""
    rows = NoticeRecipient.objects.filter(partner=partner)
    return rows.select_related("notice", "acknowledged_with", "acknowledged_by").order_by(
        "-notice__sent_at", "-pk"
    )


def own_feedback(partner: Partner) -> QuerySet[Feedback]:
    """The partner's remarks, newest first."""
    return Feedback.objects.filter(partner=partner).order_by("-received_at")


def with_states(remarks: list[Feedback]) -> list[OwnRemark]:
    """Each with where it stands, as `GET /v1/feedback/{id}` tells it."""
    spoken = {remark.duplicate_of_id or remark.pk for remark in remarks}
    reports = FindingReport.objects.filter(feedback__in=spoken).order_by("-linked_at")
    found = dict(reports.values_list("feedback_id", "finding__state"))
    return [
        OwnRemark(
            remark=remark,
            state=_state_of(remark, found.get(remark.duplicate_of_id or remark.pk)),
        )
        for remark in remarks
    ]


def _state_of(remark: Feedback, finding_state: str | None) -> str:
    if finding_state is None:
        return _REMARK_STATES[remark.state]
    return PUBLIC_FINDING_STATES[FindingState(finding_state)].replace("_", " ")


def own_comparisons(partner: Partner) -> QuerySet[PreferenceSession]:
    """The partner's side by sides, newest first; which was which only where it was revealed."""
    rows = PreferenceSession.objects.filter(partner=partner).select_related("vote")
    return rows.exclude(state=PreferenceState.ASKED.value).order_by("-asked_at")
