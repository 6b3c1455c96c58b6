"""The list of findings; `investigation` has the page of one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import reverse

from alpha import selectors
from alpha.models import Finding, Partner
from alpha.services import findings
from alpha.services.finding_moves import JUDGES
from alpha.services.findings import TITLE_LENGTH, Weakness
from alpha.states import FindingState
from infra.console.fields import text_field
from infra.console.pages import Page, page_of
from infra.roles import Role
from releases.gates.severity import Severity
from releases.models import Checkpoint

_TABS = ("", *(state.value for state in FindingState))
SEVERITIES = [(s.value, s.value) for s in Severity]
NEWEST = 200


class OpenFinding(forms.Form):
    """A weakness of a checkpoint."""

    title = forms.CharField(max_length=TITLE_LENGTH)
    checkpoint = forms.ModelChoiceField(Checkpoint.objects.none(), empty_label=None)
    severity = forms.ChoiceField(choices=SEVERITIES)
    text = text_field("What is wrong", required=False, rows=3)
    reporter = forms.ModelChoiceField(
        Partner.objects.none(),
        required=False,
        empty_label="nobody outside",
        help_text="Who is asked whether it is gone.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = Checkpoint.objects.order_by("-registered_at")[:NEWEST]
        known = Checkpoint.objects.filter(pk__in=[c.pk for c in newest]).order_by("-registered_at")
        self.fields["checkpoint"].queryset = known  # type: ignore[attr-defined]
        self.fields["reporter"].queryset = Partner.objects.all()  # type: ignore[attr-defined]


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
