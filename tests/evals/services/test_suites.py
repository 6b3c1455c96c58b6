"""Suites: imported into immutable versions, edited as a draft, published, renewed."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from evals.models import Case, SuiteVersion
from evals.selectors import health
from evals.selectors import suites as reads
from evals.services import cases, drafts, suites
from infra import clock
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from tests import builders as shared
from tests.evals import builders

pytestmark = pytest.mark.django_db


def test_an_import_makes_a_published_version_under_the_files_digest() -> None:
    version = builders.published(12)
    assert (version.number, version.state, version.n_cases) == (1, "published", 12)
    assert version.digest == builders.suite_spec(12).digest()
    assert reads.spec_of(version).digest() == version.digest
    assert version.suite.owner.email == "eval_owner@example.org"
    actions = list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))
    assert actions == ["suite.imported", "suite.published"]


def test_the_same_content_is_imported_once() -> None:
    first = builders.published(12)
    again = suites.import_suite(actor=builders.DEMO, name="echo", suite=builders.suite_spec(12))
    assert (again.is_new, again.version.pk) == (False, first.pk)
    changed = suites.import_suite(actor=builders.DEMO, name="echo", suite=builders.suite_spec(13))
    assert (changed.is_new, changed.version.number) == (True, 2)


def test_a_published_case_never_changes() -> None:
    version = builders.published(2)
    with pytest.raises(DatabaseError, match="never change"), transaction.atomic():
        version.cases.filter(case_id="c00000").update(cluster="other")
    with pytest.raises(DatabaseError, match="never change"), transaction.atomic():
        Case.objects.filter(version=version).first().delete()  # type: ignore[union-attr]
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE suite_version SET digest = 'x'")


def test_edits_go_to_a_draft_that_begins_as_a_copy() -> None:
    first = builders.published(3)
    draft = drafts.draft_of(actor=builders.DEMO, suite=first.suite)
    assert drafts.draft_of(actor=builders.DEMO, suite=first.suite).pk == draft.pk
    assert reads.diff(first, draft).is_empty
    cases.add_case(actor=builders.DEMO, draft=draft, case=builders.case(3))
    cases.remove_case(actor=builders.DEMO, draft=draft, case_id="c00000", reason="mislabelled")
    second = drafts.publish(actor=builders.DEMO, draft=draft).version
    changed = reads.diff(first, second)
    assert (changed.added, changed.removed, changed.changed) == (("c00003",), ("c00000",), ())
    assert (second.number, second.n_cases) == (2, 3)
    assert reads.version_named("echo").pk == second.pk
    assert reads.version_named("echo@1").pk == first.pk


def test_a_draft_without_edits_is_not_published() -> None:
    draft = drafts.draft_of(actor=builders.DEMO, suite=builders.published(3).suite)
    with pytest.raises(InvalidMove, match="nothing to publish"):
        drafts.publish(actor=builders.DEMO, draft=draft)


def test_an_import_does_not_overwrite_an_open_draft() -> None:
    suite = builders.published(3).suite
    drafts.draft_of(actor=builders.DEMO, suite=suite)
    with pytest.raises(InvalidMove, match="publish or discard"):
        suites.import_suite(actor=builders.DEMO, name="echo", suite=builders.suite_spec(4))
    drafts.discard_draft(actor=builders.DEMO, suite=suite, reason="not needed")
    suites.import_suite(actor=builders.DEMO, name="echo", suite=builders.suite_spec(4))
    assert SuiteVersion.objects.filter(state="published").count() == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"components": ["echo.third"]}, "does not declare"),
        ({"case_id": ""}, "id has 1 to 200"),
        ({"input": []}, "at least one message"),
        ({"target": "nul \x00"}, "can't be stored"),
        ({"case_id": "c00001"}, "already"),
    ],
)
def test_a_case_that_could_not_be_scored_is_refused(
    change: dict[str, object], sentence: str
) -> None:
    draft = drafts.draft_of(actor=builders.DEMO, suite=builders.published(3).suite)
    with pytest.raises(InvalidInput, match=sentence):
        cases.add_case(actor=builders.DEMO, draft=draft, case=builders.case(9, **change))


def test_a_case_for_the_grader_has_a_target_it_can_use() -> None:
    graders = [{"type": "numeric"}]
    numbered = [dataclasses.replace(case, target=1) for case in builders.suite_spec(4).cases]
    version = builders.published(4, graders=graders, cases=numbered)
    draft = drafts.draft_of(actor=builders.DEMO, suite=version.suite)
    with pytest.raises(InvalidInput, match="target"):
        cases.add_case(actor=builders.DEMO, draft=draft, case=builders.case(9, target=[]))


def test_who_may_change_suites() -> None:
    cast = shared.cast()
    for actor in (cast.eval_owner, cast.release_manager):
        drafts.must_edit(actor)
    for actor in (cast.engineer, cast.behaviour_reviewer, cast.partner_manager, cast.auditor):
        with pytest.raises(NotPermitted):
            suites.import_suite(actor=actor, name="echo", suite=builders.suite_spec(2))


def test_a_suite_ages_and_expires_and_is_renewed_with_a_reason() -> None:
    suite = builders.published(2).suite
    today = clock.now().date()

    def state(days: int) -> str:
        return health.suite_state(suite, today + timedelta(days=days))[0].value

    assert [state(0), state(60), state(61), state(90), state(91)] == [
        "fresh",
        "fresh",
        "ageing",
        "ageing",
        "expired",
    ]
    with pytest.raises(InvalidInput, match="Say what was checked"):
        suites.renew_suite(
            actor=builders.DEMO, suite=suite, review_by=today + timedelta(days=200), reason=" "
        )
    suite = suites.renew_suite(
        actor=builders.DEMO,
        suite=suite,
        review_by=today + timedelta(days=200),
        reason="read 20 failures, all rightly labelled",
    )
    assert state(150) == "fresh"


def test_a_suite_needs_an_owner_who_is_a_person() -> None:
    with pytest.raises(InvalidInput, match="name the suite's `owner`"):
        suites.import_suite(
            actor=builders.DEMO, name="echo", suite=builders.suite_spec(2, owner="")
        )
