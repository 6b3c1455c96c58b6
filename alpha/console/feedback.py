"""The inbox: what partners said, newest first, narrowed as one likes and keeps."""

from __future__ import annotations

from typing import Any

from django import forms
from django.urls import reverse

from alpha import selectors
from alpha.console.partners import MANAGERS
from alpha.models import Feedback, InboxFilter, Partner
from alpha.selectors import NOBODY
from alpha.services import feedback, triage
from alpha.services.feedback import TRIAGERS
from alpha.states import FeedbackState
from infra.console.fields import text_field
from infra.console.pages import Page, page_of
from infra.models import Person
from infra.roles import Role
from releases.gates.severity import Severity

_TABS = ("", *(state.value for state in FeedbackState))
LENGTHS = {"partner": 80, "checkpoint": 120, "label": 100, "assignee": 254, "q": 200}


class EnterFeedback(forms.Form):
    """What a partner said in a mail or a meeting."""

    partner = forms.ModelChoiceField(Partner.objects.none(), empty_label=None)
    comment = text_field("What they said", rows=3)
    thumb = forms.ChoiceField(
        choices=[("", "not said"), ("up", "thumbs up"), ("down", "thumbs down")], required=False
    )
    rating = forms.IntegerField(min_value=-1000, max_value=1000, required=False)
    correction = text_field("What it should have said", required=False, rows=2)
    request_id = forms.UUIDField(
        label="Request id", required=False, help_text="Ties it to the exact call."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        open_partners = Partner.objects.filter(ended_at=None)
        self.fields["partner"].queryset = open_partners  # type: ignore[attr-defined]


class SaveFilter(forms.Form):
    """A name for what the inbox shows now."""

    name = forms.CharField(max_length=triage.FILTER_NAME_LENGTH)


class DropFilter(SaveFilter):
    """The name of one of one's own."""

    name = forms.CharField(max_length=triage.FILTER_NAME_LENGTH, widget=forms.HiddenInput)


class FeedbackPage(Page):
    """Feedback by state; a form takes down what was said elsewhere."""

    template_name = "alpha/feedback.html"
    title = "Feedback"
    forms = {"enter": EnterFeedback, "save": SaveFilter, "drop": DropFilter}

    def context(self) -> dict[str, Any]:
        asked = self._asked()
        query = self.request.GET.copy()
        query.pop("page", None)
        query.pop("state", None)
        return {
            "state": asked["state"],
            "asked": asked,
            "other_query": query.urlencode(),
            "is_narrowed": any(asked[name] for name in asked if name != "state"),
            "tabs": _TABS,
            "severities": [severity.value for severity in Severity],
            "partners": Partner.objects.values_list("name", flat=True),
            "people": _people(),
            "nobody": NOBODY,
            "filters": InboxFilter.objects.filter(person=self.actor.person_id),
            "rows": page_of(self.request, selectors.inbox(**asked)),
            "any": Feedback.objects.exists(),
            "may_enter": self.actor.may(*MANAGERS, Role.BEHAVIOUR_REVIEWER),
            "may_triage": self.actor.may(*TRIAGERS),
        }

    def _asked(self) -> dict[str, str]:
        """What the address narrows the inbox by; what it can't be is left out."""
        given = {name: self.request.GET.get(name, "") for name in triage.FILTERED_BY}
        state = self.request.GET.get("state", FeedbackState.NEW.value)
        severities = {severity.value for severity in Severity}
        asked = {
            name: "" if "\0" in text else text[: LENGTHS.get(name, 20)]
            for name, text in given.items()
        }
        asked["state"] = state if state in _TABS else FeedbackState.NEW.value
        asked["severity"] = asked["severity"] if asked["severity"] in severities else ""
        return asked

    def do_enter(self, data: dict[str, Any]) -> str:
        feedback.enter_feedback(
            actor=self.actor,
            partner=data["partner"],
            comment=data["comment"],
            request_id=data["request_id"],
            rating=data["rating"],
            correction=data["correction"],
            thumbs_up={"up": True, "down": False}.get(data["thumb"]),
        )
        return f"Written down for {data['partner']}."

    def do_save(self, data: dict[str, Any]) -> str:
        query = self.request.GET.urlencode()
        kept = triage.save_filter(actor=self.actor, name=data["name"], query=query)
        return f"Kept as {kept.name}."

    def do_drop(self, data: dict[str, Any]) -> str:
        triage.drop_filter(actor=self.actor, name=data["name"])
        return f"{data['name']} is dropped."

    def after(self, name: str) -> str:
        return reverse("console-feedback") if name == "drop" else super().after(name)


def _people() -> Any:
    found = Person.objects.filter(logins__is_active=True).distinct().order_by("name")
    return found.values_list("email", "name")
