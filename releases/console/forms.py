"""What people fill in about checkpoints, promotions and releases."""

from __future__ import annotations

from typing import Any

from django import forms

from infra.console.fields import reason_field, text_field
from releases.models import Checkpoint, Stage

NEWEST = 30


class RequestPromotion(forms.Form):
    stage = forms.ModelChoiceField(Stage.objects.none(), empty_label=None, label="Into")
    reason = reason_field(help_text="Approvers read it first.")

    hotfix = forms.BooleanField(
        required=False,
        label="Hotfix: skip soak and exposure, owe a follow-up within 72 hours",
    )
    together_with = forms.ModelMultipleChoiceField(
        Checkpoint.objects.none(),
        required=False,
        label="Together with",
        help_text="Other sizes: all of them move, or none does.",
    )

    def __init__(self, *args: Any, checkpoint: Checkpoint, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stages = Stage.objects.filter(pipeline__family_id=checkpoint.family_id, retired_at=None)
        self.fields["stage"].queryset = stages.select_related("pipeline")  # type: ignore[attr-defined]
        others = Checkpoint.objects.filter(family_id=checkpoint.family_id)
        others = others.exclude(size=checkpoint.size).order_by("-registered_at")
        newest = list(others.values_list("pk", flat=True)[:NEWEST])
        if not newest:
            del self.fields["together_with"]
            return
        self.fields["together_with"].queryset = others.filter(pk__in=newest)  # type: ignore[attr-defined]


class PromoteHere(forms.Form):
    """A checkpoint for the stage whose node was chosen."""

    stage = forms.ModelChoiceField(Stage.objects.none(), widget=forms.HiddenInput)
    checkpoint = forms.ModelChoiceField(
        Checkpoint.objects.none(), empty_label=None, help_text="The newest of its family."
    )
    reason = reason_field(help_text="Approvers read it first.")

    def __init__(self, *args: Any, stage: Stage | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if stage is None:
            return
        self.fields["stage"].queryset = Stage.objects.filter(pk=stage.pk)  # type: ignore[attr-defined]
        self.fields["stage"].initial = stage.pk
        of_family = Checkpoint.objects.filter(family_id=stage.pipeline.family_id)
        newest = of_family.order_by("-registered_at").values("pk")[:NEWEST]
        self.fields["checkpoint"].queryset = Checkpoint.objects.filter(  # type: ignore[attr-defined]
            pk__in=newest
        ).order_by("-registered_at")


class FreezeForm(forms.Form):
    """Times in which nothing moves into the stage."""

    name = forms.CharField(max_length=60, help_text="Such as year-end.")
    starts = forms.CharField(max_length=19, help_text="Local time, such as 2026-12-20T18:00:00.")
    lasts = forms.CharField(
        max_length=12, help_text="36h is exact; 2d are two days on the wall's clock."
    )
    time_zone = forms.CharField(max_length=60, label="Time zone", initial="UTC")
    rule = forms.CharField(
        max_length=500, required=False, help_text="Again and again: such as FREQ=WEEKLY;BYDAY=FR."
    )
    reason = reason_field()


class FreezeWaiverForm(forms.Form):
    """One promotion goes through one freeze."""

    id = forms.UUIDField(widget=forms.HiddenInput)
    reason = reason_field(help_text="At least 20 characters.")


class NoteForm(forms.Form):
    """What was looked at after a hotfix."""

    id = forms.UUIDField(widget=forms.HiddenInput)
    note = text_field("What was looked at", rows=2, max_length=2000)


class CommentForm(forms.Form):
    """A remark that is kept for good."""

    text = text_field("Comment", rows=2, max_length=4000)


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
