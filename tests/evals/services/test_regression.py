"""A finding's remarks become cases: seen before they stay, without what is personal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from alpha.models import Feedback, Finding
from alpha.services import findings
from alpha.services.findings import Weakness
from evals.models import Case, Probe, SuiteVersion
from evals.selectors import suites as suite_reads
from evals.services import cases, drafts, regression
from evals.services.regression import Choice, Plan, Wish
from infra import clock
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from releases.gates.severity import Severity
from tests import builders as shared
from tests.alpha import builders as alpha
from tests.alpha.builders import Access
from tests.evals import builders
from tests.evals.training import world

pytestmark = pytest.mark.django_db
ECHO = ["echo.first"]


@pytest.fixture
def version() -> SuiteVersion:
    return builders.published(3, canary="canary-77ff")


@pytest.fixture
def of(version: SuiteVersion) -> Access:
    return alpha.access()


def found(of: Access, *remarks: Feedback, confirmed: bool = True) -> Finding:
    """A finding that those remarks speak of."""
    cast = shared.cast()
    weakness = Weakness(title="It does not echo", severity=Severity.MAJOR)
    made = findings.open_finding(
        actor=cast.behaviour_reviewer,
        checkpoint=of.checkpoint,
        weakness=weakness,
        feedback=remarks,
    )
    if confirmed:
        made = findings.confirm_finding(actor=cast.eval_owner, finding=made, reason="Seen.")
    return made


def wish(finding: Finding, version: SuiteVersion, *remarks: Feedback, **fields: Any) -> Wish:
    choices = [Choice(feedback_id=remark.pk) for remark in remarks]
    values = {"choices": choices, "components": ECHO, **fields}
    return Wish(finding=finding, suite=version.suite, **values)


def made(of: Wish) -> list[Case]:
    actor = shared.cast().eval_owner
    plan = regression.plan(actor=actor, wish=of)
    return regression.make(actor=actor, wish=of, digest=plan.digest, reason="Keep it away.")


def planned(of: Wish) -> Plan:
    return regression.plan(actor=shared.cast().eval_owner, wish=of)


def codes(plan: Plan) -> list[str]:
    return [reason.code for reason in plan.refusals]


def test_several_remarks_become_cases_of_the_draft_at_once(
    version: SuiteVersion, of: Access
) -> None:
    remarks = [world.corrected(of, f"word-{n}", f"word-{n}") for n in range(3)]
    finding = found(of, *remarks)
    with pytest.raises(InvalidInput, match="is no probe of this finding"):
        planned(wish(finding, version, *remarks, probe_id=uuid4()))
    probe = Probe.objects.create(
        finding=finding, title="x", graders=[], question="?", repeats=1, concurrency=1, seed=1,
        created_by_id=shared.cast().eval_owner.person_id, created_at=clock.now(),
    ).pk  # fmt: skip
    rows = made(wish(finding, version, *remarks, probe_id=probe))
    draft = suite_reads.draft(version.suite)
    assert draft is not None and draft.n_cases == 6
    assert [row.input[0]["content"] for row in rows] == ["word-0", "word-1", "word-2"]
    for row, remark in zip(rows, remarks, strict=True):
        remark.refresh_from_db()
        assert (row.feedback_id, row.finding_id, row.probe_id) == (remark.pk, finding.pk, probe)
        assert row.metadata == {"canary": "canary-77ff"} and row.target == remark.correction
        assert remark.state == "in_suite"
    entry = AuditEntry.objects.filter(action="suite.case_added").last()
    assert entry is not None and entry.after["finding"] == str(finding.pk)


def test_their_origin_survives_the_next_draft(version: SuiteVersion, of: Access) -> None:
    remark = world.corrected(of, "word-0", "word-0")
    finding, probe = found(of, remark), uuid4()
    finding.probe_id = probe
    made(wish(finding, version, remark))
    owner = shared.cast().eval_owner
    drafts.publish(actor=owner, draft=drafts.draft_of(actor=owner, suite=version.suite))
    draft = drafts.draft_of(actor=owner, suite=version.suite)
    copy = draft.cases.get(feedback=remark)
    assert (copy.finding_id, copy.probe_id) == (finding.pk, probe)


def test_what_is_personal_is_shown_and_taken_out_before_anything_is_saved(
    version: SuiteVersion, of: Access
) -> None:
    remark = world.corrected(of, "Mail ada@x.example or 415-555-0132", "To ada@x.example.")
    asked = wish(found(of, remark), version, remark)
    plan = planned(asked)
    assert [(r.text, r.put, r.where) for r in plan.cases[0].replaced] == [
        ("ada@x.example", "[email 1]", "messages[0].content"),
        ("415-555-0132", "[phone 1]", "messages[0].content"),
        ("ada@x.example", "[email 1]", "target"),
    ]
    assert not suite_reads.draft(version.suite)
    row = made(asked)[0]
    assert row.input[0]["content"] == "Mail [email 1] or [phone 1]"
    assert row.target == "To [email 1]."


def test_without_consent_refused_with_the_reason_unless_a_person_writes_anew(
    version: SuiteVersion, of: Access
) -> None:
    event = alpha.usage_event(of)
    assert not event.grant.transcript_consent
    remark = alpha.feedback(of, state="new", request_id=event.request_id, correction="word-x")
    callless = alpha.feedback(of, state="new", correction="word-x")
    erased = world.corrected(of, "word-x", "word-x")
    erased.partner.transcripts.all().delete()
    finding = found(of, remark, callless, erased)
    asked = wish(finding, version, remark, callless, erased)
    assert codes(planned(asked)) == ["no_consent", "no_call", "text_gone"]
    with pytest.raises(InvalidInput, match="Nothing was written") as refused:
        made(asked)
    assert "acme had not consented" in refused.value.reasons[0].sentence
    assert not suite_reads.draft(version.suite)
    anew = [{"role": "user", "content": "word-x"}]
    choices = [replace(choice, messages=anew) for choice in asked.choices]
    assert len(made(replace(asked, choices=choices))) == 3


def test_what_a_person_wrote_is_refused_with_personal_data_unless_it_is_none(
    version: SuiteVersion, of: Access
) -> None:
    remark = alpha.feedback(of, state="new", correction="word-x")
    card = [{"role": "user", "content": "Is 4111 1111 1111 1111 valid by Luhn?"}]
    asked = wish(found(of, remark), version, choices=[Choice(feedback_id=remark.pk, messages=card)])
    plan = planned(asked)
    assert codes(plan) == ["personal_card"]
    assert plan.refusals[0].sentence == (
        "messages[0].content holds what looks like a card number: write [card 1] for it."
    )
    assert made(replace(asked, keep_personal=True))[0].input == card


def test_the_single_action_redacts_and_refuses_in_the_same_way(
    version: SuiteVersion, of: Access
) -> None:
    remark = world.corrected(of, "Mail ada@x.example", "x")
    words = {"actor": builders.DEMO, "suite": version.suite, "components": ECHO}
    with pytest.raises(InvalidInput, match="looks like personal data") as refused:
        cases.case_from_feedback(feedback=remark, target="To ada@x.example", **words)
    assert [reason.code for reason in refused.value.reasons] == ["personal_email"]
    row = cases.case_from_feedback(feedback=remark, target="x", **words).case
    assert row.input[0]["content"] == "Mail [email 1]"


def test_only_a_confirmed_weakness_becomes_cases(version: SuiteVersion, of: Access) -> None:
    remark = world.corrected(of, "word-0", "word-0")
    finding = found(of, remark, confirmed=False)
    with pytest.raises(InvalidMove, match="Nobody has confirmed"):
        made(wish(finding, version, remark))
    finding.confirmed_at, finding.state = clock.now(), "by_design"
    with pytest.raises(InvalidMove, match="is by design"):
        planned(wish(finding, version, remark))


def test_what_changed_since_it_was_shown_is_shown_again(version: SuiteVersion, of: Access) -> None:
    remark = world.corrected(of, "word-0", "word-0")
    asked = wish(found(of, remark), version, remark)
    owner, digest = shared.cast().eval_owner, planned(asked).digest
    Feedback.objects.filter(pk=remark.pk).update(correction="word-1")
    with pytest.raises(InvalidMove, match="changed since it was shown"):
        regression.make(actor=owner, wish=asked, digest=digest, reason="x")
    with pytest.raises(InvalidInput, match="Say why"):
        regression.make(actor=owner, wish=asked, digest=planned(asked).digest, reason=" ")


def test_one_bad_case_keeps_all_of_them_out(version: SuiteVersion, of: Access) -> None:
    good, bad, used = (world.corrected(of, f"word-{n}", f"word-{n}") for n in range(3))
    used.state = "dismissed"
    used.save(update_fields=["state"])
    Feedback.objects.filter(pk=bad.pk).update(correction="")
    asked = wish(found(of, good, bad, used), version, good, bad, used)
    assert codes(planned(asked)) == ["target_missing", "remark_not_new"]
    taken = replace(asked, choices=[Choice(feedback_id=good.pk, case_id="c00000")])
    assert codes(planned(taken)) == ["case_id_taken"]
    unknown = replace(asked, choices=[Choice(feedback_id=good.pk)], components=["moon"])
    assert codes(planned(unknown)) == ["component_undeclared"]
    for refused in (asked, taken, unknown):
        with pytest.raises(InvalidInput):
            made(refused)
    assert Case.objects.filter(feedback__isnull=False).count() == 0
    good.refresh_from_db()
    assert good.state == "linked"


def test_remarks_are_the_findings_own_and_each_chosen_once(
    version: SuiteVersion, of: Access
) -> None:
    mine, other = (world.corrected(of, f"word-{n}", f"word-{n}") for n in range(2))
    finding = found(of, mine)
    for remarks, said in (((other,), "Not linked"), ((mine, mine), "once"), ((), "at least one")):
        with pytest.raises(InvalidInput, match=said):
            planned(wish(finding, version, *remarks))


def test_who_may(version: SuiteVersion, of: Access) -> None:
    remark = world.corrected(of, "word-0", "word-0")
    asked, cast = wish(found(of, remark), version, remark), shared.cast()
    for actor in (cast.engineer, cast.auditor, cast.partner_manager):
        with pytest.raises(NotPermitted, match="make cases from findings"):
            regression.plan(actor=actor, wish=asked)
        with pytest.raises(NotPermitted, match="make cases from findings"):
            regression.make(actor=actor, wish=asked, digest="", reason="x")


def test_a_suite_without_a_canary_is_told_of(of: Access) -> None:
    plain = builders.published(3, name="plain")
    remark = world.corrected(of, "word-0", "word-0")
    asked = wish(found(of, remark), plain, remark)
    assert planned(asked).notes == ("Suite plain has no canary: its cases bear none.",)
    assert made(asked)[0].metadata == {}
