"""Findings: the list, and one of them with the remarks that speak of it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import reverse

from alpha import selectors
from alpha.models import Feedback, Finding, Partner
from alpha.services import findings
from alpha.services.findings import JUDGES, TITLE_LENGTH, Weakness
from alpha.states import FindingState
from infra.console.fields import WhyForm, text_field
from infra.console.pages import Crumbs, Page, page_of
from infra.errors import NotFound
from infra.roles import Role
from releases.gates.severity import Severity
from releases.models import Checkpoint

_TABS = ("", *(state.value for state in FindingState))
_SEVERITIES = [(s.value, s.value) for s in Severity]
_NEWEST = 200


class OpenFinding(forms.Form):
    """A weakness of a checkpoint."""

    title = forms.CharField(max_length=TITLE_LENGTH)
    checkpoint = forms.ModelChoiceField(Checkpoint.objects.none(), empty_label=None)
    severity = forms.ChoiceField(choices=_SEVERITIES)
    text = text_field("What is wrong", required=False, rows=3)
    reporter = forms.ModelChoiceField(
        Partner.objects.none(),
        required=False,
        empty_label="nobody outside",
        help_text="Who is asked whether it is gone.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = Checkpoint.objects.order_by("-registered_at")[:_NEWEST]
        known = Checkpoint.objects.filter(pk__in=[c.pk for c in newest]).order_by("-registered_at")
        self.fields["checkpoint"].queryset = known  # type: ignore[attr-defined]
        self.fields["reporter"].queryset = Partner.objects.all()  # type: ignore[attr-defined]


class ConfirmFinding(WhyForm):
    """Why it is a weakness, and how bad it is."""

    severity = forms.ChoiceField(choices=_SEVERITIES)


class LinkFeedback(forms.Form):
    """A remark that speaks of it."""

    feedback = forms.UUIDField(label="Feedback", help_text="The id at the end of its address.")


class FindingsPage(Page):
    """Findings by state."""

    template_name = "alpha/findings.html"
    title = "Findings"
    forms = {"open": OpenFinding}
    opened: Finding | None = None

    def context(self) -> dict[str, Any]:
        state = self.request.GET.get("state", "")
        rows: QuerySet[Finding] = selectors.findings(
            state=state if state in _TABS else "",
            checkpoint=self.request.GET.get("checkpoint", ""),
        )
        return {
            "state": state,
            "tabs": _TABS,
            "rows": page_of(self.request, rows),
            "any": Finding.objects.exists(),
            "may_open": self.actor.may(*JUDGES, Role.ENGINEER) and Checkpoint.objects.exists(),
        }

    def do_open(self, data: dict[str, Any]) -> str:
        weakness = Weakness(
            title=data["title"],
            severity=Severity(data["severity"]),
            text=data["text"],
            reporter=data["reporter"],
        )
        self.opened = findings.open_finding(
            actor=self.actor, checkpoint=data["checkpoint"], weakness=weakness
        )
        return "The finding is open: somebody who does not own the checkpoint confirms it."

    def after(self, name: str) -> str:
        if self.opened is None:
            return super().after(name)
        return reverse("console-finding", args=[self.opened.pk])


class FindingPage(Page):
    """One finding: who said what of it, and what became of it."""

    template_name = "alpha/finding.html"
    forms = {
        "confirm": ConfirmFinding,
        "close": WhyForm,
        "reconfirm": WhyForm,
        "link": LinkFeedback,
    }
    finding: Finding

    def load(self, **kwargs: Any) -> None:
        self.finding = selectors.finding_of(kwargs["finding_id"])

    def heading(self) -> str:
        return self.finding.title

    def crumbs(self) -> Crumbs:
        return [("Findings", reverse("console-findings")), (self.finding.title, "")]

    def form_options(self, name: str) -> dict[str, Any]:
        return {"initial": {"severity": self.finding.severity}} if name == "confirm" else {}

    def context(self) -> dict[str, Any]:
        found = self.finding
        owns = found.checkpoint.owner_id == self.actor.person_id
        reports = found.reports.select_related("feedback__partner", "feedback__checkpoint")
        return {
            "finding": found,
            "reports": page_of(self.request, reports),
            "owns": owns,
            "may_judge": self.actor.may(*JUDGES) and not owns,
            "may_link": self.actor.may(*JUDGES, Role.ENGINEER),
        }

    def do_confirm(self, data: dict[str, Any]) -> str:
        severity = Severity(data["severity"])
        findings.confirm_finding(
            actor=self.actor, finding=self.finding, reason=data["reason"], severity=severity
        )
        return f"It is a weakness, {severity}."

    def do_close(self, data: dict[str, Any]) -> str:
        findings.close_finding(actor=self.actor, finding=self.finding, reason=data["reason"])
        return "Closed: its reporter says next whether it is gone."

    def do_reconfirm(self, data: dict[str, Any]) -> str:
        findings.reconfirm_finding(actor=self.actor, finding=self.finding, reason=data["reason"])
        return "Its reporter confirmed that it is gone."

    def do_link(self, data: dict[str, Any]) -> str:
        remark = Feedback.objects.select_related("partner").filter(pk=data["feedback"]).first()
        if remark is None:
            raise NotFound("no_such_feedback", "There is no such feedback.")
        findings.link_feedback(actor=self.actor, finding=self.finding, feedback=remark)
        return f"What {remark.partner} said is linked."
