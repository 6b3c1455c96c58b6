"""Notices, remarks and comparisons: what a partner was told, said, and judged."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse

from alpha.portal import sessions
from alpha.portal.entry import password_field
from alpha.portal.own import (
    own_comparisons,
    own_feedback,
    own_models,
    own_notices,
    with_states,
)
from alpha.portal.pages import OwnPage
from alpha.services import own_access, partner_logins
from infra.console.fields import text_field
from infra.console.pages import page_of


class Acknowledge(forms.Form):
    """Read; of a fix with the answer whether it is gone."""

    id = forms.UUIDField(widget=forms.HiddenInput)
    resolved = forms.TypedChoiceField(
        choices=[("yes", "yes"), ("no", "no")],
        coerce=lambda value: value == "yes",
        empty_value=None,
        required=False,
    )
    comment = text_field("Comment", required=False, rows=2, max_length=own_access.LONGEST_ANSWER)


class Notices(OwnPage):
    template_name = "portal/notices.html"
    title = "Notices"
    route = "partner-notices"
    forms = {"acknowledge": Acknowledge}

    def context(self) -> dict[str, Any]:
        return {"rows": page_of(self.request, own_notices(self.partner), 20)}

    def do_acknowledge(self, data: dict[str, Any]) -> str:
        own_access.acknowledge(
            login=self.login,
            notice_id=data["id"],
            resolved=data["resolved"],
            comment=data["comment"],
        )
        return "Thank you: that is noted."


class OwnFeedback(OwnPage):
    template_name = "portal/feedback.html"
    title = "Feedback"
    route = "partner-feedback"

    def context(self) -> dict[str, Any]:
        rows = page_of(self.request, own_feedback(self.partner), 25)
        return {"rows": rows, "remarks": with_states(list(rows))}


class Compare(OwnPage):
    """Two answers side by side, asked with the partner's key by the browser itself."""

    template_name = "portal/compare.html"
    title = "Compare"
    route = "partner-compare"

    def context(self) -> dict[str, Any]:
        names = [one.name for one in own_models(self.partner) if one.is_accepted]
        return {"names": names, "rows": page_of(self.request, own_comparisons(self.partner), 25)}


class ChangePassword(forms.Form):
    old = password_field("Your password", "current-password")
    new = password_field("The new one", "new-password", "Every other session of yours ends.")


class Account(OwnPage):
    template_name = "portal/account.html"
    title = "Account"
    route = "partner-account"
    forms = {"password": ChangePassword}

    def context(self) -> dict[str, Any]:
        return {"people": self.partner.people.filter(ended_at=None)}

    def do_password(self, data: dict[str, Any]) -> HttpResponse | str:
        sessions.begin(self.request, partner_logins.change_password(login=self.login, **data))
        return "Your password is changed."
