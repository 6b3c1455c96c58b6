"""Forms of the probes' pages."""

from __future__ import annotations

from typing import Any

import yaml
from django import forms

from alpha.models import Finding
from evals.console.forms import runnable_checkpoints
from evals.formats import yaml_text
from evals.probes.changes import TEMPLATES
from evals.probes.planning import DEFAULT_PROMPTS, DEFAULT_REPEATS
from evals.services.probes.specs import HUMAN
from evals.services.runs import MOST_REPEATS
from infra.console.fields import text_field
from releases.models import Checkpoint

SEPARATOR = "---"


class DesignForm(forms.Form):
    """A probe's design; pairs are generated from it and reviewed next."""

    finding = forms.ModelChoiceField(Finding.objects.none(), empty_label=None)
    title = forms.CharField(max_length=200, label="What do you suspect?")
    checkpoints = forms.ModelMultipleChoiceField(Checkpoint.objects.none())
    from_remarks = forms.BooleanField(
        required=False, initial=True, label="Take the prompts of its remarks, where text is kept"
    )
    prompts = text_field(
        "Prompts of your own",
        required=False,
        rows=6,
        max_length=200_000,
        help_text=f"One after the other, a line of {SEPARATOR} between them; {DEFAULT_PROMPTS} "
        "prompts with the proposed repeats see an effect like 60% to 20%.",
    )
    templates = forms.MultipleChoiceField(
        required=False,
        choices=[(one.name, one.sentence) for one in TEMPLATES.values()],
        help_text="Left alone: all that change something.",
        widget=forms.CheckboxSelectMultiple,
    )
    graders = text_field(
        "Graders",
        required=False,
        rows=3,
        help_text="YAML or JSON, a list; empty: people judge the answers blind.",
    )
    repeats = forms.IntegerField(min_value=1, max_value=MOST_REPEATS, initial=DEFAULT_REPEATS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["finding"].queryset = Finding.objects.order_by("-opened_at")  # type: ignore[attr-defined]
        self.fields["checkpoints"].queryset = runnable_checkpoints()  # type: ignore[attr-defined]

    def clean_graders(self) -> list[Any]:
        text = self.cleaned_data["graders"].strip()
        if not text:
            return [dict(HUMAN)]
        try:
            found = yaml_text.load(text)
        except yaml.YAMLError as error:
            raise forms.ValidationError(f"is no YAML: {error}") from error
        return found if isinstance(found, list) else [found]


class ReviewForm(forms.Form):
    """Pairs to approve or to drop: one, or all of a hypothesis."""

    decision = forms.ChoiceField(choices=[("approve", "Approve"), ("drop", "Drop")])
    pair = forms.UUIDField(required=False)
    hypothesis = forms.CharField(required=False, max_length=60)


class EditPairForm(forms.Form):
    """Another changed request in a pair's place."""

    pair = forms.UUIDField(widget=forms.HiddenInput)
    changed = text_field("What is asked instead, as JSON", rows=10, max_length=200_000)


class WriteForm(forms.Form):
    """A hypothesis of one's own, written into the prompts."""

    component = forms.CharField(
        max_length=200, label="What do you suspect?", help_text="Such as: polite words."
    )
    sentence = forms.CharField(
        max_length=500,
        label="What do the changed prompts do?",
        help_text="Such as: They ask bluntly.",
    )
    changed = text_field(
        "The prompts, changed",
        rows=14,
        max_length=400_000,
        help_text="By number. Change the words where the suspicion lies; a prompt that you leave "
        "as it is, or take out, makes no pair.",
    )

    def clean_changed(self) -> dict[Any, Any]:
        try:
            found = yaml_text.load(self.cleaned_data["changed"])
        except yaml.YAMLError as error:
            raise forms.ValidationError(f"is no YAML: {error}") from error
        if not isinstance(found, dict):
            raise forms.ValidationError("is a list of prompts by number: keep the numbers.")
        return found


class NothingForm(forms.Form):
    """A button alone."""


class RateForm(forms.Form):
    """One keystroke."""

    answer = forms.UUIDField()
    choice = forms.ChoiceField(choices=[("fails", "Fails"), ("is fine", "Is fine")])
