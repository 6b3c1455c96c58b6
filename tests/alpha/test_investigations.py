"""Investigations: what each end rests on, and how a reporter is asked whether it is gone."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client
from django.urls import reverse

from alpha import selectors
from alpha.finding_rates import affected_checkpoints, finding_rates
from alpha.models import Feedback, Finding, Notice, NoticeRecipient
from alpha.services import findings, investigations, reconfirmations
from alpha.services.findings import Weakness
from infra import clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry, Person
from infra.people import actor_of_login
from infra.roles import Role
from releases.gates.severity import Severity
from releases.models import Checkpoint, Codename, Release
from releases.statistics.feedback import feedback_rate
from tests import builders
from tests.alpha import builders as alpha_builders
from tests.alpha.builders import Access

PROBE = UUID("01900000-0000-7000-8000-00000000000a")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a probe isolated."""

    component: str
    probe_id: UUID


def one_probe(finding_id: UUID) -> list[Shown]:
    """A source of isolations, named in the settings by its dotted path."""
    return [Shown(component="system prompt", probe_id=PROBE)]


@dataclass(slots=True)
class Case:
    """A finding that acme reported of a live checkpoint, and the checkpoint that comes next."""

    access: Access
    cast: builders.Cast
    remark: Feedback
    finding: Finding
    successor: Checkpoint

    def step(self, name: str, **facts: Any) -> Finding:
        act = getattr(investigations, name)
        moved = act(actor=self.cast.behaviour_reviewer, finding=self.finding, reason="So.", **facts)
        assert isinstance(moved, Finding)
        return moved

    def fixed(self) -> Finding:
        self.step("isolate_finding", component="system prompt", probe_id=PROBE)
        self.step("start_fix")
        return self.step("close_as_fixed", checkpoint=self.successor)

    def serve_successor(self) -> None:
        """The successor takes the place of the checkpoint, under a new codename."""
        now = clock.now()
        Release.objects.filter(pk=self.access.release.pk).update(state="ended", ended_at=now)
        Codename.objects.filter(pk=self.access.codename.pk).update(ends_at=now)
        alpha_builders.release_of(self.successor, self.access.stage)
        Codename.objects.create(
            stage=self.access.stage, size="nano", name="quasar-alpha-2", opens_at=now
        )

    def now(self) -> Finding:
        return selectors.finding_of(self.finding.pk)


def case_of(settings: Any) -> Case:
    settings.ISOLATION_SOURCES = ["tests.alpha.test_investigations.one_probe"]
    access, cast = alpha_builders.access(), builders.cast()
    event = alpha_builders.usage_event(access)
    remark = alpha_builders.feedback(
        access, request_id=event.request_id, state="new", release=access.release,
        checkpoint=access.checkpoint, stage=access.stage,
    )  # fmt: skip
    weakness = Weakness(title="Wrong column", severity=Severity.MAJOR)
    finding = findings.open_finding(
        actor=cast.behaviour_reviewer, weakness=weakness, feedback=[remark]
    )
    findings.confirm_finding(actor=cast.eval_owner, finding=finding, reason="Seen.")
    successor = builders.checkpoint("chat-nano-9")
    return Case(access, cast, remark, finding, successor)


@pytest.fixture
def case(db: None, settings: Any) -> Case:
    return case_of(settings)


def test_isolating_needs_a_component_that_a_probe_showed(case: Case, settings: Any) -> None:
    with pytest.raises(InvalidMove, match="did not isolate “temperature”. Isolated so far"):
        case.step("isolate_finding", component="temperature", probe_id=PROBE)
    settings.ISOLATION_SOURCES = []
    with pytest.raises(InvalidMove, match="No probe of this finding has isolated"):
        case.step("isolate_finding", component="system prompt", probe_id=PROBE)
    assert case.now().state == "investigating"
    settings.ISOLATION_SOURCES = ["tests.alpha.test_investigations.one_probe"]
    case.step("isolate_finding", component="system prompt", probe_id=PROBE)
    assert (case.now().state, case.now().component) == ("isolated", "system prompt")


