"""Keys of pipelines and CI: made, shown once, revoked."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse

from infra import clock
from infra.console.fields import RowWhyForm, day_field, end_of
from infra.console.pages import Page
from infra.roles import Role, Scope
from infra.service_keys import key_with_id, keys, make_service_key, revoke_service_key


class NewServiceKey(forms.Form):
    """Who uses it, and what it may do; a key never approves."""

    name = forms.CharField(max_length=100, help_text="Who uses it, such as training-ci.")
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        choices=[(scope.value, scope.value) for scope in Scope],
        widget=forms.CheckboxSelectMultiple,
    )
    expires_on = day_field("Last day", help_text="Empty: it stays good until it is revoked.")


class ServiceKeysPage(Page):
    """All service keys; the text of a new one is shown once."""

    template_name = "console/service_keys.html"
    title = "Service keys"
    forms = {"make": NewServiceKey, "revoke": RowWhyForm}

    def context(self) -> dict[str, Any]:
        return {
            "keys": keys(),
            "now": clock.now(),
            "may_manage": self.actor.may(Role.RELEASE_MANAGER),
        }

    def do_make(self, data: dict[str, Any]) -> HttpResponse:
        key, secret = make_service_key(
            actor=self.actor,
            name=data["name"],
            scopes=[Scope(scope) for scope in data["scopes"]],
            expires_at=end_of(data["expires_on"]),
        )
        answer = self.shown(issued=key, secret=secret)
        answer["Cache-Control"] = "no-store"
        return answer

    def do_revoke(self, data: dict[str, Any]) -> str:
        key = key_with_id(data["id"])
        revoke_service_key(actor=self.actor, key=key, reason=data["reason"])
        return f"{key} is revoked: its next request is refused."
