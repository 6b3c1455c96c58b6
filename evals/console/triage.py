"""The steps of triage on one remark's page: assigned, graded, linked, taken for a duplicate."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from alpha.models import Feedback, NoticeRecipient
from alpha.services import feedback as inbox
from alpha.services import findings, triage
from alpha.services.feedback import TRIAGERS
from alpha.services.findings import Weakness
from alpha.services.transcripts import attachment_of
from alpha.states import FeedbackState
from evals.console import triage_forms as asked
from infra.api.downloads import bytes_as_file
from infra.console.fields import NoForm
from infra.console.pages import Page
from infra.errors import NotFound
from infra.models import Person
from releases.gates.severity import Severity

UNTRIAGED = (FeedbackState.NEW.value, FeedbackState.UNBOUND.value)


class TriagePage(Page):
    """What the page of a remark does besides making it a case."""

    feedback: Feedback
    triage_forms = {
        "take": NoForm,
        "give_back": NoForm,
        "triage": asked.TriageForm,
        "link": asked.LinkForm,
        "open": asked.OpenForm,
        "duplicate": asked.DuplicateForm,
        "file": NoForm,
    }

    def triage_options(self, name: str) -> dict[str, Any]:
        """What the forms of triage hold at first."""
        item = self.feedback
        if name != "triage":
            return {}
        labels = ", ".join(item.labels)
        initial = {"assignee": item.assignee_id, "severity": item.severity, "labels": labels}
        return {"initial": initial}

    def triage_context(self) -> dict[str, Any]:
        """What is like the remark, what it speaks of, and who may do what."""
        item = self.feedback
        is_new = item.state in UNTRIAGED
        return {
            "alike": triage.said_before(item) if is_new else [],
            "findings": item.findings.select_related("checkpoint").order_by("opened_at"),
            "attachment": getattr(item, "attachment", None),
            "answered": NoticeRecipient.objects.filter(answered_in=item)
            .select_related("notice__finding")
            .first(),
            "is_new": is_new,
            "may_assign": self.actor.may(*TRIAGERS),
        }

    def do_take(self, data: dict[str, Any]) -> str:
        person_id = self.actor.must_be_person("take feedback")
        triage.triage_feedback(
            actor=self.actor,
            feedback=self.feedback,
            assignee=Person.objects.get(pk=person_id),
        )
        return "It is yours."

    def do_give_back(self, data: dict[str, Any]) -> str:
        triage.triage_feedback(actor=self.actor, feedback=self.feedback, unassign=True)
        return "Nobody sees to it now."

    def do_triage(self, data: dict[str, Any]) -> str:
        triage.triage_feedback(
            actor=self.actor,
            feedback=self.feedback,
            assignee=data["assignee"],
            severity=Severity(data["severity"]) if data["severity"] else None,
            labels=data["labels"],
        )
        return "Noted."

    def do_link(self, data: dict[str, Any]) -> str:
        finding = data["finding"]
        findings.link_feedback(actor=self.actor, finding=finding, feedback=self.feedback)
        return f"It speaks of “{finding.title}”."

    def do_open(self, data: dict[str, Any]) -> str:
        weakness = Weakness(title=data["title"], severity=Severity(data["severity"]))
        findings.open_finding(actor=self.actor, weakness=weakness, feedback=[self.feedback])
        return "The finding is open: somebody who does not own the checkpoint confirms it."

    def do_duplicate(self, data: dict[str, Any]) -> str:
        of = Feedback.objects.filter(pk=data["of"]).first()
        if of is None:
            raise NotFound("no_such_feedback", "There is no such feedback.")
        inbox.mark_duplicate(actor=self.actor, feedback=self.feedback, of=of, reason=data["reason"])
        return "It says again what the other one said."

    def do_file(self, data: dict[str, Any]) -> HttpResponse:
        kept, content = attachment_of(actor=self.actor, feedback=self.feedback)
        return bytes_as_file(content, kept.name)
