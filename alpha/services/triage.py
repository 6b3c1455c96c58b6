"""The inbox as people work through it: assigned, graded, labelled, laid beside what was said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db import transaction

from alpha.models import Feedback, FeedbackLikeness, InboxFilter
from alpha.services.feedback import TRIAGERS
from alpha.services.findings import clean_labels, wanted_of
from alpha.similarity import Alike, codes_of, is_comparable, suggest_duplicates
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, NotFound
from infra.models import Person
from releases.gates.severity import Severity

INDEXED_AT_ONCE = 500
MAX_FILTERS = 50
FILTER_NAME_LENGTH, QUERY_LENGTH = 60, 1000
FILTERED_BY = ("state", "partner", "checkpoint", "severity", "label", "assignee", "q")


def triage_feedback(
    *,
    actor: Actor,
    feedback: Feedback,
    assignee: Person | None = None,
    unassign: bool = False,
    severity: Severity | None = None,
    labels: Sequence[str] | None = None,
) -> Feedback:
    """Say who looks at it, how bad it is, which components it concerns; None leaves as it was.

    `unassign`: nobody looks at it any more. InvalidInput beside an assignee, and for no change.
    """
    actor.must("triage feedback", *TRIAGERS)
    actor.must_be_person("triage feedback")
    given: dict[str, Any] = {
        "assignee": assignee,
        "severity": severity.value if severity else None,
        "labels": None if labels is None else clean_labels(labels),
    }
    wanted = wanted_of(given, "assignee", unassign)
    if not wanted:
        raise InvalidInput("nothing_to_change", "Name an assignee, a severity or labels.")
    with transaction.atomic():
        row = Feedback.objects.select_for_update(of=("self",)).get(pk=feedback.pk)
        before = {name: _told(getattr(row, name)) for name in wanted}
        for name, value in wanted.items():
            setattr(row, name, value)
        row.save(update_fields=list(wanted))
        after = {name: _told(value) for name, value in wanted.items()}
        audit.record(
            actor=actor, action="feedback.triaged", subject=row, before=before, after=after
        )
    return row


def index_feedback() -> int:
    """Lay what came in beside all other remarks; how many. Safe to run twice and at once."""
    with transaction.atomic():
        waiting = Feedback.objects.select_for_update(skip_locked=True).filter(indexed_at=None)
        rows = list(waiting.order_by("received_at").only("pk", "comment")[:INDEXED_AT_ONCE])
        told = [row for row in rows if is_comparable(row.comment)]
        codes = codes_of([row.comment for row in told]) if told else []
        FeedbackLikeness.objects.bulk_create(
            (
                FeedbackLikeness(feedback=row, code=code)
                for row, code in zip(told, codes, strict=True)
            ),
            ignore_conflicts=True,
        )
        Feedback.objects.filter(pk__in=[row.pk for row in rows]).update(indexed_at=clock.now())
    return len(rows)


def said_before(feedback: Feedback) -> list[Alike]:
    """Earlier remarks most like this one, best first: proposals."""
    return suggest_duplicates(feedback.comment, feedback.pk)


def save_filter(*, actor: Actor, name: str, query: str) -> InboxFilter:
    """Keep a way to look at the inbox under a name of one's own; the same name again replaces it.

    `query` is the part of the address after '?': of the inbox's own fields, the others are left
    out. InvalidInput without a name or with nothing that narrows the inbox.
    """
    person_id = actor.must_be_person("save filters")
    called = name.strip()
    if not called or len(called) > FILTER_NAME_LENGTH:
        limit = f"Name the filter, in at most {FILTER_NAME_LENGTH} letters."
        raise InvalidInput("filter_name_missing", limit)
    kept = urlencode([(k, v) for k, v in parse_qsl(query.lstrip("?")) if k in FILTERED_BY])
    if not kept or len(kept) > QUERY_LENGTH:
        fields = ", ".join(FILTERED_BY)
        raise InvalidInput("filter_empty", f"Narrow the inbox first, by one of: {fields}.")
    with transaction.atomic():
        # One person's filters are counted one at a time.
        Person.objects.select_for_update().get(pk=person_id)
        own = InboxFilter.objects.filter(person_id=person_id)
        if own.exclude(name=called).count() >= MAX_FILTERS:
            raise InvalidInput("too_many_filters", f"You have {MAX_FILTERS} filters: drop one.")
        row, _ = InboxFilter.objects.update_or_create(
            person_id=person_id, name=called, defaults={"query": kept, "saved_at": clock.now()}
        )
    return row


def drop_filter(*, actor: Actor, name: str) -> None:
    """Forget one's own filter of that name; NotFound."""
    person_id = actor.must_be_person("drop filters")
    n_dropped, _ = InboxFilter.objects.filter(person_id=person_id, name=name).delete()
    if not n_dropped:
        raise NotFound("no_such_filter", f"You have no filter {name!r}.")


def _told(value: Any) -> Any:
    return str(value) if isinstance(value, Person) else value
