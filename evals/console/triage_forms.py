"""What people fill in while they triage one remark."""

from __future__ import annotations

from typing import Any

from django import forms

from alpha.models import Finding
from alpha.services.findings import TITLE_LENGTH
from alpha.states import CLOSED_FINDINGS
from infra.console.fields import WhyForm
from infra.models import Person
from releases.gates.severity import Severity

NEWEST_FINDINGS = 200
SEVERITIES = [(severity.value, severity.value) for severity in Severity]


class TriageForm(forms.Form):
    """Who looks at it, how bad it is, which components it concerns."""

    assignee = forms.ModelChoiceField(
        Person.objects.none(), required=False, empty_label="nobody yet", label="Seen to by"
    )
    severity = forms.ChoiceField(choices=[("", "not graded"), *SEVERITIES], required=False)
    labels = forms.CharField(
        max_length=2000, required=False, help_text="Components such as sql.columns, by commas."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = Person.objects.filter(logins__is_active=True).distinct().order_by("name")
        self.fields["assignee"].queryset = people  # type: ignore[attr-defined]

    def clean_labels(self) -> list[str]:
        return self.cleaned_data["labels"].split(",")


class LinkForm(forms.Form):
    """An open finding that the remark speaks of."""

    finding = forms.ModelChoiceField(Finding.objects.none(), empty_label=None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        closed = [state.value for state in CLOSED_FINDINGS]
        newest = Finding.objects.exclude(state__in=closed).order_by("-opened_at")
        ids = newest.values_list("pk", flat=True)[:NEWEST_FINDINGS]
        rows = Finding.objects.filter(pk__in=list(ids)).order_by("-opened_at")
        self.fields["finding"].queryset = rows  # type: ignore[attr-defined]


class OpenForm(forms.Form):
    """A new finding from the remark."""

    title = forms.CharField(max_length=TITLE_LENGTH)
    severity = forms.ChoiceField(choices=SEVERITIES)


class DuplicateForm(WhyForm):
    """The remark that it says again."""

    of = forms.UUIDField(label="Feedback", help_text="The id at the end of its address.")
