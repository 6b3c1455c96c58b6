"""Findings: who may say what of them, and what the gate is told."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django.test import Client
from django.urls import reverse

from alpha.models import Feedback, Finding
from alpha.services import findings
from alpha.services.batches import close_batches
from alpha.services.feedback import bind_waiting
from alpha.services.findings import Weakness
from alpha.services.investigations import close_by_design, start_fix
from alpha.services.reconfirmations import reconfirm_finding
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from infra.people import actor_of_login
from infra.roles import Role
from releases.gates.contract import Verdict
from releases.gates.severity import Severity
from releases.states import Outcome
from tests import builders
from tests.alpha.test_evidence import Story
from tests.alpha.traffic import later, ship

pytestmark = pytest.mark.django_db
NOW = later(hours=1)


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def cast() -> builders.Cast:
    return builders.cast()


def opened(story: Story, actor: Actor, severity: Severity = Severity.MAJOR) -> Finding:
    weakness = Weakness(
        title="Wrong column in tables",
        severity=severity,
        reporter=story.traffic.callers["acme"].partner,
    )
    return findings.open_finding(actor=actor, checkpoint=story.traffic.new, weakness=weakness)


def close(actor: Actor, finding: Finding) -> Finding:
    return close_by_design(actor=actor, finding=finding, reason="It is meant to be so.")


def verdict(story: Story, least: str = "major") -> Verdict:
    return story.judge("open_findings", none_open_at_or_above=least)


def test_a_finding_holds_until_others_closed_it_and_its_reporter_agreed(
    story: Story, cast: builders.Cast
) -> None:
    assert verdict(story).outcome is Outcome.PASS
    reviewer = cast.behaviour_reviewer
    finding = opened(story, reviewer)
    assert verdict(story).code == "findings_unconfirmed"
    findings.confirm_finding(actor=reviewer, finding=finding, reason="Seen twice.")
    assert verdict(story).outcome is Outcome.FAIL
    assert verdict(story, "critical").outcome is Outcome.PASS
    close(reviewer, finding)
    closed = verdict(story)
    assert (closed.outcome, closed.owner) == (Outcome.INCONCLUSIVE, "acme")
    reconfirm_finding(actor=cast.partner_manager, finding=finding, reason="By mail.")
    assert verdict(story).outcome is Outcome.PASS
    findings.confirm_finding(actor=reviewer, finding=finding, reason="It is back.")
    assert verdict(story).outcome is Outcome.FAIL
    told = AuditEntry.objects.filter(action__startswith="finding.").order_by("seq")
    assert [entry.action.removeprefix("finding.") for entry in told] == [
        "opened", "investigating", "by_design", "reconfirmed", "investigating",
    ]  # fmt: skip


def test_who_owns_the_checkpoint_opens_and_nothing_more_by_any_login(story: Story) -> None:
    person = story.traffic.new.owner
    login = builders.login("owner_too", Role.ENGINEER, Role.RELEASE_MANAGER, person=person)
    owner = actor_of_login(login)
    assert owner.person_id == story.traffic.new.owner_id
    finding = opened(story, owner)
    for act in (findings.confirm_finding, close_by_design, reconfirm_finding):
        with pytest.raises(NotPermitted, match="owns chat-nano-2"):
            act(actor=owner, finding=finding, reason="Mine.")  # type: ignore[operator]
    assert Finding.objects.get().state == "open"


def test_what_nobody_took_for_a_weakness_needs_nobodys_word(
    story: Story, cast: builders.Cast
) -> None:
    finding = opened(story, cast.behaviour_reviewer)
    close(cast.release_manager, finding)
    assert verdict(story).outcome is Outcome.PASS


def test_a_finding_counts_for_every_checkpoint_that_remarks_tell_of(
    story: Story, cast: builders.Cast
) -> None:
    weakness = Weakness(title="Odd", severity=Severity.CRITICAL)
    finding = findings.open_finding(
        actor=cast.engineer, checkpoint=story.traffic.old, weakness=weakness
    )
    findings.confirm_finding(actor=cast.eval_owner, finding=finding, reason="Seen.")
    assert verdict(story).outcome is Outcome.PASS
    remark = Feedback.objects.create(
        partner=story.traffic.callers["acme"].partner,
        checkpoint=story.traffic.new,
        received_at=NOW,
    )
    for _ in range(2):
        findings.link_feedback(actor=cast.eval_owner, finding=finding, feedback=remark)
    assert verdict(story).outcome is Outcome.FAIL
    assert finding.reports.count() == 1


def test_moves_that_the_table_does_not_name_are_refused(story: Story, cast: builders.Cast) -> None:
    finding = opened(story, cast.behaviour_reviewer)
    with pytest.raises(InvalidMove, match="This finding is open"):
        reconfirm_finding(actor=cast.partner_manager, finding=finding, reason="Gone.")
    with pytest.raises(InvalidMove, match="open and can't become fixing"):
        start_fix(actor=cast.partner_manager, finding=finding, reason="Mine.")
    with (
        pytest.raises(ProgrammingError, match="Invalid transition"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE finding SET state = 'fixed', closed_at = now()")
    with pytest.raises(InvalidInput, match="Say why"):
        close_by_design(actor=cast.partner_manager, finding=finding, reason=" ")
    with pytest.raises(NotPermitted):
        findings.confirm_finding(actor=cast.auditor, finding=finding, reason="No.")


@pytest.mark.long
def test_confirmed_findings_are_counted_per_request_and_reporter(cast: builders.Cast) -> None:
    story = Story("acme", "bell")
    n_findings = 6
    rows = [opened(story, cast.behaviour_reviewer) for _ in range(n_findings)]
    for finding in rows:
        findings.confirm_finding(actor=cast.eval_owner, finding=finding, reason="Seen.")
    for partner in ("acme", "bell"):
        who = story.traffic.callers[partner].partner
        ids = ship(story.traffic.calls(story.candidate, 60, partner=partner))
        ship(story.traffic.calls(story.incumbent, 400, partner=partner))
        for number in range(2 * n_findings):
            remark = Feedback.objects.create(partner=who, request_id=ids[number], received_at=NOW)
            bind_waiting()
            remark.refresh_from_db()
            findings.link_feedback(
                actor=cast.eval_owner, finding=rows[number % n_findings], feedback=remark
            )
    options = {"counts": "confirmed_findings", "min_requests": 100}
    found = story.gather("feedback_rate", ratio_at_most=2.0, **options)
    assert found.observed is not None
    assert (found.observed["count1"], found.observed["exposure1"]) == (2 * n_findings, 120)
    assert (found.observed["count0"], found.observed["exposure0"]) == (0, 0)
    close_batches(NOW)
    found = story.gather("feedback_rate", ratio_at_most=2.0, **options)
    assert found.observed is not None and found.observed["exposure0"] == 800
    assert found.observed["interval"]["estimate"] == "inf"
    bound = story.judge("feedback_rate", at_most_per_1000=20, **options)
    assert bound.outcome is Outcome.FAIL, bound.sentence
    minor = {**options, "at_or_above": "critical"}
    none = story.gather("feedback_rate", at_most_per_1000=20, **minor)
    assert none.observed is not None and none.observed["count1"] == 0


def signed_in(username: str, *roles: Role) -> Client:
    client = Client()
    client.force_login(builders.login(username, *roles))
    return client


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(path, body, content_type="application/json")


def test_the_api_opens_moves_and_lists(story: Story) -> None:
    remark = Feedback.objects.create(
        partner=story.traffic.callers["acme"].partner,
        checkpoint=story.traffic.new,
        received_at=NOW,
    )
    client = signed_in("rev", Role.BEHAVIOUR_REVIEWER)
    answer = post(
        client, "/api/findings/", title="Odd", severity="minor", feedback=[str(remark.pk)]
    )
    assert answer.status_code == 201, answer.json()
    told = answer.json()
    assert (told["checkpoint"], told["reporter"]) == ("chat-nano-2", "acme")
    assert told["feedback"] == [str(remark.pk)]
    path = f"/api/findings/{told['id']}/"
    confirmed = post(client, f"{path}confirm/", reason="Seen.", severity="critical")
    moved = (confirmed.json()["state"], confirmed.json()["severity"])
    assert moved == ("investigating", "critical")
    assert post(client, f"{path}by-design/", reason="Meant.").json()["state"] == "by_design"
    assert post(client, f"{path}reconfirm/", reason="Mail.").json()["reconfirmed_by"] is not None
    assert post(client, f"{path}by-design/", reason="Again.").status_code == 409
    listed = client.get("/api/findings/?state=by_design&severity=critical").json()
    assert [row["id"] for row in listed["results"]] == [told["id"]]
    assert post(client, "/api/findings/", title="Odd", severity="minor").status_code == 400


def test_the_api_refuses_the_owner_and_unknown_rows(story: Story) -> None:
    finding = opened(story, builders.cast().behaviour_reviewer)
    person = story.traffic.new.owner
    owner = Client()
    owner.force_login(builders.login("owner_too", Role.RELEASE_MANAGER, person=person))
    answer = post(owner, f"/api/findings/{finding.pk}/by-design/", reason="Meant.")
    assert (answer.status_code, answer.json()["code"]) == (403, "owns_checkpoint")
    assert owner.get(f"/api/findings/{story.next.pk}/").status_code == 404


def test_the_console_opens_confirms_and_links(story: Story) -> None:
    client = signed_in("rev", Role.BEHAVIOUR_REVIEWER)
    assert "No finding yet" in client.get(reverse("console-findings")).content.decode()
    body = {
        "do": "open",
        "title": "Odd in tables",
        "checkpoint": str(story.traffic.new.pk),
        "severity": "major",
        "reporter": str(story.traffic.callers["acme"].partner.pk),
    }
    page = client.post(reverse("console-findings"), body, follow=True).content.decode()
    assert "Odd in tables" in page and "Is it a weakness?" in page
    address = reverse("console-finding", args=[Finding.objects.get().pk])
    confirm = {"do": "confirm", "severity": "critical", "reason": "Seen."}
    assert "critical" in client.post(address, confirm, follow=True).content.decode()
    refused = client.post(address, {"do": "link", "feedback": str(story.next.pk)})
    assert refused.status_code == 404 and "no such feedback" in refused.content.decode()
    assert "Odd in tables" in client.get(reverse("console-findings")).content.decode()


def test_the_command_opens_and_lists(story: Story) -> None:
    builders.login("rev", Role.BEHAVIOUR_REVIEWER)
    out = StringIO()
    call_command(
        "finding", "open", "chat-nano-2", "Odd", "--severity", "major", "--by", "rev", "--json",
        stdout=out,
    )  # fmt: skip
    made = json.loads(out.getvalue())
    out = StringIO()
    call_command("finding", "confirm", made["id"], "--reason", "Seen.", "--by", "rev", stdout=out)
    assert "is confirmed (major" in out.getvalue()
    out = StringIO()
    call_command("finding", "list", "--state", "investigating", stdout=out)
    assert "chat-nano-2: Odd (0 remarks)" in out.getvalue()
