"""How django-allauth signs people in here: its adapters, and nothing of its sign-up."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from infra import lockouts
from infra.sign_ins import remember_sign_in

PRODUCT = "Slipway"
# When the identity provider last saw the person itself, on a request that came back from it.
PROVED_AT = "slipway_proved_at"


def problem_of(login: Any) -> str:
    """Why this login may not open the console; "" when it may."""
    if not login.is_active:
        return "This login is disabled."
    if login.person is None or login.person.left_at is not None:
        return "This login belongs to nobody who works here now."
    if not login.is_staff:
        return "This login may not open the console."
    return ""


def refused(request: HttpRequest, message: str, status: int = 403) -> HttpResponse:
    """The page for a sign-in that ends here, with the way back to the start."""
    context = {**admin.site.each_context(request), "problem": message}
    return render(request, "console/sign_in_refused.html", context, status=status)


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in alone: logins are made by administrators and by invitation."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_stages(self) -> list[str]:
        """After the first proof: a second one, where the login has one."""
        return ["allauth.mfa.stages.AuthenticateStage"]

    def get_client_ip(self, request: HttpRequest) -> str:
        return request.META.get("REMOTE_ADDR") or "0.0.0.0"  # noqa: S104 - nobody listens there

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """The pages say themselves what was done."""

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """The audit log keeps it."""

    def pre_login(
        self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any
    ) -> HttpResponse | None:
        problem = problem_of(user)
        return refused(request, problem) if problem else None

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """All proofs were given: a new session key, and from when on decisions are fresh.

        A single sign-on proves what the provider says of it: a session there may be days old.
        """
        super().login(request, user)
        lockouts.forget(user)  # type: ignore[arg-type]
        proved_at: datetime | None = getattr(request, PROVED_AT, None)
        if not hasattr(request, PROVED_AT):
            remember_sign_in(request)
        elif proved_at is not None:
            remember_sign_in(request, at=proved_at)


class SecondFactorAdapter(DefaultMFAAdapter):
    """Secrets of authenticator apps and recovery codes are sealed with a key outside the tables."""

    def encrypt(self, text: str) -> str:
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _box().decrypt(encrypted_text.encode()).decode()

    def get_totp_issuer(self) -> str:
        return PRODUCT

    def get_totp_label(self, user: Any) -> str:
        return str(user.username)

    def _get_site_name(self) -> str:
        return PRODUCT

    def get_public_key_credential_user_entity(self, user: Any) -> dict[str, Any]:
        entity = super().get_public_key_credential_user_entity(user)
        return {**entity, "name": user.username, "display_name": str(user.person or user.username)}


def _box() -> Fernet:
    key = hashlib.sha256(b"second-factor\0" + settings.KEY_PEPPER.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
