"""Looks back on one page: what was in a stage at a moment, for everybody or for one partner."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet

from alpha import history
from alpha.models import Partner
from infra import clock
from infra.console.pages import Page
from releases.models import Stage


class LookBack(forms.Form):
    """A place and a moment."""

    stage = forms.ModelChoiceField(Stage.objects.none(), label="Stage")
    partner = forms.ModelChoiceField(
        Partner.objects.none(), label="Partner", required=False, empty_label="everybody"
    )
    at = forms.DateTimeField(
        label="At (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["stage"].queryset = _stages()  # type: ignore[attr-defined]
        self.fields["partner"].queryset = Partner.objects.order_by("name")  # type: ignore[attr-defined]


def _stages() -> QuerySet[Stage]:
    """Retired ones too: the question is about the past."""
    return Stage.objects.select_related("pipeline").order_by("pipeline__name", "position")


class HistoryPage(Page):
    """Nothing is asked until a stage is chosen."""

    template_name = "alpha/history.html"
    title = "Look back"

    def context(self) -> dict[str, Any]:
        asked = LookBack(self.request.GET or None, auto_id="look-%s")
        found = None
        if asked.is_bound and asked.is_valid():
            given = asked.cleaned_data
            at = given["at"] or clock.now()
            found = history.stage_then(given["stage"], at, given["partner"])
        return {"asked": asked, "found": found}