@pytest.mark.parametrize(
    ("facts", "match"),
    [
        ({"tried": " ", "detectable_rate": 0.1}, "Say what was tried"),
        ({"tried": "60 prompts", "detectable_rate": 0.0}, "detectable_rate"),
        ({"tried": "60 prompts", "detectable_rate": 1.5}, "detectable_rate"),
        ({"tried": "60 prompts", "detectable_rate": float("nan")}, "detectable_rate"),
    ],
    ids=["untried", "zero", "above-one", "nan"],
)
def test_not_reproduced_says_what_was_tried_and_what_would_have_been_seen(
    case: Case, facts: dict[str, Any], match: str
) -> None:
    with pytest.raises(InvalidInput, match=match):
        case.step("close_as_not_reproduced", **facts)
    assert case.now().state == "investigating"


def test_each_end_keeps_what_it_rests_on_and_reopening_forgets_it(case: Case) -> None:
    case.step("close_as_not_reproduced", tried="60 prompts", detectable_rate=0.05)
    closed = case.now()
    assert (closed.state, closed.detectable_rate) == ("not_reproduced", 0.05)
    findings.confirm_finding(actor=case.cast.eval_owner, finding=case.finding, reason="Seen again.")
    again = case.now()
    assert (again.state, again.tried, again.detectable_rate, again.closed_at) == (
        "investigating", "", None, None,
    )  # fmt: skip
    told = AuditEntry.objects.filter(action="finding.investigating").order_by("seq").last()
    assert told is not None and told.before["detectable_rate"] == 0.05


