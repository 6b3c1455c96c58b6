"""A partner's feedback becomes a case in the suite's next version."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from alpha import sealing
from alpha.models import Feedback, PartnerDataKey, Transcript
from evals.asked import messages_of
from evals.models import Case, SuiteVersion
from evals.selectors import suites as reads
from evals.services import cases, drafts
from infra import clock
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.ids import uuid7
from infra.models import AuditEntry
from infra.storage import object_store
from tests import builders as shared
from tests.alpha import builders as alpha
from tests.evals import builders

pytestmark = pytest.mark.django_db
ASKED = [{"role": "user", "content": "word-x"}]


@pytest.fixture
def version() -> SuiteVersion:
    return builders.published(3)


@pytest.fixture
def feedback(version: SuiteVersion) -> Feedback:
    return alpha.feedback(alpha.access(), state="new", request_id=uuid7())


def keep_transcript(of: Feedback, request: object) -> None:
    """What the gateway would have kept of the call."""
    key, wrapped = sealing.new_data_key(settings.TRANSCRIPT_KEY, of.partner_id)
    row = PartnerDataKey.objects.create(
        partner=of.partner, number=1, wrapped_key=wrapped, created_at=clock.now()
    )
    text = json.dumps({"request": request, "reply": []}).encode()
    object_store().put("t/1", sealing.seal(key, of.request_id, text))
    Transcript.objects.create(
        request_id=of.request_id,
        partner=of.partner,
        data_key=row,
        object_key="t/1",
        stored_at=clock.now(),
        expires_at=clock.now() + timedelta(days=30),
    )


def test_one_action_makes_a_case_in_the_next_published_version(
    version: SuiteVersion, feedback: Feedback
) -> None:
    cast = shared.cast()
    made = cases.case_from_feedback(
        actor=cast.eval_owner,
        feedback=feedback,
        suite=version.suite,
        messages=ASKED,
        target="word-x",
        components=["echo.first"],
        publish=True,
    ).case
    feedback.refresh_from_db()
    newest = SuiteVersion.objects.get(number=2)
    assert (newest.state, newest.n_cases, made.version_id) == ("published", 4, newest.pk)
    assert (made.source, made.feedback_id) == ("feedback", feedback.pk)
    assert feedback.state == "in_suite"
    assert version.cases.count() == 3
    newest_entries = AuditEntry.objects.order_by("-seq").values_list("action", flat=True)[:3]
    assert list(newest_entries) == ["suite.published", "feedback.in_suite", "suite.case_added"]


def test_lineage_survives_the_next_draft(version: SuiteVersion, feedback: Feedback) -> None:
    made = cases.case_from_feedback(
        actor=builders.DEMO,
        feedback=feedback,
        suite=version.suite,
        messages=ASKED,
        target="word-x",
        components=["echo.first"],
        publish=True,
    ).case
    other = Feedback.objects.create(
        partner=feedback.partner, state="new", comment="again", received_at=clock.now()
    )
    cases.case_from_feedback(
        actor=builders.DEMO,
        feedback=other,
        suite=version.suite,
        messages=ASKED,
        target="word-y",
        components=["echo.first"],
    )
    copies = Case.objects.filter(case_id=made.case_id).order_by("version__number")
    assert [copy.feedback_id for copy in copies] == [feedback.pk, feedback.pk]
    assert SuiteVersion.objects.get(number=3).state == "draft"


def test_the_messages_come_from_the_transcript_the_partner_agreed_to(
    version: SuiteVersion, feedback: Feedback
) -> None:
    keep_transcript(feedback, {"messages": ASKED})
    made = cases.case_from_feedback(
        actor=builders.DEMO,
        feedback=feedback,
        suite=version.suite,
        target="word-x",
        components=["echo.first"],
    ).case
    assert made.input == ASKED


@pytest.mark.parametrize(
    ("request_", "messages"),
    [
        ({"input": "hi"}, [{"role": "user", "content": "hi"}]),
        (
            {"instructions": "be brief", "input": ASKED},
            [{"role": "system", "content": "be brief"}, *ASKED],
        ),
        ({"prompt": "hi"}, [{"role": "user", "content": "hi"}]),
        ({"input": [1, 2]}, []),
        ({}, []),
    ],
)
def test_every_endpoints_text_becomes_messages(
    request_: dict[str, object], messages: object
) -> None:
    assert messages_of(request_) == messages


def test_without_consent_a_person_writes_the_messages(
    version: SuiteVersion, feedback: Feedback
) -> None:
    words = {"actor": builders.DEMO, "feedback": feedback, "suite": version.suite, "target": "x"}
    with pytest.raises(InvalidInput, match="is not kept: write the messages"):
        cases.case_from_feedback(**words)
    keep_transcript(feedback, {"input": [1, 2]})
    with pytest.raises(InvalidInput, match="holds no messages"):
        cases.case_from_feedback(**words)


def test_a_refused_case_leaves_no_trace(version: SuiteVersion, feedback: Feedback) -> None:
    with pytest.raises(InvalidInput, match="does not declare"):
        cases.case_from_feedback(
            actor=builders.DEMO,
            feedback=feedback,
            suite=version.suite,
            messages=ASKED,
            target="x",
            components=["echo.third"],
        )
    feedback.refresh_from_db()
    assert feedback.state == "new"
    assert SuiteVersion.objects.count() == 1


def test_feedback_becomes_a_case_once(version: SuiteVersion, feedback: Feedback) -> None:
    words = {"suite": version.suite, "messages": ASKED, "target": "x", "components": ["echo.first"]}
    cases.case_from_feedback(actor=builders.DEMO, feedback=feedback, **words)
    with pytest.raises(InvalidMove, match="in_suite"):
        cases.case_from_feedback(actor=builders.DEMO, feedback=feedback, case_id="again", **words)


def test_who_may_make_cases_and_who_may_publish(version: SuiteVersion, feedback: Feedback) -> None:
    cast = shared.cast()
    words = {"suite": version.suite, "messages": ASKED, "target": "x", "components": ["echo.first"]}
    for actor in (cast.engineer, cast.auditor, cast.partner_manager):
        with pytest.raises(NotPermitted):
            cases.case_from_feedback(actor=actor, feedback=feedback, **words)
    with pytest.raises(NotPermitted, match="change suites"):
        cases.case_from_feedback(
            actor=cast.behaviour_reviewer, feedback=feedback, publish=True, **words
        )
    cases.case_from_feedback(actor=cast.behaviour_reviewer, feedback=feedback, **words)


def test_case_from_feedback_may_bring_its_own_graders(
    version: SuiteVersion, feedback: Feedback
) -> None:
    own = [{"type": "regex", "pattern": "^word", "components": ["echo.second"]}]
    made = cases.case_from_feedback(
        actor=builders.DEMO,
        feedback=feedback,
        suite=version.suite,
        messages=ASKED,
        target="word-x",
        components=["echo.first"],
        graders=own,
    ).case
    made.refresh_from_db()
    assert made.graders == own
    assert made.digest == reads.case_spec(made).digest()


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ([{"type": "regex"}], r"graders\[0\]: 'pattern' is a required property"),
        ([{"type": "vibes"}], r"graders\[0\]\.type: unknown grader 'vibes'"),
        (["regex"], r"graders\[0\]: 'regex' is no grader"),
        ([{"type": "regex", "pattern": ".", "components": ["moon"]}], "scored on moon"),
    ],
)
def test_bad_grader_of_a_case_is_refused_by_field(
    version: SuiteVersion, own: list[Any], said: str
) -> None:
    draft = drafts.draft_of(actor=builders.DEMO, suite=version.suite)
    with pytest.raises(InvalidInput, match=said):
        cases.add_case(actor=builders.DEMO, draft=draft, case=builders.case(9, graders=own))
