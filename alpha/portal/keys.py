"""A partner's own keys, what limits them, and what they used."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpResponse

from alpha.models import Key
from alpha.portal.own import own_models
from alpha.portal.pages import OwnPage
from alpha.selectors import last_used
from alpha.services import own_access
from alpha.usage_view import usage_view
from infra import clock
from infra.console.fields import RowWhyForm


class OwnKey(forms.Form):
    name = forms.CharField(max_length=100, help_text="Where it is used, such as ci or laptop.")
    days = forms.IntegerField(
        label="Days until it expires",
        min_value=1,
        max_value=own_access.MOST_DAYS,
        initial=90,
        required=False,
        help_text="Empty: it stays good until it is revoked.",
    )


class OwnRotation(forms.Form):
    id = forms.UUIDField(widget=forms.HiddenInput)
    overlap_hours = forms.IntegerField(min_value=0, max_value=720)


class Keys(OwnPage):
    template_name = "portal/keys.html"
    title = "Keys and usage"
    route = "partner-keys"
    forms = {"key": OwnKey, "rotate_key": OwnRotation, "revoke_key": RowWhyForm}

    def context(self) -> dict[str, Any]:
        found = list(self.partner.keys.select_related("replaces"))
        used, now = last_used(found), clock.now()
        replaced_by = {key.replaces_id: key for key in found if key.revoked_at is None}
        live = [
            key
            for key in found
            if key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
        ]
        return {
            "keys": [(key, used.get(key.pk), replaced_by.get(key.pk)) for key in live],
            "n_ended": len(found) - len(live),
            "soon": now + timedelta(days=14),
            "may_issue": self.partner.people_may_issue_keys,
            "limited": [one for one in own_models(self.partner) if one.grant.quotas.is_limited],
            **usage_view(self.partner),
        }

    def do_key(self, data: dict[str, Any]) -> HttpResponse:
        key, secret = own_access.issue_own_key(
            login=self.login, name=data["name"], days=data["days"]
        )
        return self._shown_once(key, secret)

    def do_rotate_key(self, data: dict[str, Any]) -> HttpResponse:
        key, secret = own_access.rotate_own_key(
            login=self.login, key_id=data["id"], overlap=timedelta(hours=data["overlap_hours"])
        )
        return self._shown_once(key, secret)

    def do_revoke_key(self, data: dict[str, Any]) -> str:
        key = own_access.revoke_own_key(login=self.login, key_id=data["id"], reason=data["reason"])
        return f"{key} is revoked: its next request is refused."

    def _shown_once(self, key: Key, secret: str) -> HttpResponse:
        return self.shown(issued=key, secret=secret)
