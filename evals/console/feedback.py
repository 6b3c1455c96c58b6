"""One piece of feedback: the call, what was said, and the case it becomes."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.contrib.messages import warning
from django.http import HttpResponseRedirect
from django.urls import reverse

from alpha import selectors as alpha_reads
from alpha.models import Feedback
from alpha.services import feedback as inbox
from alpha.services.transcripts import READERS, conversation_of
from alpha.states import FeedbackState
from evals.asked import messages_of
from evals.console.forms import CaseForm, FeedbackWhy
from evals.console.triage import TriagePage
from evals.models import Case, Suite
from evals.redaction import Redactor
from evals.services.cases import TRIAGERS, case_from_feedback
from evals.services.drafts import EDITORS
from infra.console.pages import Crumbs
from infra.errors import DomainError, NotFound


class FeedbackItemPage(TriagePage):
    """Reads one remark and turns it into an eval case, or puts it aside."""

    template_name = "evals/feedback_item.html"
    forms = {
        "case": CaseForm,
        "dismiss": FeedbackWhy,
        "reopen": FeedbackWhy,
        **TriagePage.triage_forms,
    }
    feedback: Feedback

    def load(self, **kwargs: Any) -> None:
        found = alpha_reads.inbox().filter(pk=kwargs["feedback_id"]).first()
        if found is None:
            raise NotFound("no_such_feedback", "There is no such feedback.")
        self.feedback = found
        self.conversation, self.damage = None, ""
        try:
            if self.actor.may(*READERS):
                self.conversation = conversation_of(actor=self.actor, feedback=found)
        except DomainError as error:
            self.damage = error.message

    def heading(self) -> str:
        return f"Feedback of {self.feedback.partner.name}"

    def crumbs(self) -> Crumbs:
        return [("Feedback", reverse("console-feedback")), (self.heading(), "")]

    def form_options(self, name: str) -> dict[str, Any]:
        if name != "case":
            return self.triage_options(name)
        return {
            "initial": {
                "messages": self._proposed["messages"],
                "target": self._proposed["target"],
                "reason": self.feedback.comment[:2000],
            }
        }

    @cached_property
    def _proposed(self) -> dict[str, Any]:
        """What the case would ask and want, without personal data, and what was taken out."""
        redactor = Redactor()
        messages = messages_of((self.conversation or {}).get("request", {}))
        asked = redactor.redacted(messages, "messages")
        return {
            "messages": json.dumps(asked, indent=2, ensure_ascii=False) if asked else "",
            "target": redactor.redacted(self.feedback.correction, "target"),
            "replaced": redactor.found,
        }

    def context(self) -> dict[str, Any]:
        item = self.feedback
        return {
            **self.triage_context(),
            "item": item,
            "event": alpha_reads.usage_event(item.request_id, item.partner_id),
            "conversation": self.conversation,
            "damage": self.damage,
            "may_read": self.actor.may(*READERS),
            "cases": Case.objects.filter(feedback=item).select_related("version__suite"),
            "may_triage": self.actor.may(*READERS),
            "may_make_case": self.actor.may(*TRIAGERS)
            and item.state in (FeedbackState.NEW, FeedbackState.LINKED),
            "may_publish": self.actor.may(*EDITORS),
            "examples": self._examples(),
            "replaced": self._proposed["replaced"],
        }

    def _examples(self) -> list[Case]:
        """One case of each suite, so that its form can be copied."""
        newest = Case.objects.filter(version__suite__in=Suite.objects.all())
        ordered = newest.order_by("version__suite__name", "-version__number", "position")
        return list(ordered.distinct("version__suite__name").select_related("version__suite"))

    def do_case(self, data: dict[str, Any]) -> HttpResponseRedirect:
        made = case_from_feedback(actor=self.actor, feedback=self.feedback, **data)
        case = made.case
        for stale in made.stale:
            warning(self.request, f"Stale by it: {stale.sentence}")
        address = reverse("console-suite", args=[data["suite"].name])
        query = urlencode({"version": case.version.number, "case": case.case_id})
        return HttpResponseRedirect(f"{address}?{query}")

    def do_dismiss(self, data: dict[str, Any]) -> str:
        inbox.dismiss(actor=self.actor, feedback=self.feedback, reason=data["reason"])
        return "Put aside; it stays readable under its state."

    def do_reopen(self, data: dict[str, Any]) -> str:
        inbox.reopen(actor=self.actor, feedback=self.feedback, reason=data["reason"])
        return "Taken up again."
