"""The inbox: what partners said, newest first."""

from __future__ import annotations

from typing import Any

from django import forms

from alpha import selectors
from alpha.console.partners import MANAGERS
from alpha.models import Feedback, Partner
from alpha.services import feedback
from alpha.states import FeedbackState
from infra.console.fields import text_field
from infra.console.pages import Page, page_of
from infra.roles import Role

_TABS = ("", *(state.value for state in FeedbackState))


class EnterFeedback(forms.Form):
    """What a partner said in a mail or a meeting."""

    partner = forms.ModelChoiceField(Partner.objects.none(), empty_label=None)
    comment = text_field("What they said", rows=3)
    thumb = forms.ChoiceField(
        choices=[("", "not said"), ("up", "thumbs up"), ("down", "thumbs down")], required=False
    )
    request_id = forms.UUIDField(
        label="Request id", required=False, help_text="Ties it to the exact call."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        open_partners = Partner.objects.filter(ended_at=None)
        self.fields["partner"].queryset = open_partners  # type: ignore[attr-defined]


class FeedbackPage(Page):
    """Feedback by state; a form takes down what was said elsewhere."""

    template_name = "alpha/feedback.html"
    title = "Feedback"
    forms = {"enter": EnterFeedback}

    def context(self) -> dict[str, Any]:
        state = self.request.GET.get("state", FeedbackState.NEW.value)
        state = state if state in _TABS else FeedbackState.NEW.value
        rows = selectors.inbox(
            state=state,
            partner=self.request.GET.get("partner", ""),
            checkpoint=self.request.GET.get("checkpoint", ""),
        )
        return {
            "state": state,
            "tabs": _TABS,
            "rows": page_of(self.request, rows),
            "any": Feedback.objects.exists(),
            "n_partners": Partner.objects.count(),
            "may_enter": self.actor.may(*MANAGERS, Role.BEHAVIOUR_REVIEWER),
        }

    def do_enter(self, data: dict[str, Any]) -> str:
        feedback.enter_feedback(
            actor=self.actor,
            partner=data["partner"],
            comment=data["comment"],
            request_id=data["request_id"],
            thumbs_up={"up": True, "down": False}.get(data["thumb"]),
        )
        return f"Written down for {data['partner']}."