def test_the_database_refuses_ends_without_their_facts(case: Case) -> None:
    for change in (
        "state = 'isolated'",
        "state = 'not_reproduced', closed_by_id = opened_by_id, closed_at = now()",
        "state = 'by_design'",
    ):
        with (
            pytest.raises(IntegrityError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"UPDATE finding SET {change}")  # noqa: S608


def test_who_owns_either_checkpoint_does_not_close(case: Case) -> None:
    case.step("isolate_finding", component="system prompt", probe_id=PROBE)
    owner = actor_of_login(
        builders.login("owner_too", Role.RELEASE_MANAGER, person=case.successor.owner)
    )
    with pytest.raises(NotPermitted, match="owns chat-nano"):
        investigations.close_as_fixed(
            actor=owner, finding=case.finding, checkpoint=case.successor, reason="Mine."
        )
    with pytest.raises(InvalidInput, match="has this weakness"):
        case.step("close_as_fixed", checkpoint=case.access.checkpoint)


def test_the_reporter_is_asked_on_the_successor_by_its_codename(case: Case) -> None:
    case.fixed()
    assert reconfirmations.ask_reporters() == 0
    case.serve_successor()
    assert reconfirmations.ask_reporters() == 1
    assert reconfirmations.ask_reporters() == 0
    notice, copy = Notice.objects.get(), NoticeRecipient.objects.get()
    assert notice.subject == "You reported this, it is fixed in quasar-alpha-2"
    assert copy.partner == case.access.partner and copy.feedback_ids == [case.remark.pk]
    assert "chat-nano" not in f"{notice.subject} {notice.text} {copy.codenames}"
    assert "Wrong column" not in f"{notice.subject} {notice.text}"


def answered(case: Case, *, resolved: bool) -> None:
    NoticeRecipient.objects.update(
        resolved=resolved, answered_at=clock.now(), acknowledged_with=case.access.key,
        acknowledged_at=clock.now(),
    )  # fmt: skip


def test_its_yes_reconfirms_and_its_no_reopens(case: Case) -> None:
    case.fixed()
    case.serve_successor()
    reconfirmations.ask_reporters()
    assert selectors.finding_rows(case.access.checkpoint)["unconfirmed"]
    answered(case, resolved=True)
    assert (reconfirmations.take_answers(), reconfirmations.take_answers()) == (1, 0)
    done = case.now()
    assert done.state == "fixed" and done.reconfirmed_with == case.access.key
    assert not any(selectors.finding_rows(case.access.checkpoint).values())
    findings.confirm_finding(actor=case.cast.eval_owner, finding=done, reason="It is back.")
    case.fixed()
    assert reconfirmations.ask_reporters() == 1
    NoticeRecipient.objects.filter(answered_at=None).update(resolved=False, answered_at=clock.now())
    assert reconfirmations.take_answers() == 1
    assert (case.now().state, case.now().fixed_in) == ("investigating", None)


def test_an_answer_to_an_earlier_closing_changes_nothing(case: Case) -> None:
    case.fixed()
    case.serve_successor()
    reconfirmations.ask_reporters()
    findings.confirm_finding(actor=case.cast.eval_owner, finding=case.finding, reason="Not gone.")
    case.fixed()
    answered(case, resolved=False)
    assert reconfirmations.take_answers() == 1
    assert case.now().state == "fixed" and case.now().reconfirmed_at is None


def test_the_pages_show_which_feedback_answered(case: Case) -> None:
    case.fixed()
    case.serve_successor()
    reconfirmations.ask_reporters()
    told = alpha_builders.feedback(case.access, state="new", thumbs_up=False, comment="No.")
    NoticeRecipient.objects.update(
        resolved=False, answered_at=clock.now(), answered_in=told, acknowledged_with=case.access.key
    )
    with pytest.raises(Exception, match="Cannot update rows"), transaction.atomic():
        NoticeRecipient.objects.update(answered_in=None)
    assert reconfirmations.take_answers() == 1
    assert case.now().state == "investigating"
    entry = AuditEntry.objects.filter(action="finding.investigating").first()
    assert entry is not None and f"not gone, in feedback {told.pk}" in entry.reason
    client = client_of(Role.BEHAVIOUR_REVIEWER)
    page = client.get(reverse("console-feedback-item", args=[told.pk])).content.decode()
    assert "is gone: not gone" in page and str(case.finding.pk) in page
    finding = client.get(reverse("console-finding", args=[case.finding.pk])).content.decode()
    assert f"{told.pk}" in finding
    road = client.get(reverse("console-lineage"), {"id": str(told.pk)}).content.decode()
    assert str(case.finding.pk) in road


def test_an_answer_is_given_once(case: Case) -> None:
    case.fixed()
    case.serve_successor()
    reconfirmations.ask_reporters()
    answered(case, resolved=True)
    with pytest.raises(Exception, match="Cannot update rows"), transaction.atomic():
        NoticeRecipient.objects.update(resolved=False)


def test_rates_are_exact_poisson_per_release(case: Case) -> None:
    for _ in range(4):
        alpha_builders.usage_event(case.access)
    alpha_builders.usage_event(case.access, state="failed")
    again = alpha_builders.feedback(case.access, state="new", release=case.access.release)
    findings.link_feedback(actor=case.cast.eval_owner, finding=case.finding, feedback=again)
    (rate,) = finding_rates(case.now())
    assert (rate.n_reports, rate.n_remarks, rate.n_requests) == (1, 2, 5)
    assert rate.interval == feedback_rate(1, 5)
    assert "200 per 1,000 requests" in rate.sentence
    assert [c.name for c in affected_checkpoints(case.now())] == [case.access.checkpoint.name]


def test_severity_is_not_for_the_owner_to_lower(case: Case) -> None:
    owner = actor_of_login(
        builders.login("owner_too", Role.EVAL_OWNER, person=case.access.checkpoint.owner)
    )
    with pytest.raises(NotPermitted, match="owns"):
        findings.triage_finding(actor=owner, finding=case.finding, severity=Severity.MINOR)
    findings.triage_finding(actor=owner, finding=case.finding, labels=[" sql.columns ", ""])
    assert case.now().labels == ["sql.columns"]


def client_of(*roles: Role) -> Client:
    client = Client()
    client.force_login(builders.login("rev", *roles))
    return client


def test_the_api_walks_an_investigation(case: Case) -> None:
    client, path = client_of(Role.BEHAVIOUR_REVIEWER), f"/api/findings/{case.finding.pk}/"

    def post(below: str, **body: Any) -> Any:
        return client.post(path + below, body, content_type="application/json")

    refused = post("isolate/", reason="So.", component="format", probe_id=str(PROBE))
    assert (refused.status_code, refused.json()["code"]) == (409, "not_isolated")
    told = post("isolate/", reason="So.", component="system prompt", probe_id=str(PROBE)).json()
    assert (told["state"], told["probe_id"]) == ("isolated", str(PROBE))
    assert post("fix/", reason="So.").json()["state"] == "fixing"
    fixed = post("fixed/", reason="So.", checkpoint="chat-nano-9").json()
    assert (fixed["state"], fixed["fixed_in"]) == ("fixed", "chat-nano-9")
    rates = client.get(path + "rates/").json()
    assert rates["rates"][0]["n_reports"] == 1
    assert post("triage/").status_code == 400


def test_the_console_walks_an_investigation(case: Case) -> None:
    client = client_of(Role.BEHAVIOUR_REVIEWER)
    address = reverse("console-finding", args=[case.finding.pk])

    def do(name: str, **body: Any) -> str:
        answer = client.post(address, {"do": name, "reason": "So.", **body}, follow=True)
        return str(answer.content.decode())

    assert "system prompt (probe" in client.get(address).content.decode()
    assert "Isolated to system prompt" in do("isolate", component="0")
    assert "It is being fixed" in do("fix")
    page = do("fixed", checkpoint=str(case.successor.pk))
    assert "Fixed in" in page and "to say whether it is gone" in page
    assert "Its reporter agreed" in do("reconfirm")
    assert "Noted." in do("triage", severity="major", labels="sql, sql.columns", owner="")
    assert case.now().labels == ["sql", "sql.columns"]
    owner = Person.objects.get(pk=builders.cast().engineer.person_id)
    assert "Assign it to nobody" not in do("triage", severity="major", labels="sql", owner="")
    assert "Assign it to nobody" in do("triage", severity="major", labels="sql", owner=owner.pk)
    assert case.now().owner == owner
    assert "Nobody sees to it now." in do("give_back") and case.now().owner is None


def test_the_command_walks_an_investigation(case: Case) -> None:
    builders.login("rev", Role.BEHAVIOUR_REVIEWER)

    def told(action: str, *rest: str) -> Any:
        out = StringIO()
        because = () if action == "show" else ("--reason", "So.", "--by", "rev")
        call_command("finding", action, str(case.finding.pk), *because, *rest, "--json", stdout=out)
        return json.loads(out.getvalue())

    assert told("isolate", "--component", "system prompt", "--probe", str(PROBE))["state"] == (
        "isolated"
    )
    assert told("fix")["state"] == "fixing"
    assert told("fixed", "--in", "chat-nano-9")["state"] == "fixed"
    assert told("reconfirm")["state"] == "fixed"
    assert "per 1,000 requests" in told("show")["rates"][0]


def test_reporters_asked_from_two_sides_at_once_are_asked_once(
    committed_db: str, settings: Any
) -> None:
    case = case_of(settings)
    case.fixed()
    case.serve_successor()
    start = threading.Barrier(4)

    def ask() -> None:
        start.wait()
        try:
            reconfirmations.ask_reporters()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Notice.objects.count() == 1


def test_only_those_who_judge_close(case: Case) -> None:
    engineer: Actor = case.cast.engineer
    with pytest.raises(NotPermitted, match="may not close findings"):
        investigations.close_by_design(actor=engineer, finding=case.finding, reason="Mine.")
