"""Remarks that seem to be about one thing: proposed, and a person opens the finding."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.urls import reverse

from alpha.console.findings import SEVERITIES
from alpha.models import Feedback, Finding
from alpha.services import findings
from alpha.services.feedback import TRIAGERS
from alpha.services.findings import TITLE_LENGTH, Weakness
from alpha.similarity import N_GROUPED, propose_groups
from infra.console.pages import Crumbs, Page
from releases.gates.severity import Severity


class OpenFromGroup(forms.Form):
    """A finding from the remarks of one group."""

    remarks = forms.CharField(widget=forms.HiddenInput, max_length=40 * N_GROUPED)
    title = forms.CharField(max_length=TITLE_LENGTH)
    severity = forms.ChoiceField(choices=SEVERITIES)

    def clean_remarks(self) -> list[UUID]:
        try:
            return [UUID(text) for text in self.cleaned_data["remarks"].split(",")]
        except ValueError as error:
            raise forms.ValidationError("Reload the page: its groups have changed.") from error


class FeedbackGroupsPage(Page):
    """The newest remarks nobody has triaged, as groups of at least two."""

    template_name = "alpha/feedback_groups.html"
    title = "Groups"
    forms = {"open": OpenFromGroup}
    opened: Finding | None = None

    def crumbs(self) -> Crumbs:
        return [("Feedback", reverse("console-feedback")), (self.title, "")]

    def context(self) -> dict[str, Any]:
        return {
            "groups": propose_groups(),
            "n_looked_at": N_GROUPED,
            "severities": [value for value, _ in SEVERITIES],
            "may_open": self.actor.may(*TRIAGERS),
        }

    def do_open(self, data: dict[str, Any]) -> str:
        rows = Feedback.objects.filter(pk__in=data["remarks"])
        remarks = list(rows.select_related("partner", "checkpoint").order_by("received_at"))
        weakness = Weakness(title=data["title"], severity=Severity(data["severity"]))
        self.opened = findings.open_finding(actor=self.actor, weakness=weakness, feedback=remarks)
        return f"The finding is open with {len(remarks)} remarks: somebody confirms it next."

    def after(self, name: str) -> str:
        if self.opened is None:
            return super().after(name)
        return reverse("console-finding", args=[self.opened.pk])
