"""The calls that partners made, newest first; one of them by its request id."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet

from alpha import selectors
from alpha.models import UsageEvent
from alpha.states import UsageState
from infra import clock
from infra.console.pages import Page

MOST = 100


class CallSearch(forms.Form):
    """Every field narrows the list."""

    request_id = forms.UUIDField(label="Request id", required=False)
    partner = forms.CharField(required=False, max_length=80)
    codename = forms.CharField(required=False, max_length=80)
    state = forms.ChoiceField(
        required=False,
        choices=[("", "any"), *((s.value, s.value.replace("_", " ")) for s in UsageState)],
    )


class CallsPage(Page):
    """The newest calls of this month and the last, at most a hundred at a time."""

    template_name = "alpha/calls.html"
    title = "Calls"

    def context(self) -> dict[str, Any]:
        search = CallSearch(self.request.GET, auto_id="search-%s")
        wanted = search.cleaned_data if search.is_valid() else None
        rows = UsageEvent.objects.none() if wanted is None else calls(wanted)
        return {"search": search, "rows": list(rows[:MOST]), "most": MOST}


def calls(wanted: dict[str, Any]) -> QuerySet[UsageEvent]:
    """Events that match, newest first; a request id finds its month by itself."""
    found = UsageEvent.objects.select_related("partner", "checkpoint", "stage__pipeline")
    request_id = wanted["request_id"]
    if request_id is not None:
        if request_id.version != 7:
            return found.none()
        return found.filter(month=selectors.month_of(request_id), request_id=request_id)
    this_month = clock.now().date().replace(day=1)
    found = found.filter(month__gte=(this_month - timedelta(days=1)).replace(day=1))
    if wanted["partner"]:
        found = found.filter(partner__name=wanted["partner"])
    for name in ("codename", "state"):
        if wanted[name]:
            found = found.filter(**{name: wanted[name]})
    return found.order_by("-started_at")
