"""What people fill in while they investigate a finding."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms

from alpha.console.findings import NEWEST, SEVERITIES
from alpha.models import Finding
from alpha.services.investigations import TRIED_LENGTH, isolated_components
from infra.console.fields import WhyForm, text_field
from infra.models import Person
from releases.models import Checkpoint


class ConfirmFinding(WhyForm):
    """Why it is a weakness, and how bad it is."""

    severity = forms.ChoiceField(choices=SEVERITIES)


class TriageFinding(forms.Form):
    """Who sees to it, how bad it is, and which components it concerns."""

    owner = forms.ModelChoiceField(
        Person.objects.none(), required=False, empty_label="nobody yet", label="Seen to by"
    )
    severity = forms.ChoiceField(choices=SEVERITIES)
    labels = forms.CharField(
        max_length=2000, required=False, help_text="Components such as sql.columns, by commas."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = Person.objects.filter(logins__is_active=True).distinct().order_by("name")
        self.fields["owner"].queryset = people  # type: ignore[attr-defined]

    def clean_labels(self) -> list[str]:
        return self.cleaned_data["labels"].split(",")


class IsolateFinding(WhyForm):
    """Which of the components that probes isolated it is."""

    component = forms.ChoiceField(label="Isolated by a probe")

    def __init__(self, *args: Any, finding: Finding, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.found = isolated_components(finding.pk)
        choices = [
            (str(at), f"{what} (probe {probe})") for at, (what, probe) in enumerate(self.found)
        ]
        self.fields["component"].choices = choices  # type: ignore[attr-defined]

    def clean_component(self) -> tuple[str, UUID]:
        return self.found[int(self.cleaned_data["component"])]


class FixedFinding(WhyForm):
    """The checkpoint that no longer has it."""

    checkpoint = forms.ModelChoiceField(
        Checkpoint.objects.none(), empty_label=None, label="Fixed in"
    )

    def __init__(self, *args: Any, finding: Finding, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Checkpoint.objects.exclude(pk=finding.checkpoint_id).order_by("-registered_at")
        newest = Checkpoint.objects.filter(pk__in=[c.pk for c in others[:NEWEST]])
        self.fields["checkpoint"].queryset = newest.order_by("-registered_at")  # type: ignore[attr-defined]


class NotReproduced(WhyForm):
    """What was tried in vain."""

    tried = text_field("What was tried", rows=3, max_length=TRIED_LENGTH)
    detectable_rate = forms.FloatField(
        label="Rate that would have been seen",
        min_value=0,
        max_value=1,
        help_text="0.01 is one request in a hundred.",
    )
    field_order = ("tried", "detectable_rate")


class LinkFeedback(forms.Form):
    """A remark that speaks of it."""

    feedback = forms.UUIDField(label="Feedback", help_text="The id at the end of its address.")
