"""Suites from files into immutable versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction

from evals.formats.contract import SuiteSpec
from evals.models import Suite, SuiteVersion
from evals.selectors import suites as reads
from evals.services import case_checks, drafts
from evals.services.health import measure_later
from infra import audit, clock, people
from infra.actors import Actor
from infra.errors import InvalidInput
from infra.models import Person
from releases.selectors.staleness import Stale


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import made."""

    version: SuiteVersion
    is_new: bool
    """False when the newest version held exactly this already, and nothing was written."""
    stale: Sequence[Stale] = ()
    """What went stale by it."""


def import_suite(*, actor: Actor, name: str, suite: SuiteSpec, publish: bool = True) -> Imported:
    """The suite as a new version under `name`, published unless told otherwise.

    The newest published version is returned when it has the same digest. Refused while a draft is
    open, which the import would otherwise overwrite.
    """
    drafts.must_edit(actor)
    case_checks.check_suite(name, suite)
    with transaction.atomic():
        row, is_new_suite = _suite_row(actor, name, suite)
        newest = reads.newest_published(row)
        if newest is not None and newest.digest == suite.digest():
            _describe(actor, row, suite)
            newest.suite = row
            return Imported(version=newest, is_new=False)
        drafts.refuse_open(row)
        version = drafts.new_draft(row, suite)
        drafts.add_cases(version, suite.cases)
        published = drafts.freeze(actor, version) if publish else None
        version = published.version if published else version
        if not is_new_suite:
            _describe(actor, row, suite)
        after = {"version": version.number, "n_cases": len(suite.cases)}
        audit.record(actor=actor, action="suite.imported", subject=version, after=after)
        if published:
            drafts.audit_published(actor, published)
    return Imported(version=version, is_new=True, stale=published.stale if published else ())


def renew_suite(*, actor: Actor, suite: Suite, review_by: date, reason: str) -> Suite:
    """Move the date by which somebody looks again; the reason says what was looked at."""
    drafts.must_edit(actor)
    if review_by <= clock.now().date():
        raise InvalidInput("review_by_past", f"{review_by} is not in the future.")
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say what was checked before renewing the suite.")
    with transaction.atomic():
        row = Suite.objects.select_for_update().get(pk=suite.pk)
        before, row.review_by = {"review_by": row.review_by}, review_by
        row.reviewed_at = clock.now()
        row.save(update_fields=["review_by", "reviewed_at"])
        measure_later()
        after = {"review_by": review_by}
        audit.record(
            actor=actor,
            action="suite.renewed",
            subject=row,
            reason=reason,
            before=before,
            after=after,
        )
    return row


def _suite_row(actor: Actor, name: str, suite: SuiteSpec) -> tuple[Suite, bool]:
    """The suite's row, locked, made when it is missing."""
    locked = Suite.objects.select_for_update(of=("self",)).select_related("owner")
    row = locked.filter(name=name).first()
    if row is not None:
        return row, False
    made, is_new = Suite.objects.get_or_create(
        name=name,
        defaults={
            "description": suite.description,
            "owner": _owner(actor, suite),
            "shelf_days": suite.shelf_days,
            "review_by": suite.review_by or _shelf_end(suite),
        },
    )
    return locked.get(pk=made.pk), is_new


def _owner(actor: Actor, suite: SuiteSpec) -> Person:
    if suite.owner:
        return people.person_named(suite.owner)
    if actor.person_id is None:
        message = f"{actor.name} is no person: name the suite's `owner` in suite.yaml."
        raise InvalidInput("owner_missing", message)
    return Person.objects.get(pk=actor.person_id)


def _shelf_end(suite: SuiteSpec) -> date:
    return clock.now().date() + timedelta(days=suite.shelf_days)


def _describe(actor: Actor, row: Suite, suite: SuiteSpec) -> None:
    """Take over what the file says about the suite itself; a version's content is not touched."""
    wanted = {
        "description": suite.description or row.description,
        "shelf_days": suite.shelf_days,
        "review_by": suite.review_by or row.review_by,
        "owner": people.person_named(suite.owner) if suite.owner else row.owner,
    }
    before = {name: getattr(row, name) for name in wanted}
    if before == wanted:
        return
    for name, value in wanted.items():
        setattr(row, name, value)
    row.save(update_fields=list(wanted))
    audit.record(actor=actor, action="suite.described", subject=row, before=before, after=wanted)
