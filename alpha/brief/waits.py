"""What partners said and this person has to see to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Min, Q
from django.urls import reverse

from alpha.models import Feedback, Finding, PreferenceSession
from alpha.services.feedback import TRIAGERS
from alpha.services.finding_moves import JUDGES
from alpha.states import CLOSED_FINDINGS, FeedbackState, FindingState, PreferenceState
from infra.brief.contract import Asked, Line, Tone
from releases.gates.severity import Severity

MOST_FINDINGS = 10
_TONES = {severity.value: tone for severity, tone in zip(Severity, reversed(Tone), strict=True)}


def waits(asked: Asked) -> list[Line]:
    """Remarks to look at, findings to confirm or to see to, blind votes that are open."""
    if not asked.actor.is_person:
        return []
    return [*_remarks(asked), *_findings(asked), *_votes(asked)]


def _remarks(asked: Asked) -> Iterator[Line]:
    """Own remarks of their own; everybody's in one line."""
    new = Feedback.objects.filter(state=FeedbackState.NEW.value)
    mine = Q(assignee=asked.actor.person_id)
    address = reverse("console-feedback")
    found = _counted(new.filter(mine))
    if found["n"]:
        yield _remark_line(found, "Feedback that is yours", "assigned to you", address)
    if asked.actor.may(*TRIAGERS):
        found = _counted(new.filter(assignee=None))
        if found["n"]:
            yield _remark_line(found, "New feedback", "that nobody has looked at", address)


def _counted(rows: Any) -> dict[str, Any]:
    return rows.order_by().aggregate(n=Count("pk"), at=Min("received_at"))


def _remark_line(found: dict[str, Any], title: str, which: str, address: str) -> Line:
    n = found["n"]
    return Line(
        title=title,
        sentence=f"{n:,} remark{'s' * (n != 1)} {which}.",
        address=address,
        word="new",
        act="Triage",
        tone=Tone.INFO,
        at=found["at"],
    )


def _findings(asked: Asked) -> Iterator[Line]:
    """One's own that are not closed, and, for who judges them, those that nobody confirmed."""
    wanted = Q(owner=asked.actor.person_id)
    if asked.actor.may(*JUDGES):
        # Whoever owns the checkpoint has no say in whether it is one.
        unconfirmed = Q(state=FindingState.OPEN.value, owner=None)
        wanted |= unconfirmed & ~Q(checkpoint__owner=asked.actor.person_id)
    rows = Finding.objects.filter(wanted).exclude(state__in=[s.value for s in CLOSED_FINDINGS])
    for row in rows.select_related("checkpoint").order_by("opened_at")[:MOST_FINDINGS]:
        is_open = row.state == FindingState.OPEN.value
        todo = "nobody has confirmed it" if is_open else f"it is {row.state}, and yours"
        yield Line(
            title=row.title,
            sentence=f"{row.severity.capitalize()} finding on {row.checkpoint.name}: {todo}.",
            address=reverse("console-finding", args=[row.pk]),
            word=row.severity,
            act="Confirm" if is_open else "Go on",
            tone=_TONES[row.severity],
            at=row.opened_at,
        )


def _votes(asked: Asked) -> Iterator[Line]:
    open_votes = PreferenceSession.objects.filter(
        person=asked.actor.person_id, state=PreferenceState.READY.value
    )
    found = open_votes.order_by().aggregate(n=Count("pk"), at=Min("asked_at"))
    if found["n"]:
        n = found["n"]
        yield Line(
            title="Side by side",
            sentence=f"{n} pair{'s' * (n != 1)} of answers wait{'s' * (n == 1)} for your vote.",
            address=reverse("console-preferences"),
            word="to vote",
            act="Vote",
            tone=Tone.INFO,
            at=found["at"],
        )
