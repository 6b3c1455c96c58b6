"""What would happen if a checkpoint were asked into a stage; the page changes nothing."""

from __future__ import annotations

from typing import Any

from django import forms

from infra.console.pages import Page
from infra.errors import DomainError
from releases.models import Checkpoint, Stage
from releases.services.simulation import simulate


class SimulateForm(forms.Form):
    """What moves where, and when."""

    checkpoint = forms.ModelChoiceField(Checkpoint.objects.none(), label="Checkpoint")
    stage = forms.ModelChoiceField(Stage.objects.none(), label="Into")
    at = forms.DateTimeField(
        label="At (UTC), empty: now",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stages = Stage.objects.filter(retired_at=None).select_related("pipeline__family")
        checkpoints = Checkpoint.objects.select_related("family", "owner")
        self.fields["checkpoint"].queryset = checkpoints.order_by("-registered_at")  # type: ignore[attr-defined]
        self.fields["stage"].queryset = stages.order_by("pipeline__name", "position")  # type: ignore[attr-defined]


class SimulatePage(Page):
    """Nothing is asked until a checkpoint and a stage are chosen."""

    template_name = "releases/simulate.html"
    title = "Simulate"

    def context(self) -> dict[str, Any]:
        given = self.request.GET
        is_asked = "stage" in given
        asked = SimulateForm(
            given if is_asked else None, initial=given.dict(), auto_id="simulate-%s"
        )
        if not (is_asked and asked.is_valid()):
            return {"asked": asked}
        try:
            return {"asked": asked, "found": simulate(viewer=self.actor, **asked.cleaned_data)}
        except DomainError as refusal:
            return {"asked": asked, "problem": refusal.message}
