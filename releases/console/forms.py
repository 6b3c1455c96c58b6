"""What people fill in about checkpoints, promotions and releases."""

from __future__ import annotations

from typing import Any

from django import forms

from infra.console.fields import reason_field, text_field
from releases.models import Stage


class RequestPromotion(forms.Form):
    stage = forms.ModelChoiceField(Stage.objects.none(), empty_label=None, label="Into")
    reason = reason_field(help_text="Approvers read it first.")

    def __init__(self, *args: Any, family_id: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stages = Stage.objects.filter(pipeline__family_id=family_id, retired_at=None)
        self.fields["stage"].queryset = stages.select_related("pipeline")  # type: ignore[attr-defined]


class VoteForm(forms.Form):
    """A vote on the evidence that the page showed."""

    comment = text_field("Comment", required=False, rows=3, max_length=2000)
    evidence_hash = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)


class AnswerForm(forms.Form):
    """A person's yes or blocking no to one gate."""

    gate_id = forms.CharField(max_length=80)
    answer = forms.ChoiceField(choices=[("yes", "Yes"), ("no", "No, this blocks it")])
    comment = forms.CharField(max_length=2000)


class WaiveForm(forms.Form):
    """A bypass of one gate, which a second person has to confirm."""

    gate_id = forms.CharField(max_length=80)
    reason = forms.CharField(max_length=2000)


class RowForm(forms.Form):
    """One row of the page, and nothing to say."""

    id = forms.UUIDField()


class ApproveStepForm(forms.Form):
    """Lets a ramp's step go on, as the page showed it."""

    id = forms.UUIDField(widget=forms.HiddenInput)
    step = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    comment = reason_field("Comment")


class RollBackForm(forms.Form):
    size = forms.CharField(max_length=40, widget=forms.HiddenInput)
    reason = reason_field()
