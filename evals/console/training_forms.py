"""What people fill in to make training rows of corrections, and cases of a finding."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from alpha.models import Feedback, Finding, Partner
from evals.console.forms import CaseForm
from evals.models import Suite
from evals.services.regression import OPEN_REMARKS
from evals.services.training import DEFAULT_VALIDATION, MOST_VALIDATION
from evals.states import VersionState
from evals.training.contract import TrainingKind
from infra.console.fields import day_field, reason_field, text_field
from releases.models import Checkpoint

KINDS = {
    TrainingKind.SFT: "SFT: the answer to give",
    TrainingKind.DPO: "DPO: the correction over what was answered",
    TrainingKind.RFT: "RFT: the question, and a grader",
}
GRADER = {
    "type": "text_similarity",
    "name": "near_the_correction",
    "input": "{{sample.output_text}}",
    "reference": "{{item.reference_text}}",
    "evaluation_metric": "fuzzy_match",
}


class ExportForm(forms.Form):
    """Which corrections become rows of which kind."""

    kind = forms.ChoiceField(choices=[(kind.value, label) for kind, label in KINDS.items()])
    partner = forms.ModelChoiceField(Partner.objects.none(), required=False, empty_label="all")
    checkpoint = forms.ModelChoiceField(
        Checkpoint.objects.none(), required=False, empty_label="all"
    )
    finding = forms.ModelChoiceField(Finding.objects.none(), required=False, empty_label="all")
    since = day_field("Received since")
    validation_share = forms.FloatField(
        label="Share to validate on",
        min_value=0,
        max_value=MOST_VALIDATION,
        initial=DEFAULT_VALIDATION,
        help_text="A conversation is on one side alone.",
    )
    seed = forms.IntegerField(min_value=0, max_value=2**31 - 1, initial=0)
    with_cases = forms.BooleanField(
        label="What eval suites hold too",
        required=False,
        help_text="Who trains on a case can't be judged by it.",
    )
    with_votes = forms.BooleanField(
        label="Blind side by sides that somebody decided",
        required=False,
        help_text="Of DPO: the answer that was preferred, over the other one.",
    )
    grader = text_field(
        "Grader of RFT", required=False, rows=8, initial=json.dumps(GRADER, indent=2)
    )

    check_only = forms.BooleanField(
        label="Only check it",
        required=False,
        help_text="Of RFT: what a job would refuse, or learn nothing by. Nothing is exported.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = {
            "partner": Partner.objects.order_by("name"),
            "checkpoint": Checkpoint.objects.order_by("-registered_at"),
            "finding": Finding.objects.order_by("-opened_at"),
        }
        for name, rows in choices.items():
            self.fields[name].queryset = rows  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """The grader of RFT alone: the others take none."""
        data = super().clean() or {}
        text = (data.get("grader") or "").strip()
        data["grader"] = None
        if data.get("kind") == TrainingKind.RFT.value and text:
            try:
                data["grader"] = json.loads(text)
            except ValueError as error:
                self.add_error("grader", f"This is no JSON: {error}.")
        return data


class PlanCasesForm(forms.Form):
    """Remarks of a finding, and what their cases have in common."""

    suite = forms.ModelChoiceField(Suite.objects.none(), empty_label=None)
    remarks = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    messages = text_field(
        "What is asked, written anew",
        required=False,
        rows=3,
        help_text="For a single remark: instead of the text of its call. JSON, or text.",
    )
    target = text_field(
        "What a good answer must satisfy",
        required=False,
        rows=3,
        help_text="For remarks without a correction, in the form that the suite's cases have.",
    )
    components = forms.CharField(
        required=False, max_length=1000, help_text="Component labels, separated by commas."
    )
    keep_personal = forms.BooleanField(
        label="What looks like personal data in what I wrote is none", required=False
    )

    def __init__(self, *args: Any, finding: Finding, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        published = Suite.objects.filter(versions__state=VersionState.PUBLISHED.value)
        self.fields["suite"].queryset = published.distinct()  # type: ignore[attr-defined]
        new = Feedback.objects.filter(
            reports__finding=finding, state__in=OPEN_REMARKS
        ).select_related("partner")
        choices = [(str(one.pk), f"{one.partner}: {_said(one)}") for one in new[:200]]
        self.fields["remarks"].choices = choices  # type: ignore[attr-defined]

    def clean_messages(self) -> list[dict[str, Any]] | None:
        if not self.cleaned_data["messages"].strip():
            return None
        return CaseForm.clean_messages(self)  # type: ignore[arg-type]

    def clean_target(self) -> Any:
        if not self.cleaned_data["target"].strip():
            return None
        return CaseForm.clean_target(self)  # type: ignore[arg-type]

    clean_components = CaseForm.clean_components

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("messages") is not None and len(data.get("remarks") or ()) > 1:
            self.add_error("messages", "Choose one remark for what you write anew.")
        return data


class MakeCasesForm(PlanCasesForm):
    """The plan that was shown, as it was shown, and why."""

    digest = forms.CharField(widget=forms.HiddenInput, max_length=64)
    reason = reason_field("Why", "Kept with the feedback.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in PlanCasesForm.base_fields:
            many = name == "remarks"
            hidden = forms.MultipleHiddenInput() if many else forms.HiddenInput()
            self.fields[name].widget = hidden


def _said(remark: Feedback) -> str:
    text = remark.comment or remark.correction or "no words"
    return text if len(text) <= 100 else f"{text[:99]}…"
