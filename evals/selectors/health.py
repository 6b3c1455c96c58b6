"""How long a suite may still be trusted, and which of its cases tell nothing any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from evals import shelf
from evals.models import CaseAudit, Suite, SuiteHealth, SuiteVersion
from evals.selectors import suites
from evals.shelf import Measured
from releases.statistics.suite_status import SuiteStatus

State = tuple[SuiteStatus, str]
Rows = dict[tuple[UUID, int], list[SuiteHealth]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassHealth:
    """A suite over the checkpoints of one family and size."""

    family: str
    size: str
    state: SuiteStatus
    reason: str
    measured: Measured
    measured_at: datetime
    family_id: UUID | None = None

    @property
    def name(self) -> str:
        return f"{self.family} {self.size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A suite's state with its reason, and each size class behind it, the most worn first."""

    state: SuiteStatus
    reason: str
    review_by: date
    n_cases: int
    classes: tuple[ClassHealth, ...]
    """Empty until a run on the newest version was measured."""


def measurements(then: datetime | None = None) -> QuerySet[SuiteHealth]:
    """The newest measurement of every version's size classes, as of `then` when given."""
    found = SuiteHealth.objects.select_related("family")
    if then is not None:
        found = found.filter(measured_at__lte=then)
    order = ("version_id", "family_id", "size")
    return found.order_by(*order, "-measured_at").distinct(*order)


def suite_health(suite: Suite, today: date) -> Health:
    """As it is kept: nothing is measured here."""
    version = suites.newest_published(suite)
    rows = measurements().filter(version=version) if version else ()
    return _health(suite, version.n_cases if version else 0, rows, today)


def newest_by_suite() -> Rows:
    """The newest measurements by suite and version number, in one query."""
    rows: Rows = {}
    for row in measurements().select_related("version", "family"):
        rows.setdefault((row.version.suite_id, row.version.number), []).append(row)
    return rows


def state_among(rows: Rows, suite: Suite, today: date) -> State:
    """The state of a suite as `suites.suites()` annotates it."""
    found = _among(rows, suite, today)
    return found.state, found.reason


def health_of(found: Iterable[Suite], today: date) -> list[tuple[Suite, Health]]:
    """Every suite with its health; the suites as `suites.suites()` annotates them."""
    rows = newest_by_suite()
    return [(suite, _among(rows, suite, today)) for suite in found]


def _among(rows: Rows, suite: Any, today: date) -> Health:
    of_newest = rows.get((suite.pk, suite.version_number or 0), [])
    return _health(suite, suite.version_n_cases or 0, of_newest, today)


def _health(suite: Suite, n_cases: int, rows: Iterable[SuiteHealth], today: date) -> Health:
    found = [_class_health(suite, row, today) for row in rows]
    found.sort(key=lambda one: (shelf.WORST_FIRST.index(one.state), one.name))
    state, reason = shelf.state_of(None, suite.review_by, suite.shelf_days, today)
    if found and state is not SuiteStatus.EXPIRED:
        worst = found[0]
        state, reason = worst.state, _named(worst, len(found))
    return Health(
        state=state,
        reason=reason,
        review_by=suite.review_by,
        n_cases=n_cases,
        classes=tuple(found),
    )


def _class_health(suite: Suite, row: SuiteHealth, today: date) -> ClassHealth:
    measured = shelf.measured_of(row.measured)
    state, reason = shelf.state_of(measured, suite.review_by, suite.shelf_days, today)
    return ClassHealth(
        family=row.family.name,
        size=row.size,
        state=state,
        reason=reason,
        measured=measured,
        measured_at=row.measured_at,
        family_id=row.family_id,
    )


def _named(worst: ClassHealth, n_classes: int) -> str:
    return f"{worst.name}: {worst.reason}" if n_classes > 1 else worst.reason


def version_state(
    version: SuiteVersion,
    today: date,
    *,
    family: str,
    size: str,
    then: datetime | None = None,
) -> tuple[SuiteStatus, str, SuiteHealth | None]:
    """What gates are told: the state for checkpoints of that family and size, why, and by which.

    Other sizes don't count: a suite that nano exhausted may still tell standard's apart.
    """
    rows = measurements(then).filter(version=version, family__name=family, size=size)
    row = rows.first()
    measured = shelf.measured_of(row.measured) if row else None
    suite = version.suite
    return (*shelf.state_of(measured, suite.review_by, suite.shelf_days, today), row)


def suite_state(suite: Suite, today: date) -> State:
    """The whole suite's state and the reason."""
    found = suite_health(suite, today)
    return found.state, found.reason


def audits_of(version: SuiteVersion) -> Mapping[tuple[str, str], str]:
    """The newest finding on each audited case of the suite, by case id and digest."""
    rows = CaseAudit.objects.filter(case__version__suite=version.suite_id).order_by("audited_at")
    found = rows.values_list("case__case_id", "case__digest", "finding")
    return {(case_id, digest): finding for case_id, digest, finding in found}
