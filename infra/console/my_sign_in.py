"""How the person at the screen signs in: second factors, recovery codes, sessions."""

from __future__ import annotations

import base64
from typing import Any

from allauth.mfa.adapter import get_adapter
from django import forms
from django.http import HttpResponse

from infra import browser_sessions, second_factors
from infra.console.fields import NoForm
from infra.console.pages import Page
from infra.required_factors import is_required


class CodeForm(forms.Form):
    """What the authenticator app shows."""

    code = forms.CharField(
        label="Code that the app shows",
        max_length=10,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class PasskeyForm(forms.Form):
    """A new passkey, named by its owner; the browser fills in what it made."""

    name = forms.CharField(
        label="Name", max_length=100, help_text="The device it is on, such as work laptop."
    )
    credential = forms.JSONField(widget=forms.HiddenInput)


class NumberForm(forms.Form):
    """One row of the page."""

    id = forms.IntegerField(widget=forms.HiddenInput)


class MySignInPage(Page):
    """The signed-in person's own factors and sessions; nobody else sees or changes them."""

    template_name = "console/my_sign_in.html"
    title = "My sign-in"
    forms = {
        "app": NoForm,
        "app_on": CodeForm,
        "app_off": NoForm,
        "codes": NoForm,
        "passkey": PasskeyForm,
        "passkey_off": NumberForm,
        "end": NumberForm,
        "end_others": NoForm,
    }
    decisions = frozenset(forms) - {"end", "end_others"}

    @property
    def login(self) -> Any:
        return self.request.user

    def context(self) -> dict[str, Any]:
        factors = second_factors.factors_of(self.login)
        secret = second_factors.pending_totp(self.request.session)
        return {
            "factors": factors,
            "setting_up": _shown_once(self.login, secret) if secret and not factors.totp else None,
            "sessions": browser_sessions.sessions_of(self.login, self.request.session.session_key),
            "has_password": self.login.has_usable_password(),
            "is_required": is_required(self.login) and not factors,
        }

    def get(self, request: Any, **kwargs: Any) -> HttpResponse:
        answer = super().get(request, **kwargs)
        answer["Cache-Control"] = "no-store"
        return answer

    def do_app(self, data: dict[str, Any]) -> str:
        second_factors.begin_totp(actor=self.actor, login=self.login, session=self.request.session)
        return "Scan the picture with your app, then type the code it shows."

    def do_app_on(self, data: dict[str, Any]) -> HttpResponse | str:
        codes = second_factors.turn_on_totp(
            actor=self.actor,
            login=self.login,
            session=self.request.session,
            code=data["code"],
        )
        return self._codes(codes) if codes else "Your app is asked from now on."

    def do_app_off(self, data: dict[str, Any]) -> str:
        second_factors.turn_off_totp(actor=self.actor, login=self.login)
        return "Your app is asked no longer."

    def do_codes(self, data: dict[str, Any]) -> HttpResponse:
        return self._codes(second_factors.new_recovery_codes(actor=self.actor, login=self.login))

    def do_passkey(self, data: dict[str, Any]) -> HttpResponse | str:
        codes = second_factors.add_passkey(actor=self.actor, login=self.login, **data)
        return self._codes(codes) if codes else f"The passkey {data['name']} signs you in."

    def do_passkey_off(self, data: dict[str, Any]) -> str:
        second_factors.remove_passkey(actor=self.actor, login=self.login, passkey_id=data["id"])
        return "That passkey signs you in no longer."

    def do_end(self, data: dict[str, Any]) -> str:
        ended = browser_sessions.end_session(
            actor=self.actor, login=self.login, session_id=data["id"]
        )
        return f"You are signed out there ({ended})."

    def do_end_others(self, data: dict[str, Any]) -> str:
        ended = browser_sessions.end_other_sessions(
            actor=self.actor, login=self.login, this_key=self.request.session.session_key
        )
        return f"You are signed out everywhere but here ({ended})."

    def _codes(self, codes: list[str]) -> HttpResponse:
        answer = self.shown(codes=[f"{code[:4]} {code[4:]}" for code in codes])
        answer["Cache-Control"] = "no-store"
        return answer


def _shown_once(login: Any, secret: str) -> dict[str, str]:
    """The picture an app scans, and the same as text."""
    adapter = get_adapter()
    picture = adapter.build_totp_svg(adapter.build_totp_url(login, secret))
    grouped = " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
    return {"picture": base64.b64encode(picture.encode()).decode(), "secret": grouped}
